/* src/models/text/wordpiece.c: what precedes the first byte 0xff is a vocabulary or
 * refused with a reason, what follows is text for it; without such a byte all is text for a
 * vocabulary of letters.
 */
#include "target.h"

#include "models/text/wordpiece.h"

#include <stdlib.h>
#include <string.h>

static clattn__wordpiece *make(const char *vocabulary, size_t bytes, bool cased)
{
    clattn__wordpiece *tokenizer = NULL;
    char *copy = malloc(bytes + 1);
    REQUIRE(copy != NULL);
    memcpy(copy, vocabulary, bytes);
    if (clattn__wordpiece_create(copy, bytes, cased, &tokenizer) != CLATTN_OK) {
        REQUIRE(clattn_error()[0] != '\0' && !tokenizer);
    }
    return tokenizer;
}

static void encode(const clattn__wordpiece *tokenizer, const char *text, size_t bytes, size_t most)
{
    clattn_ids list = {0};
    REQUIRE(clattn__wordpiece_encode(tokenizer, text, bytes, most, &list) == CLATTN_OK);
    REQUIRE(list.count >= 2 && list.count <= most);
    for (size_t i = 0; i < list.count; i++) {
        REQUIRE(list.items[i] >= 0 && list.items[i] < clattn__wordpiece_count(tokenizer));
        REQUIRE(clattn__wordpiece_piece(tokenizer, list.items[i]) != NULL);
    }
    clattn_ids_free(&list);
}

static void run(const clattn__wordpiece *tokenizer, const char *text, size_t bytes)
{
    encode(tokenizer, text, bytes, SIZE_MAX);
    encode(tokenizer, text, bytes, 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char letters[] =
        "[UNK]\n[CLS]\n[SEP]\n[PAD]\na\nb\n##a\n##b\nab\n##ab\n.\n\xe6\x97\xa5";
    static clattn__wordpiece *uncased, *cased;
    const uint8_t *split = bytes ? memchr(data, 0xff, bytes) : NULL;
    if (!uncased) {
        uncased = make(letters, sizeof letters - 1, false);
        cased = make(letters, sizeof letters - 1, true);
    }
    if (!split) {
        run(uncased, (const char *)data, bytes);
        run(cased, (const char *)data, bytes);
        return 0;
    }
    const size_t first = (size_t)(split - data);
    clattn__wordpiece *tokenizer = make((const char *)data, first, false);
    if (tokenizer) {
        run(tokenizer, (const char *)split + 1, bytes - first - 1);
    }
    clattn__wordpiece_destroy(tokenizer);
    return 0;
}
