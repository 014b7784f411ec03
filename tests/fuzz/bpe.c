/* src/models/text/bpe_encode.c: any bytes become tokens whose pieces are these bytes, by each of
 * the rules. */
#include "target.h"

#include "models/text/utf8.h"
#include "support/vocabulary.h"

#include <clattn/models/tokenizer.h>

#include <string.h>

static const char *const families[] = {"smollm", "gpt-2", "llama-bpe", "qwen2"};
enum { FAMILIES = sizeof families / sizeof *families };

/* Made once; they and their files live as long as the program. */
static const clattn_tokenizer *const *tokenizers(void)
{
    static built files[FAMILIES];
    static clattn_tokenizer *made[FAMILIES];
    for (int i = 0; i < FAMILIES && !made[i]; i++) {
        vocabulary v;
        static clattn_gguf *file[FAMILIES];
        vocabulary_make(&v);
        v.pre = families[i];
        v.bos = v.eos = ID_START;
        vocabulary_build(&v, &files[i]);
        REQUIRE(clattn_gguf_parse(files[i].data, files[i].bytes, &file[i]) == CLATTN_OK);
        REQUIRE(clattn_tokenizer_create(file[i], &made[i]) == CLATTN_OK);
    }
    return (const clattn_tokenizer *const *)made;
}

static void there_and_back(const clattn_tokenizer *tokenizer, const char *text, size_t bytes,
                           unsigned flags)
{
    clattn_ids list = {0};
    size_t lost = 0, at = 0;
    clattn_utf8_stream stream = {{0}, 0};
    char out[CLATTN_UTF8_STREAM_OUT];
    REQUIRE(clattn_tokenizer_encode(tokenizer, text, bytes, flags, &list, &lost) == CLATTN_OK);
    REQUIRE(lost == 0);
    for (size_t i = 0; i < list.count; i++) {
        const clattn_text piece = clattn_tokenizer_piece(tokenizer, list.items[i]);
        REQUIRE(piece.length > 0 && piece.length <= bytes - at);
        REQUIRE(!memcmp(piece.bytes, text + at, piece.length));
        at += piece.length;
        for (size_t c = 0; c < piece.length; c++) {
            const int count = clattn_utf8_stream_add(&stream, (unsigned char)piece.bytes[c], out);
            for (int32_t code, used = 0; used < count;) {
                used += (int)clattn__utf8_next(out + used, (size_t)(count - used), &code);
                REQUIRE(code >= 0);
            }
        }
    }
    REQUIRE(at == bytes);
    clattn_ids_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const clattn_tokenizer *const *all = tokenizers();
    for (int i = 0; i < FAMILIES; i++) {
        there_and_back(all[i], (const char *)data, bytes, 0);
        there_and_back(all[i], (const char *)data, bytes, CLATTN_ENCODE_SPECIAL);
    }
    return 0;
}
