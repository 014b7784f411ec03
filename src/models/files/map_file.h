/* A whole file as memory: pages are read when they are first touched. */
#ifndef MODELS_FILES_MAP_FILE_H
#define MODELS_FILES_MAP_FILE_H

#include <clattn/base.h>

typedef struct clattn__mapped_file {
    const unsigned char *data; /* never NULL once mapped */
    size_t bytes;
} clattn__mapped_file;

/* A regular file, for reading.  Whoever shortens it while it is mapped ends the program. */
clattn_status clattn__map_file(const char *path, clattn__mapped_file *out);

/* Part of it is not needed any more: whole pages of it leave the program's memory, and are read
 * again should they be touched. */
void clattn__map_file_give_back(const clattn__mapped_file *file, const void *part, size_t bytes);
void clattn__unmap_file(clattn__mapped_file *file);

#endif /* MODELS_FILES_MAP_FILE_H */
