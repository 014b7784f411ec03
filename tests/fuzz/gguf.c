/* src/models/files/gguf.c and what is made of its metadata: any bytes are read or refused with a
 * reason, and whatever can be asked for lies within them. */
#include "target.h"

#include "models/text/chat.h"

#include <string.h>

static volatile unsigned char sum;

/* Every byte is read, so that one outside the block shows under a sanitizer. */
static void touch(const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        sum = (unsigned char)(sum ^ ((const unsigned char *)data)[i]);
    }
}

static void check_refusal(const reason *why)
{
    REQUIRE(memchr(why->text, '\0', sizeof why->text) != NULL);
    REQUIRE(why->text[0] != '\0');
}

static void ask_values(const gguf *file, const char *key)
{
    int64_t integer;
    double number;
    bool truth;
    gguf_text text;
    gguf_array array;
    reason why;
    gguf_integer(file, key, INT64_MIN, INT64_MAX, &integer, &why);
    gguf_float(file, key, &number, &why);
    gguf_bool(file, key, &truth, &why);
    if (gguf_string(file, key, &text, &why)) {
        touch(text.bytes, text.length);
    }
    if (gguf_array_of(file, key, GGUF_STRINGS, &array, &why)) {
        while (array.left > 0) {
            text = gguf_next_string(&array);
            touch(text.bytes, text.length);
        }
    }
    if (gguf_array_of(file, key, GGUF_INTEGERS, &array, &why)) {
        while (array.left > 0) {
            gguf_next_integer(&array);
        }
    }
    if (gguf_array_of(file, key, GGUF_FLOATS, &array, &why)) {
        while (array.left > 0) {
            gguf_next_float(&array);
        }
    }
    if (gguf_array_of(file, key, GGUF_BOOLS, &array, &why)) {
        while (array.left > 0) {
            gguf_next_bool(&array);
        }
    }
}

static void ask_tensors(const gguf *file)
{
    for (size_t i = 0; i < gguf_tensors(file); i++) {
        const gguf_tensor *t = gguf_tensor_at(file, i);
        touch(t->name.bytes, t->name.length);
        REQUIRE((t->data != NULL) || t->bytes == 0);
        touch(t->data, t->bytes);
    }
    reason why = {""};
    if (!gguf_find_tensor(file, "w", &why)) {
        check_refusal(&why);
    }
}

static void encode(const gguf *file, const bpe *tokenizer)
{
    static const char text[] = "ab abc <|im_end|> 12 \xe6\x97\xa5\xff";
    const chat_message message = {"user", text};
    ids list = {0};
    chat c;
    size_t lost = 0;
    reason why = {""};
    REQUIRE(bpe_encode(tokenizer, text, sizeof text, BPE_SPECIAL | BPE_WHOLE, &list, &lost, &why));
    if (chat_open(file, tokenizer, &c, &why)) {
        REQUIRE(chat_encode(&c, &message, 1, &list, &lost, &why));
        chat_close(&c);
    } else {
        check_refusal(&why);
    }
    for (size_t i = 0; i < list.count; i++) {
        REQUIRE(list.items[i] >= 0 && list.items[i] < bpe_count(tokenizer));
        const gguf_text piece = bpe_piece(tokenizer, list.items[i]);
        touch(piece.bytes, piece.length);
        bpe_ends(tokenizer, list.items[i]);
    }
    ids_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const keys[] = {"value", "general.alignment", "tokenizer.ggml.tokens", ""};
    gguf *file;
    bpe *tokenizer;
    reason why = {""};
    if (!gguf_parse(data, bytes, &file, &why)) {
        check_refusal(&why);
        return 0;
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        ask_values(file, keys[i]);
    }
    ask_tensors(file);
    if (bpe_create(file, &tokenizer, &why)) {
        encode(file, tokenizer);
        bpe_destroy(tokenizer);
    } else {
        check_refusal(&why);
    }
    gguf_close(file);
    return 0;
}
