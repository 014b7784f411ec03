#include "prompt.h"

#include "shared/texts.h"

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

static clattn_status encode_chat(const prompt_source *source, const char *user,
                                 const clattn_tokenizer *tokenizer, clattn_ids *out, size_t *lost)
{
    clattn_chat_message messages[2];
    size_t count = 0;
    if (source->system) {
        messages[count++] = (clattn_chat_message){"system", source->system};
    }
    messages[count++] = (clattn_chat_message){"user", user};
    return clattn_tokenizer_encode_chat(tokenizer, messages, count, out, lost);
}

/* ---- Where tokens are from ------------------------------------------------------------------ */

/* The bytes of all tokens, one after the other. */
static bool join_pieces(const clattn_tokenizer *tokenizer, const clattn_ids *tokens, text *out)
{
    bool done = text_add(out, "", 0);
    for (size_t i = 0; done && i < tokens->count; i++) {
        const clattn_text piece = clattn_tokenizer_piece(tokenizer, tokens->items[i]);
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
static bool divide(const clattn_tokenizer *tokenizer, const clattn_ids *tokens, const text *all,
                   const size_t *ends, int documents, prompt_parts *parts)
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
        const clattn_source kind = n == 0 || n == documents + 2 ? CLATTN_SOURCE_MARKUP
                                   : n == documents + 1         ? CLATTN_SOURCE_PROMPT
                                                                : CLATTN_SOURCE_DOCUMENT;
        parts->items[n] = (clattn_source_part){kind, n - 1, 0};
    }
    parts->count = (size_t)documents + 3;
    for (size_t i = 0; i < tokens->count; i++) {
        while (part <= documents && byte >= first + (part < 0 ? 0 : (int64_t)ends[part])) {
            parts->items[1 + part++].end = i;
        }
        byte += (int64_t)clattn_tokenizer_piece(tokenizer, tokens->items[i]).length;
    }
    for (; part <= documents + 1; part++) {
        parts->items[1 + part].end = tokens->count;
    }
    return true;
}

/* ---- The whole ---------------------------------------------------------------------------- */

static bool encode_text(const prompt_source *source, const clattn_tokenizer *tokenizer,
                        const text *all, clattn_ids *out)
{
    size_t lost = 0;
    const unsigned flags = CLATTN_ENCODE_SPECIAL | CLATTN_ENCODE_WHOLE;
    const clattn_status status =
        source->chat
            ? encode_chat(source, all->bytes, tokenizer, out, &lost)
            : clattn_tokenizer_encode(tokenizer, all->bytes, all->length, flags, out, &lost);
    if (status != CLATTN_OK) {
        fail("--prompt: %s", clattn_error());
    } else if (lost) {
        note("%zu bytes of the prompt have no token in the model's vocabulary and are left out",
             lost);
    }
    return status == CLATTN_OK;
}

bool prompt_encode(const prompt_source *source, const clattn_tokenizer *tokenizer, clattn_ids *out,
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
           encode_text(source, tokenizer, &all, out);
    ends[documents] = all.length;
    done = done && (!parts || divide(tokenizer, out, &all, ends, documents, parts));
    free(all.bytes);
    return done;
}
