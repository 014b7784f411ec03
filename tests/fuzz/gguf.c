/* src/models/files/gguf.c and what is made of its metadata: any bytes are read or refused with a
 * reason, and whatever can be asked for lies within them. */
#include "target.h"

#include <clattn/models/tokenizer.h>

#include <string.h>

static volatile unsigned char sum;

/* Every byte is read, so that one outside the block shows under a sanitizer. */
static void touch(const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        sum = (unsigned char)(sum ^ ((const unsigned char *)data)[i]);
    }
}

static void check_refusal(void) { REQUIRE(clattn_error()[0] != '\0'); }

static void ask_values(const clattn_gguf *file, const char *key)
{
    int64_t integer;
    double number;
    bool truth;
    clattn_text text;
    clattn_gguf_array array;
    clattn_gguf_integer(file, key, INT64_MIN, INT64_MAX, &integer);
    clattn_gguf_float(file, key, &number);
    clattn_gguf_bool(file, key, &truth);
    if (clattn_gguf_string(file, key, &text) == CLATTN_OK) {
        touch(text.bytes, text.length);
    }
    if (clattn_gguf_array_of(file, key, CLATTN_GGUF_STRINGS, &array) == CLATTN_OK) {
        while (array.left > 0) {
            text = clattn_gguf_next_string(&array);
            touch(text.bytes, text.length);
        }
    }
    if (clattn_gguf_array_of(file, key, CLATTN_GGUF_INTEGERS, &array) == CLATTN_OK) {
        while (array.left > 0) {
            clattn_gguf_next_integer(&array);
        }
    }
    if (clattn_gguf_array_of(file, key, CLATTN_GGUF_FLOATS, &array) == CLATTN_OK) {
        while (array.left > 0) {
            clattn_gguf_next_float(&array);
        }
    }
    if (clattn_gguf_array_of(file, key, CLATTN_GGUF_BOOLS, &array) == CLATTN_OK) {
        while (array.left > 0) {
            clattn_gguf_next_bool(&array);
        }
    }
}

static void ask_tensors(const clattn_gguf *file)
{
    for (size_t i = 0; i < clattn_gguf_tensors(file); i++) {
        const clattn_gguf_tensor *t = clattn_gguf_tensor_at(file, i);
        touch(t->name.bytes, t->name.length);
        REQUIRE((t->data != NULL) || t->bytes == 0);
        touch(t->data, t->bytes);
    }
    const clattn_gguf_tensor *t;
    if (clattn_gguf_find_tensor(file, "w", &t) != CLATTN_OK) {
        check_refusal();
    }
}

static void encode(const clattn_tokenizer *tokenizer)
{
    static const char text[] = "ab abc <|im_end|> 12 \xe6\x97\xa5\xff";
    const clattn_chat_message message = {"user", text};
    clattn_ids list = {0};
    size_t lost = 0;
    REQUIRE(clattn_tokenizer_encode(tokenizer, text, sizeof text,
                                    CLATTN_ENCODE_SPECIAL | CLATTN_ENCODE_WHOLE, &list,
                                    &lost) == CLATTN_OK);
    if (clattn_tokenizer_check_chat(tokenizer) == CLATTN_OK) {
        REQUIRE(clattn_tokenizer_encode_chat(tokenizer, &message, 1, &list, &lost) == CLATTN_OK);
    } else {
        check_refusal();
    }
    for (size_t i = 0; i < list.count; i++) {
        REQUIRE(list.items[i] >= 0 && list.items[i] < clattn_tokenizer_count(tokenizer));
        const clattn_text piece = clattn_tokenizer_piece(tokenizer, list.items[i]);
        touch(piece.bytes, piece.length);
        clattn_tokenizer_ends(tokenizer, list.items[i]);
    }
    clattn_ids_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const keys[] = {"value", "general.alignment", "tokenizer.ggml.tokens", ""};
    clattn_gguf *file;
    clattn_tokenizer *tokenizer;
    if (clattn_gguf_parse(data, bytes, &file) != CLATTN_OK) {
        check_refusal();
        return 0;
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        ask_values(file, keys[i]);
    }
    ask_tensors(file);
    if (clattn_tokenizer_create(file, &tokenizer) == CLATTN_OK) {
        encode(tokenizer);
        clattn_tokenizer_destroy(tokenizer);
    } else {
        check_refusal();
    }
    clattn_gguf_close(file);
    return 0;
}
