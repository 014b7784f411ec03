/* Weights of a llama model on the device, as they are stored in its file. */
#ifndef MODELS_LLAMA_WEIGHTS_H
#define MODELS_LLAMA_WEIGHTS_H

#include "home.h"
#include "llama_file.h"

#include <clattn/layer.h>

/* Where to, and what becomes theirs. */
typedef struct clattn__llama_loader {
    const clattn__home *home;
    const clattn_gguf *file;
    const clattn_model_shape *shape;
    clattn__buffers *owner;
} clattn__llama_loader;

/* Rows as they lie in the file, whose pages are given back. */
clattn_status clattn__llama_load_matrix(const clattn__llama_loader *l, const clattn_gguf_tensor *t,
                                        clattn_tensor *out);

/* Few numbers, as floats. */
clattn_status clattn__llama_load_vector(const clattn__llama_loader *l, const clattn_gguf_tensor *t,
                                        clattn_tensor *out);

/* All of one layer.  Those of the same input are one matrix where their types allow it. */
clattn_status clattn__llama_load_layer(const clattn__llama_loader *l, int layer,
                                       clattn_layer_desc *desc);

#endif /* MODELS_LLAMA_WEIGHTS_H */
