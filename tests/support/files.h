/* Files and directories of a test, gone when it ends. */
#ifndef SUPPORT_FILES_H
#define SUPPORT_FILES_H

#include <stdbool.h>
#include <stddef.h>

enum { PATH_TEXT_BYTES = 1024 };

/* Makes an empty directory and writes its path. */
void directory_make(char path[PATH_TEXT_BYTES]);
void directory_remove(const char *path); /* and all that is in it */
void directory_clear(const char *path);  /* of all that is in it */

/* Writes directory/name, making what directories lie between. */
void file_write(const char *directory, const char *name, const void *data, size_t bytes);
void file_write_text(const char *directory, const char *name, const char *text);

/* The whole file, with a zero byte behind it; the caller frees it. */
char *file_read(const char *directory, const char *name, size_t *bytes);

/* How many entries of the directory end in suffix, and the first one's name if wanted. */
int directory_count(const char *path, const char *suffix, char name[PATH_TEXT_BYTES]);

/* Writes the kernels that are embedded in the library to a directory, for kernel_dir. */
void kernels_write(const char *directory);

#endif /* SUPPORT_FILES_H */
