/* A whole file as memory: pages are read when they are first touched. */
#ifndef TOOLS_MAP_FILE_H
#define TOOLS_MAP_FILE_H

#include "message.h"

#include <stddef.h>

typedef struct mapped_file {
    const unsigned char *data; /* never NULL once mapped */
    size_t bytes;
} mapped_file;

/* A regular file, for reading.  Whoever shortens it while it is mapped ends the program. */
bool map_file(const char *path, mapped_file *out, reason *why);
void unmap_file(mapped_file *file);

#endif /* TOOLS_MAP_FILE_H */
