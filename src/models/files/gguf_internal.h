/* What io_gguf.c and gguf_values.c share: the file, read from its first byte to its data. */
#ifndef TOOLS_GGUF_INTERNAL_H
#define TOOLS_GGUF_INTERNAL_H

#include "gguf.h"
#include "map_file.h"
#include "models/text/lookup.h"

#include <stdbool.h>

typedef struct gguf_entry {
    gguf_text key;
    uint32_t type, element; /* of an array, what it is of */
    uint64_t count;         /* of an array */
    const unsigned char *value;
} gguf_entry;

struct gguf {
    mapped_file mapped; /* nothing if the memory is the caller's */
    const unsigned char *data;
    size_t bytes, at, alignment;
    gguf_entry *entries;
    gguf_tensor *tensors;
    size_t entry_count, tensor_count;
    lookup keys, names;
};

/* All of these take what comes next, and fail if the file ends before it does. */
const unsigned char *gguf_take(gguf *file, uint64_t bytes); /* NULL */
bool gguf_take_number(gguf *file, void *out, size_t bytes);
bool gguf_take_string(gguf *file, gguf_text *out);
size_t gguf_left(const gguf *file);

bool gguf_read_entries(gguf *file, uint64_t count, reason *why);

#endif /* TOOLS_GGUF_INTERNAL_H */
