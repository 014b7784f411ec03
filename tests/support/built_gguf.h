/* GGUF files in memory, right ones and wrong ones, for tests of what reads them. */
#ifndef SUPPORT_BUILT_GGUF_H
#define SUPPORT_BUILT_GGUF_H

#include <stddef.h>
#include <stdint.h>

/* Types of values, by their numbers in the file. */
enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 };

typedef struct built {
    unsigned char data[1 << 16];
    size_t bytes;
} built;

void build_bytes(built *b, const void *data, size_t bytes);
void build_number(built *b, uint64_t value, size_t bytes);
void build_string(built *b, const char *text);

void build_header(built *b, uint64_t tensors, uint64_t entries);
void build_key(built *b, const char *key, uint32_t type); /* its value comes next */
void build_array(built *b, const char *key, uint32_t type, uint64_t count); /* its elements do */

/* Whole entries. */
void build_text(built *b, const char *key, const char *text);
void build_integer(built *b, const char *key, uint32_t value);
void build_bool(built *b, const char *key, int value);
void build_texts(built *b, const char *key, const char *const *texts, size_t count);
void build_integers(built *b, const char *key, const int32_t *values, size_t count);

void build_tensor(built *b, const char *name, int rank, const uint64_t *size, uint32_t type,
                  uint64_t offset);
void build_pad(built *b, size_t alignment);

/* The tokens of the 256 bytes, as GPT-2 writes them: a byte's text, ended by a zero. */
const char *byte_text(int byte);

#endif /* SUPPORT_BUILT_GGUF_H */
