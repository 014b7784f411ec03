/* What a GGUF file of the llama architecture (Touvron et al. 2023) says of its model. */
#ifndef TOOLS_LLAMA_FILE_H
#define TOOLS_LLAMA_FILE_H

#include "models/files/gguf.h"

typedef struct llama_shape {
    int32_t layers, model_dim, hidden_dim, heads, kv_heads, head_dim, rotary_dim, vocabulary;
    int32_t context; /* tokens that the model was taught to read at once */
    double epsilon;  /* of its norms */
    double base;     /* of its rotary positions */
} llama_shape;

/* Another architecture, or what this one needs and clattn has not, is refused by its key. */
bool llama_read_shape(const gguf *file, llama_shape *out, reason *why);

/* A tensor of rows x columns, or one of that many columns with rows 0; else the reason, which names
 * it. */
const gguf_tensor *llama_tensor(const gguf *file, const char *name, int64_t rows, int64_t columns,
                                reason *why);

#endif /* TOOLS_LLAMA_FILE_H */
