/* Weights of a model.safetensors on a device, in f32. */
#ifndef MODELS_CHECKPOINT_H
#define MODELS_CHECKPOINT_H

#include "home.h"

#include <stdio.h>

typedef struct clattn__checkpoint {
    const clattn__home *home;
    FILE *file;
    uint64_t bytes;
} clattn__checkpoint;

/* The text of a refusal begins with "model.safetensors", as of all here. */
clattn_status clattn__checkpoint_open(const clattn__home *home, const char *directory,
                                      clattn__checkpoint *out);
void clattn__checkpoint_close(clattn__checkpoint *c);

/* Where a tensor goes, and the shape that it must have. */
typedef struct clattn__checkpoint_row {
    const char *name; /* behind the prefix */
    clattn_tensor *to;
    int64_t rows, columns; /* rows 0: a vector */
    int part, parts;       /* of to, tensors of one shape joined, in this order; parts 0: alone */
} clattn__checkpoint_row;

/* Reads them all into buffers of owner. */
clattn_status clattn__checkpoint_load(const clattn__checkpoint *c, const char *prefix,
                                      const clattn__checkpoint_row *rows, size_t count,
                                      clattn__buffers *owner);

#endif /* MODELS_CHECKPOINT_H */
