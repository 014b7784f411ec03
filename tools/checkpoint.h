/* Weights of a model.safetensors on a device, in f32.  Every function that returns false or NULL
 * has printed a line that says why not. */
#ifndef TOOLS_CHECKPOINT_H
#define TOOLS_CHECKPOINT_H

#include "array.h"
#include "session.h"

#include <stdio.h>

/* ---- Buffers with one owner -------------------------------------------------------------- */

enum { BUFFERS_MAX = 24 };

typedef struct buffers {
    cl_mem items[BUFFERS_MAX];
    int count;
} buffers;

/* As session_buffer. */
cl_mem buffers_make(const session *s, buffers *owner, size_t bytes, const void *data);
void buffers_release(buffers *b);

/* ---- Tensors by name ---------------------------------------------------------------------- */

typedef struct checkpoint {
    const session *session;
    const char *directory;
    FILE *file;
    uint64_t bytes;
} checkpoint;

bool checkpoint_open(const session *session, const char *directory, checkpoint *out);
void checkpoint_close(checkpoint *c);

/* Where a tensor goes, and the shape that it must have. */
typedef struct checkpoint_row {
    const char *name; /* behind the prefix */
    clattn_tensor *to;
    int64_t rows, columns; /* rows 0: a vector */
    int part, parts;       /* of to, tensors of one shape joined, in this order; parts 0: alone */
} checkpoint_row;

/* Reads them all into buffers of owner, which has room for them. */
bool checkpoint_load(const checkpoint *c, const char *prefix, const checkpoint_row *rows,
                     size_t count, buffers *owner);

#endif /* TOOLS_CHECKPOINT_H */
