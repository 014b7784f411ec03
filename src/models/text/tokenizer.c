#include "tokenizer.h"

#include "chat.h"
#include "models/common/error.h"

#include <stdlib.h>
#include <string.h>

/* ---- Making ------------------------------------------------------------------------------- */

/* t is what it will be. */
static clattn_status make(clattn_tokenizer t, clattn_tokenizer **out)
{
    clattn_tokenizer *made = malloc(sizeof *made);
    if (!made) {
        clattn__bpe_destroy(t.bpe);
        clattn__wordpiece_destroy(t.wordpiece);
        return clattn__no_memory();
    }
    *made = t;
    *out = made;
    return CLATTN_OK;
}

clattn_status clattn_tokenizer_create(const clattn_gguf *file, clattn_tokenizer **out)
{
    clattn_tokenizer t = {.file = file};
    NEED(file, "tokenizer: file");
    NEED(out, "tokenizer: out");
    TRY(clattn__bpe_create(file, &t.bpe));
    return make(t, out);
}

clattn_status clattn_tokenizer_open(const char *directory, clattn_tokenizer **out)
{
    clattn_tokenizer t = {.file = NULL};
    NEED(directory, "tokenizer: directory");
    NEED(out, "tokenizer: out");
    TRY(clattn__wordpiece_open(directory, &t.wordpiece));
    return make(t, out);
}

void clattn_tokenizer_destroy(clattn_tokenizer *t)
{
    if (!t) {
        return;
    }
    clattn__bpe_destroy(t->bpe);
    clattn__wordpiece_destroy(t->wordpiece);
    free(t);
}

/* ---- To ids ------------------------------------------------------------------------------- */

clattn_status clattn_tokenizer_encode(const clattn_tokenizer *t, const char *text, size_t bytes,
                                      unsigned flags, clattn_ids *out, size_t *lost)
{
    size_t missed = 0;
    NEED(t, "tokenizer");
    NEED(text || bytes == 0, "tokenizer: text");
    NEED(out, "tokenizer: out");
    const size_t before = out->count;
    const clattn_status status =
        t->bpe ? clattn__bpe_encode(t->bpe, text, bytes, flags, out, &missed)
               : clattn__wordpiece_encode(t->wordpiece, text, bytes, SIZE_MAX, out);
    if (status != CLATTN_OK) {
        out->count = before;
    } else if (lost) {
        *lost += missed;
    }
    return status;
}

static clattn_status open_chat(const clattn_tokenizer *t, clattn__chat *out)
{
    NEED(t, "tokenizer");
    return t->bpe ? clattn__chat_open(t->file, t->bpe, out)
                  : clattn__refuse("a WordPiece vocabulary has no chat template");
}

clattn_status clattn_tokenizer_check_chat(const clattn_tokenizer *t)
{
    clattn__chat c;
    TRY(open_chat(t, &c));
    clattn__chat_close(&c);
    return CLATTN_OK;
}

/* The template is read each time: it is short, and a tokenizer is immutable. */
clattn_status clattn_tokenizer_encode_chat(const clattn_tokenizer *t,
                                           const clattn_chat_message *messages, size_t count,
                                           clattn_ids *out, size_t *lost)
{
    clattn__chat c;
    size_t missed = 0;
    NEED(messages || count == 0, "tokenizer: messages");
    NEED(out, "tokenizer: out");
    for (size_t i = 0; i < count; i++) {
        if (!messages[i].role || !messages[i].text) {
            return clattn__refuse("tokenizer: message %zu has no %s", i,
                                  messages[i].role ? "text" : "role");
        }
    }
    TRY(open_chat(t, &c));
    const size_t before = out->count;
    const clattn_status status = clattn__chat_encode(&c, messages, count, out, &missed);
    clattn__chat_close(&c);
    if (status != CLATTN_OK) {
        out->count = before;
    } else if (lost) {
        *lost += missed;
    }
    return status;
}

/* ---- And back ----------------------------------------------------------------------------- */

int32_t clattn_tokenizer_count(const clattn_tokenizer *t)
{
    return t->bpe ? t->bpe->count : clattn__wordpiece_count(t->wordpiece);
}

static bool has(const clattn_tokenizer *t, int32_t id)
{
    return id >= 0 && id < clattn_tokenizer_count(t);
}

clattn_text clattn_tokenizer_piece(const clattn_tokenizer *t, int32_t id)
{
    if (!has(t, id)) {
        return (clattn_text){"", 0};
    }
    if (t->bpe) {
        return t->bpe->tokens[id].piece;
    }
    const char *piece = clattn__wordpiece_piece(t->wordpiece, id);
    return (clattn_text){piece, strlen(piece)};
}

/* What fits of bytes that come behind length others, with a zero behind all. */
static void put(const char *bytes, int count, size_t length, char *text, size_t room)
{
    for (int i = 0; i < count && length + (size_t)i + 1 < room; i++) {
        text[length + (size_t)i] = bytes[i];
    }
}

size_t clattn_tokenizer_decode(const clattn_tokenizer *t, const int32_t *ids, size_t count,
                               char *text, size_t room)
{
    clattn_utf8_stream characters = {{0}, 0};
    char out[CLATTN_UTF8_STREAM_OUT];
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        const clattn_text piece = clattn_tokenizer_piece(t, ids[i]);
        for (size_t n = 0; n < piece.length; n++) {
            const int made =
                clattn_utf8_stream_add(&characters, (unsigned char)piece.bytes[n], out);
            put(out, made, length, text, room);
            length += (size_t)made;
        }
    }
    const int made = clattn_utf8_stream_end(&characters, out);
    put(out, made, length, text, room);
    length += (size_t)made;
    if (room > 0) {
        text[length < room ? length : room - 1] = '\0';
    }
    return length;
}

int32_t clattn_tokenizer_find(const clattn_tokenizer *t, const char *name)
{
    return t->bpe ? clattn__bpe_find(t->bpe, name) : clattn__wordpiece_find(t->wordpiece, name);
}

bool clattn_tokenizer_is_control(const clattn_tokenizer *t, int32_t id)
{
    return t->bpe && has(t, id) && clattn__bpe_is_control(t->bpe, id);
}

bool clattn_tokenizer_ends(const clattn_tokenizer *t, int32_t id)
{
    return t->bpe && clattn__bpe_ends(t->bpe, id);
}
