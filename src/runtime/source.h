/* Kernel sources: embedded in the library or read from a directory. */
#ifndef CLATTN_SOURCE_H
#define CLATTN_SOURCE_H

#include <clattn/base.h>

struct clattn__embedded {
    const char *path; /* below kernels/; NULL ends the table */
    const char *text;
};

extern const struct clattn__embedded clattn__embedded_kernels[];

/* The text of a kernel file with every #include replaced by the file, each once,
 * and #line marks so that a compiler's message names file and line.  Paths are
 * relative to the root of the kernels.  directory NULL: the embedded ones.
 * The caller frees *out. */
clattn_status clattn__source(const char *directory, const char *path, char **out);

#endif /* CLATTN_SOURCE_H */
