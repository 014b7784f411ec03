#include "built_gguf.h"

#include <stdlib.h>
#include <string.h>

void build_bytes(built *b, const void *data, size_t bytes)
{
    if (bytes > sizeof b->data - b->bytes) {
        abort(); /* a larger file than any test needs */
    }
    memcpy(b->data + b->bytes, data, bytes);
    b->bytes += bytes;
}

void build_number(built *b, uint64_t value, size_t bytes)
{
    unsigned char little[8];
    for (size_t i = 0; i < bytes; i++) {
        little[i] = (unsigned char)(value >> 8 * i);
    }
    build_bytes(b, little, bytes);
}

void build_string(built *b, const char *text)
{
    build_number(b, strlen(text), 8);
    build_bytes(b, text, strlen(text));
}

void build_header(built *b, uint64_t tensors, uint64_t entries)
{
    b->bytes = 0;
    build_bytes(b, "GGUF", 4);
    build_number(b, 3, 4);
    build_number(b, tensors, 8);
    build_number(b, entries, 8);
}

void build_key(built *b, const char *key, uint32_t type)
{
    build_string(b, key);
    build_number(b, type, 4);
}

void build_array(built *b, const char *key, uint32_t type, uint64_t count)
{
    build_key(b, key, ARRAY);
    build_number(b, type, 4);
    build_number(b, count, 8);
}

void build_text(built *b, const char *key, const char *text)
{
    build_key(b, key, STRING);
    build_string(b, text);
}

void build_integer(built *b, const char *key, uint32_t value)
{
    build_key(b, key, U32);
    build_number(b, value, 4);
}

void build_bool(built *b, const char *key, int value)
{
    build_key(b, key, BOOL);
    build_number(b, (uint64_t)value, 1);
}

void build_texts(built *b, const char *key, const char *const *texts, size_t count)
{
    build_array(b, key, STRING, count);
    for (size_t i = 0; i < count; i++) {
        build_string(b, texts[i]);
    }
}

void build_integers(built *b, const char *key, const int32_t *values, size_t count)
{
    build_array(b, key, I32, count);
    for (size_t i = 0; i < count; i++) {
        build_number(b, (uint32_t)values[i], 4);
    }
}

void build_tensor(built *b, const char *name, int rank, const uint64_t *size, uint32_t type,
                  uint64_t offset)
{
    build_string(b, name);
    build_number(b, (uint64_t)rank, 4);
    for (int i = 0; i < rank; i++) {
        build_number(b, size[i], 8);
    }
    build_number(b, type, 4);
    build_number(b, offset, 8);
}

void build_pad(built *b, size_t alignment)
{
    while (b->bytes % alignment) {
        build_number(b, 0, 1);
    }
}

const char *byte_text(int byte)
{
    static char texts[256][3];
    static int made;
    for (int next = 0x100; made < 256; made++) {
        const int shows = (made >= 0x21 && made <= 0x7e) || (made >= 0xa1 && made != 0xad);
        const int code = shows ? made : next++;
        const char two[] = {(char)(0xc0 | code >> 6), (char)(0x80 | (code & 0x3f)), '\0'};
        const char one[] = {(char)code, '\0', '\0'};
        memcpy(texts[made], code < 0x80 ? one : two, sizeof two);
    }
    return texts[byte];
}
