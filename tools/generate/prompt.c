#include "prompt.h"

#include "models/files/load.h"
#include "models/text/chat.h"

#include <stdlib.h>
#include <string.h>

/* A text that grows; zeros = an empty one. */
typedef struct text {
    char *bytes; /* a zero behind it */
    size_t length;
} text;

static bool text_add(text *t, const char *bytes, size_t length)
{
    char *longer = realloc(t->bytes, t->length + length + 1);
    if (!longer) {
        fail("out of memory");
        return false;
    }
    memcpy(longer + t->length, bytes, length);
    t->bytes = longer;
    t->length += length;
    longer[t->length] = '\0';
    return true;
}

static bool add_document(const char *path, text *t)
{
    reason why;
    size_t bytes;
    char *document = file_text(path, &bytes, &why);
    if (!document) {
        fail("--context %s: %s", path, why.text);
        return false;
    }
    while (bytes > 0 && document[bytes - 1] == '\n') {
        bytes--;
    }
    const bool zero = memchr(document, '\0', bytes) != NULL;
    if (zero) {
        fail("--context %s: not a text, it has bytes of value 0", path);
    }
    const bool added = !zero && text_add(t, document, bytes) && text_add(t, "\n\n", 2);
    free(document);
    return added;
}

static bool encode_chat(const prompt_source *source, const char *user, const gguf *file,
                        const bpe *tokenizer, ids *out, size_t *lost, reason *why)
{
    chat format;
    if (!chat_open(file, tokenizer, &format, why)) {
        return false;
    }
    chat_message messages[2];
    size_t count = 0;
    if (source->system) {
        messages[count++] = (chat_message){"system", source->system};
    }
    messages[count++] = (chat_message){"user", user};
    const bool done = chat_encode(&format, messages, count, out, lost, why);
    chat_close(&format);
    return done;
}

/* ---- Where tokens are from ------------------------------------------------------------------ */

/* The bytes of all tokens, one after the other. */
static bool join_pieces(const bpe *tokenizer, const ids *tokens, text *out)
{
    bool done = text_add(out, "", 0);
    for (size_t i = 0; done && i < tokens->count; i++) {
        const gguf_text piece = bpe_piece(tokenizer, tokens->items[i]);
        done = text_add(out, piece.bytes, piece.length);
    }
    return done;
}

/* Where in whole the last copy of part begins; -1 = there is none. */
static int64_t find_last(const text *whole, const text *part)
{
    int64_t at = (int64_t)whole->length - (int64_t)part->length;
    while (at >= 0 && memcmp(whole->bytes + at, part->bytes, part->length)) {
        at--;
    }
    return at;
}

/* ends: the bytes at which documents and, last, the prompt end. */
static bool divide(const bpe *tokenizer, const ids *tokens, const text *all, const size_t *ends,
                   int documents, prompt_parts *parts)
{
    text whole = {0};
    const int64_t first = join_pieces(tokenizer, tokens, &whole) ? find_last(&whole, all) : -1;
    int64_t byte = 0;
    int part = -1; /* -1 = before all, documents = the prompt, one more = behind it */
    free(whole.bytes);
    if (first < 0) {
        fail("--attribute: the model has no tokens for some bytes of the text");
        return false;
    }
    for (int n = 0; n < documents + 3; n++) {
        const prompt_kind kind = n == 0 || n == documents + 2 ? PROMPT_MARKUP
                                 : n == documents + 1         ? PROMPT_TEXT
                                                              : PROMPT_DOCUMENT;
        parts->items[n] = (prompt_part){kind, n - 1, 0};
    }
    parts->count = documents + 3;
    for (size_t i = 0; i < tokens->count; i++) {
        while (part <= documents && byte >= first + (part < 0 ? 0 : (int64_t)ends[part])) {
            parts->items[1 + part++].end = i;
        }
        byte += (int64_t)bpe_piece(tokenizer, tokens->items[i]).length;
    }
    for (; part <= documents + 1; part++) {
        parts->items[1 + part].end = tokens->count;
    }
    return true;
}

/* ---- The whole --------------------------------------------------------------------------------
 */

static bool encode_text(const prompt_source *source, const gguf *file, const bpe *tokenizer,
                        const text *all, ids *out)
{
    reason why;
    size_t lost = 0;
    const bool done = source->chat
                          ? encode_chat(source, all->bytes, file, tokenizer, out, &lost, &why)
                          : bpe_encode(tokenizer, all->bytes, all->length, BPE_SPECIAL | BPE_WHOLE,
                                       out, &lost, &why);
    if (!done) {
        fail("--prompt: %s", why.text);
    } else if (lost) {
        note("%zu bytes of the prompt have no token in the model's vocabulary and are left out",
             lost);
    }
    return done;
}

bool prompt_encode(const prompt_source *source, const gguf *file, const bpe *tokenizer, ids *out,
                   prompt_parts *parts)
{
    text all = {0};
    size_t ends[TEXT_LIST_MAX + 1];
    const int documents = source->documents->count;
    bool done = true;
    for (int i = 0; done && i < documents; i++) {
        done = add_document(source->documents->items[i], &all);
        ends[i] = all.length;
    }
    done = done && text_add(&all, source->prompt, strlen(source->prompt)) &&
           encode_text(source, file, tokenizer, &all, out);
    ends[documents] = all.length;
    done = done && (!parts || divide(tokenizer, out, &all, ends, documents, parts));
    free(all.bytes);
    return done;
}
