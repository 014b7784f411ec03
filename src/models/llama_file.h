/* Tensors of a GGUF file of the llama architecture; what the file says beside them is asked by
 * clattn_model_read_shape. */
#ifndef MODELS_LLAMA_FILE_H
#define MODELS_LLAMA_FILE_H

#include <clattn/models/model.h>

/* A tensor of rows x columns, or one of that many columns with rows 0; a refusal names it. */
clattn_status clattn__llama_tensor(const clattn_gguf *file, const char *name, int64_t rows,
                                   int64_t columns, const clattn_gguf_tensor **out);

#endif /* MODELS_LLAMA_FILE_H */
