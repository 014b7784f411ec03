/* src/models/text/tokenizer_bpe.c: any bytes become tokens whose pieces are these bytes, by each of
 * the rules. */
#include "target.h"

#include "models/text/tokenizer_bpe.h"
#include "models/text/utf8.h"
#include "support/vocabulary.h"

#include <string.h>

static const char *const families[] = {"smollm", "gpt-2", "llama-bpe", "qwen2"};
enum { FAMILIES = sizeof families / sizeof *families };

/* Made once; they and their files live as long as the program. */
static const bpe *const *tokenizers(void)
{
    static built files[FAMILIES];
    static bpe *made[FAMILIES];
    for (int i = 0; i < FAMILIES && !made[i]; i++) {
        vocabulary v;
        static gguf *file[FAMILIES];
        reason why;
        vocabulary_make(&v);
        v.pre = families[i];
        v.bos = v.eos = ID_START;
        vocabulary_build(&v, &files[i]);
        REQUIRE(gguf_parse(files[i].data, files[i].bytes, &file[i], &why));
        REQUIRE(bpe_create(file[i], &made[i], &why));
    }
    return (const bpe *const *)made;
}

static void there_and_back(const bpe *tokenizer, const char *text, size_t bytes, unsigned flags)
{
    ids list = {0};
    size_t lost = 0, at = 0;
    reason why;
    utf8_stream stream = {{0}, 0};
    char out[UTF8_STREAM_OUT];
    REQUIRE(bpe_encode(tokenizer, text, bytes, flags, &list, &lost, &why));
    REQUIRE(lost == 0);
    for (size_t i = 0; i < list.count; i++) {
        const gguf_text piece = bpe_piece(tokenizer, list.items[i]);
        REQUIRE(piece.length > 0 && piece.length <= bytes - at);
        REQUIRE(!memcmp(piece.bytes, text + at, piece.length));
        at += piece.length;
        for (size_t c = 0; c < piece.length; c++) {
            const int count = utf8_stream_add(&stream, (unsigned char)piece.bytes[c], out);
            for (int32_t code, used = 0; used < count;) {
                used += (int)utf8_next(out + used, (size_t)(count - used), &code);
                REQUIRE(code >= 0);
            }
        }
    }
    REQUIRE(at == bytes);
    ids_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const bpe *const *all = tokenizers();
    for (int i = 0; i < FAMILIES; i++) {
        there_and_back(all[i], (const char *)data, bytes, 0);
        there_and_back(all[i], (const char *)data, bytes, BPE_SPECIAL);
    }
    return 0;
}
