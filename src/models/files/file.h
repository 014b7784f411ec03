/* Regular files, and what is read from them. */
#ifndef MODELS_FILES_FILE_H
#define MODELS_FILES_FILE_H

#include <clattn/models/array.h>

/* A regular file opened for reading, and its size. */
clattn_status clattn__file_open(const char *path, uint64_t *bytes, FILE **out);

/* Fills all of it; refused if the end comes too soon, or the read fails. */
clattn_status clattn__file_fill(FILE *file, void *to, size_t bytes);

/* An array of that shape, filled with what comes next. */
clattn_status clattn__file_array(FILE *file, clattn_array_type type, int rank, const int64_t *shape,
                                 clattn_array *out);

/* A whole regular file of a directory, with a zero behind it; the caller frees.  The text of a
 * refusal begins with its name there. */
clattn_status clattn__file_text_in(const char *directory, const char *name, char **out,
                                   size_t *bytes);

/* Whether a directory has it. */
bool clattn__file_is_in(const char *directory, const char *name);

#endif /* MODELS_FILES_FILE_H */
