/* An array from a file, whatever its format. */
#ifndef TOOLS_LOAD_H
#define TOOLS_LOAD_H

#include "array.h"

#include <stdio.h>

/* "FILE.npy" or "FILE.safetensors:NAME".  The reason starts with the file's name. */
bool array_load(const char *path, array *out, reason *why);

/* A regular file opened for reading; NULL with the reason. */
FILE *file_open(const char *path, uint64_t *bytes, reason *why);

/* Fills all of it, or gives the reason: the end came too soon, or the read failed. */
bool file_fill(FILE *file, void *to, size_t bytes, reason *why);

/* A whole regular file, with a zero behind it; the caller frees.  NULL with the reason. */
char *file_text(const char *path, size_t *bytes, reason *why);

/* The same of a file in a directory; the reason starts with its name there. */
char *file_text_in(const char *directory, const char *name, size_t *bytes, reason *why);

#endif /* TOOLS_LOAD_H */
