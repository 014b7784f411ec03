/* Weights of a llama model on the device, as they are stored in its file. */
#ifndef TOOLS_LLAMA_WEIGHTS_H
#define TOOLS_LLAMA_WEIGHTS_H

#include "buffers.h"
#include "llama_file.h"

/* Where to, and what becomes theirs. */
typedef struct llama_loader {
    const session *session;
    const gguf *file;
    const llama_shape *shape;
    buffers *owner;
} llama_loader;

/* Rows as they lie in the file, whose pages are given back. */
bool llama_load_matrix(const llama_loader *l, const gguf_tensor *t, clattn_tensor *out,
                       reason *why);

/* Few numbers, as floats. */
bool llama_load_vector(const llama_loader *l, const gguf_tensor *t, clattn_tensor *out,
                       reason *why);

/* All of one layer.  Those of the same input are one matrix where their types allow it. */
bool llama_load_layer(const llama_loader *l, int layer, clattn_layer_desc *desc, reason *why);

#endif /* TOOLS_LLAMA_WEIGHTS_H */
