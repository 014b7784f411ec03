#include "wordpiece.h"

#include "lines.h"
#include "models/common/error.h"
#include "models/files/file.h"
#include "normalize.h"
#include "special_tokens.h"
#include "utf8.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_WORD = 100, MAX_VOCABULARY = 1 << 22 };

struct clattn__wordpiece {
    bool cased;
    clattn__lines vocabulary;
    clattn__lookup pieces;
    size_t longest; /* bytes of a piece */
    clattn__special_tokens special;
    int32_t unknown, begin, end;
};

/* ---- A word ------------------------------------------------------------------------------- */

typedef struct word {
    char text[2 + LONGEST_WORD * UTF8_LONGEST]; /* room for "##" before what is left of it */
    size_t bytes;
    int characters;
} word;

/* The longest piece with which text begins, which is "##..." unless first.  text has two bytes
 * before it for that. */
static int32_t longest_piece(const clattn__wordpiece *t, char *text, size_t bytes, bool first,
                             size_t *length)
{
    const size_t lead = first ? 0 : 2;
    char *key = text - lead;
    memcpy(key, "##", lead);
    size_t most = bytes + lead < t->longest ? bytes + lead : t->longest;
    for (; most > lead; most--) {
        const int32_t id = clattn__lookup_find(&t->pieces, key, most);
        if (id >= 0) {
            *length = most - lead;
            return id;
        }
    }
    return -1;
}

/* The pieces of a word, or the one token for words of which some part is no piece; of an empty one
 * nothing.  It is empty then. */
static clattn_status add_word(const clattn__wordpiece *t, word *w, clattn_ids *out)
{
    const size_t before = out->count, bytes = w->bytes;
    bool known = w->characters <= LONGEST_WORD;
    w->bytes = 0;
    w->characters = 0;
    for (size_t at = 0, length = 0; known && at < bytes; at += length) {
        const int32_t id = longest_piece(t, w->text + 2 + at, bytes - at, at == 0, &length);
        known = id >= 0;
        if (known) {
            TRY(clattn_ids_add(out, id));
        }
    }
    if (known) {
        return CLATTN_OK;
    }
    out->count = before;
    return clattn_ids_add(out, t->unknown);
}

static void add_character(word *w, int32_t code)
{
    if (w->characters++ < LONGEST_WORD) {
        w->bytes += clattn__utf8_write(code, w->text + 2 + w->bytes);
    }
}

/* ---- A text --------------------------------------------------------------------------------- */

/* Words are what is between spaces, and each punctuation character.  Stops after most tokens. */
static clattn_status add_words(const clattn__wordpiece *t, const clattn__plain_text *plain,
                               size_t most, clattn_ids *out)
{
    word w = {.bytes = 0};
    for (size_t i = 0; i < plain->count && out->count < most; i++) {
        const int32_t code = plain->codes[i];
        const bool alone = clattn__is_punctuation(code);
        if (code == ' ' || alone) {
            TRY(add_word(t, &w, out));
        }
        if (code != ' ') {
            add_character(&w, code);
        }
        if (alone) {
            TRY(add_word(t, &w, out));
        }
    }
    return add_word(t, &w, out);
}

static clattn_status add_plain(const clattn__wordpiece *t, const char *text, size_t bytes,
                               size_t most, clattn_ids *out)
{
    clattn__plain_text plain;
    const clattn_status status = clattn__normalize(text, bytes, t->cased, &plain)
                                     ? add_words(t, &plain, most, out)
                                     : clattn__no_memory();
    clattn__plain_text_free(&plain);
    return status;
}

clattn_status clattn__wordpiece_encode(const clattn__wordpiece *t, const char *text, size_t bytes,
                                       size_t most, clattn_ids *out)
{
    if (most < 2) {
        return clattn__refuse("there is no room for [CLS] and [SEP]");
    }
    const size_t room = SIZE_MAX - out->count;
    const size_t last = out->count + (most < room ? most : room) - 1;
    TRY(clattn_ids_add(out, t->begin));
    while (bytes > 0 && out->count < last) {
        size_t at, length;
        const int32_t id = clattn__special_find(&t->special, text, bytes, &at, &length);
        TRY(add_plain(t, text, at, last, out));
        if (id >= 0) {
            TRY(clattn_ids_add(out, id));
        }
        text += at + length;
        bytes -= at + length;
    }
    if (out->count > last) {
        out->count = last;
    }
    return clattn_ids_add(out, t->end);
}

/* ---- The vocabulary ----------------------------------------------------------------------------
 */

static clattn_status find_special(clattn__wordpiece *t)
{
    static const char *const names[] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};
    enum { NEEDED = 3, NAMES = sizeof names / sizeof *names };
    int32_t *const needed[NEEDED] = {&t->unknown, &t->begin, &t->end};
    if (!clattn__special_make(&t->special, NAMES)) {
        return clattn__no_memory();
    }
    for (int i = 0; i < NAMES; i++) {
        const int32_t id = clattn__lookup_find(&t->pieces, names[i], strlen(names[i]));
        if (id < 0 && i < NEEDED) {
            return clattn__refuse("no line is %s", names[i]);
        }
        if (id >= 0) {
            clattn__special_add(&t->special, names[i], strlen(names[i]), id);
        }
        if (i < NEEDED) {
            *needed[i] = id;
        }
    }
    return CLATTN_OK;
}

static clattn_status index_pieces(clattn__wordpiece *t)
{
    if (t->vocabulary.count > MAX_VOCABULARY) {
        return clattn__refuse("%" PRId64 " lines, at most %d can be", t->vocabulary.count,
                              MAX_VOCABULARY);
    }
    if (!clattn__lookup_make(&t->pieces, (size_t)t->vocabulary.count)) {
        return clattn__no_memory();
    }
    for (int32_t i = 0; i < t->vocabulary.count; i++) {
        const char *piece = t->vocabulary.items[i];
        const size_t length = strlen(piece);
        clattn__lookup_add(&t->pieces, piece, length, i);
        t->longest = length > t->longest ? length : t->longest;
    }
    return find_special(t);
}

clattn_status clattn__wordpiece_create(char *vocabulary, size_t bytes, bool cased,
                                       clattn__wordpiece **out)
{
    clattn__lines pieces;
    TRY(clattn__lines_of(vocabulary, bytes, &pieces));
    clattn__wordpiece *t = calloc(1, sizeof *t);
    if (!t) {
        clattn__lines_free(&pieces);
        return clattn__no_memory();
    }
    t->vocabulary = pieces;
    t->cased = cased;
    const clattn_status status = index_pieces(t);
    if (status == CLATTN_OK) {
        *out = t;
    } else {
        clattn__wordpiece_destroy(t);
    }
    return status;
}

/* ---- A model's directory ------------------------------------------------------------------- */

/* What tokenizer_config.json says of case, if it is there.  Both accents and case stay, or neither.
 */
static clattn_status read_config(const char *directory, bool *cased)
{
    static const char name[] = "tokenizer_config.json";
    size_t bytes;
    char *text;
    *cased = false;
    if (!clattn__file_is_in(directory, name)) {
        return CLATTN_OK;
    }
    TRY(clattn__file_text_in(directory, name, &text, &bytes));
    cJSON *config = cJSON_ParseWithLength(text, bytes);
    free(text);
    if (!cJSON_IsObject(config)) {
        cJSON_Delete(config);
        return clattn__refuse("%s: not a JSON object", name);
    }
    *cased = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(config, "do_lower_case"));
    const cJSON *strip = cJSON_GetObjectItemCaseSensitive(config, "strip_accents");
    const bool chinese =
        !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(config, "tokenize_chinese_chars"));
    const bool known = !cJSON_IsBool(strip) || cJSON_IsTrue(strip) != *cased;
    cJSON_Delete(config);
    return known && chinese ? CLATTN_OK
                            : clattn__refuse("%s: %s is not supported", name,
                                             known ? "tokenize_chinese_chars = false"
                                                   : "strip_accents as it is there");
}

clattn_status clattn__wordpiece_open(const char *directory, clattn__wordpiece **out)
{
    static const char name[] = "vocab.txt";
    bool cased;
    size_t bytes;
    char *text;
    TRY(read_config(directory, &cased));
    TRY(clattn__file_text_in(directory, name, &text, &bytes));
    const clattn_status status = clattn__wordpiece_create(text, bytes, cased, out);
    return status == CLATTN_OK ? status : clattn__within(status, "%s", name);
}

void clattn__wordpiece_destroy(clattn__wordpiece *t)
{
    if (!t) {
        return;
    }
    clattn__special_free(&t->special);
    clattn__lookup_free(&t->pieces);
    clattn__lines_free(&t->vocabulary);
    free(t);
}

const char *clattn__wordpiece_piece(const clattn__wordpiece *t, int32_t id)
{
    return t->vocabulary.items[id];
}
int32_t clattn__wordpiece_count(const clattn__wordpiece *t) { return (int32_t)t->vocabulary.count; }

int32_t clattn__wordpiece_find(const clattn__wordpiece *t, const char *name)
{
    return clattn__lookup_find(&t->special.texts, name, strlen(name));
}
