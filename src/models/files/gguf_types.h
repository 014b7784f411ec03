/* The types of GGUF's tensors, by their numbers in the file. */
#ifndef MODELS_FILES_GGUF_TYPES_H
#define MODELS_FILES_GGUF_TYPES_H

#include <clattn/models/gguf.h>

/* Whether clattn knows what is in them. */
bool clattn__gguf_can_be_had(uint32_t type);

/* Of those that can be had: consecutive elements of a row that share a scale, and their bytes. */
int clattn__gguf_block_elements(uint32_t type);
int clattn__gguf_block_bytes(uint32_t type);

#endif /* MODELS_FILES_GGUF_TYPES_H */
