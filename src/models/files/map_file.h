/* A whole file as memory: pages are read when they are first touched. */
#ifndef TOOLS_MAP_FILE_H
#define TOOLS_MAP_FILE_H

#include "shared/message.h"

#include <stddef.h>

typedef struct mapped_file {
    const unsigned char *data; /* never NULL once mapped */
    size_t bytes;
} mapped_file;

/* A regular file, for reading.  Whoever shortens it while it is mapped ends the program. */
bool map_file(const char *path, mapped_file *out, reason *why);

/* Part of it is not needed any more: whole pages of it leave the program's memory, and are read
 * again should they be touched. */
void map_file_give_back(const mapped_file *file, const void *part, size_t bytes);
void unmap_file(mapped_file *file);

#endif /* TOOLS_MAP_FILE_H */
