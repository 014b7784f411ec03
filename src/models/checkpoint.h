/* Weights of a model.safetensors on a device, in f32.  Every function that returns false or NULL
 * has printed a line that says why not. */
#ifndef TOOLS_CHECKPOINT_H
#define TOOLS_CHECKPOINT_H

#include "buffers.h"
#include "models/files/array.h"

#include <stdio.h>

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

/* Reads them all into buffers of owner. */
bool checkpoint_load(const checkpoint *c, const char *prefix, const checkpoint_row *rows,
                     size_t count, buffers *owner);

#endif /* TOOLS_CHECKPOINT_H */
