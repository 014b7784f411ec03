/* Weights of a model.safetensors on a device, in f32. */
#ifndef MODELS_CHECKPOINT_H
#define MODELS_CHECKPOINT_H

#include "home.h"

#include <stdio.h>

typedef struct checkpoint {
    const home *home;
    FILE *file;
    uint64_t bytes;
} checkpoint;

/* The text of a refusal begins with "model.safetensors", as of all here. */
clattn_status clattn__checkpoint_open(const home *home, const char *directory, checkpoint *out);
void clattn__checkpoint_close(checkpoint *c);

/* Where a tensor goes, and the shape that it must have. */
typedef struct checkpoint_row {
    const char *name; /* behind the prefix */
    clattn_tensor *to;
    int64_t rows, columns; /* rows 0: a vector */
    int part, parts;       /* of to, tensors of one shape joined, in this order; parts 0: alone */
} checkpoint_row;

/* Reads them all into buffers of owner. */
clattn_status clattn__checkpoint_load(const checkpoint *c, const char *prefix,
                                      const checkpoint_row *rows, size_t count, buffers *owner);

#endif /* MODELS_CHECKPOINT_H */
