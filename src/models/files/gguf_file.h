/* A GGUF file: its bytes, how far they are read, and what was found in them. */
#ifndef MODELS_FILES_GGUF_FILE_H
#define MODELS_FILES_GGUF_FILE_H

#include "map_file.h"
#include "models/common/lookup.h"

#include <clattn/models/gguf.h>

typedef struct clattn__gguf_entry {
    clattn_text key;
    uint32_t type, element; /* of an array, what it is of */
    uint64_t count;         /* of an array */
    const unsigned char *value;
} clattn__gguf_entry;

struct clattn_gguf {
    clattn__mapped_file mapped; /* nothing if the memory is the caller's */
    const unsigned char *data;
    size_t bytes, at, alignment;
    clattn__gguf_entry *entries;
    clattn_gguf_tensor *tensors;
    size_t entry_count, tensor_count;
    clattn__lookup keys, names;
};

/* All of these take what comes next, and fail if the file ends before it does. */
const unsigned char *clattn__gguf_take(clattn_gguf *file, uint64_t bytes); /* NULL */
bool clattn__gguf_take_number(clattn_gguf *file, void *out, size_t bytes);
bool clattn__gguf_take_string(clattn_gguf *file, clattn_text *out);
size_t clattn__gguf_left(const clattn_gguf *file);

#endif /* MODELS_FILES_GGUF_FILE_H */
