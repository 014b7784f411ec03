#include "tokenizer_wordpiece.h"
#include "models/files/load.h"
#include "normalize.h"
#include "special_tokens.h"
#include "tokens.h"
#include "utf8.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_WORD = 100, MAX_VOCABULARY = 1 << 22 };

struct wordpiece {
    bool cased;
    tokens vocabulary;
    lookup pieces;
    size_t longest; /* bytes of a piece */
    special_tokens special;
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
static int32_t longest_piece(const wordpiece *t, char *text, size_t bytes, bool first,
                             size_t *length)
{
    const size_t lead = first ? 0 : 2;
    char *key = text - lead;
    memcpy(key, "##", lead);
    size_t most = bytes + lead < t->longest ? bytes + lead : t->longest;
    for (; most > lead; most--) {
        const int32_t id = lookup_find(&t->pieces, key, most);
        if (id >= 0) {
            *length = most - lead;
            return id;
        }
    }
    return -1;
}

/* The pieces of a word, or the one token for words of which some part is no piece; of an empty one
 * nothing.  It is empty then. */
static bool add_word(const wordpiece *t, word *w, ids *out)
{
    const size_t before = out->count, bytes = w->bytes;
    bool known = w->characters <= LONGEST_WORD;
    w->bytes = 0;
    w->characters = 0;
    for (size_t at = 0, length = 0; known && at < bytes; at += length) {
        const int32_t id = longest_piece(t, w->text + 2 + at, bytes - at, at == 0, &length);
        known = id >= 0;
        if (known && !ids_add(out, id)) {
            return false;
        }
    }
    if (!known) {
        out->count = before;
    }
    return known || ids_add(out, t->unknown);
}

static void add_character(word *w, int32_t code)
{
    if (w->characters++ < LONGEST_WORD) {
        w->bytes += utf8_write(code, w->text + 2 + w->bytes);
    }
}

/* ---- A text --------------------------------------------------------------------------------- */

/* Words are what is between spaces, and each punctuation character.  Stops after most tokens. */
static bool add_words(const wordpiece *t, const plain_text *plain, size_t most, ids *out)
{
    word w = {.bytes = 0};
    bool done = true;
    for (size_t i = 0; done && i < plain->count && out->count < most; i++) {
        const int32_t code = plain->codes[i];
        const bool alone = is_punctuation(code);
        if (code == ' ' || alone) {
            done = add_word(t, &w, out);
        }
        if (code != ' ') {
            add_character(&w, code);
        }
        if (alone) {
            done = done && add_word(t, &w, out);
        }
    }
    return done && add_word(t, &w, out);
}

static bool add_plain(const wordpiece *t, const char *text, size_t bytes, size_t most, ids *out)
{
    plain_text plain;
    const bool done = normalize(text, bytes, t->cased, &plain) && add_words(t, &plain, most, out);
    plain_text_free(&plain);
    return done;
}

bool wordpiece_encode(const wordpiece *t, const char *text, size_t bytes, size_t most, ids *out,
                      reason *why)
{
    if (most < 2) {
        return refuse(why, "there is no room for [CLS] and [SEP]");
    }
    const size_t room = SIZE_MAX - out->count;
    const size_t last = out->count + (most < room ? most : room) - 1;
    bool done = ids_add(out, t->begin);
    while (done && bytes > 0 && out->count < last) {
        size_t at, length;
        const int32_t id = special_find(&t->special, text, bytes, &at, &length);
        done = add_plain(t, text, at, last, out) && (id < 0 || ids_add(out, id));
        text += at + length;
        bytes -= at + length;
    }
    if (out->count > last) {
        out->count = last;
    }
    return (done && ids_add(out, t->end)) || refuse(why, "out of memory");
}

/* ---- The vocabulary ----------------------------------------------------------------------------
 */

static bool find_special(wordpiece *t, reason *why)
{
    static const char *const names[] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};
    enum { NEEDED = 3, NAMES = sizeof names / sizeof *names };
    int32_t *const needed[NEEDED] = {&t->unknown, &t->begin, &t->end};
    if (!special_make(&t->special, NAMES)) {
        return refuse(why, "out of memory");
    }
    for (int i = 0; i < NAMES; i++) {
        const int32_t id = lookup_find(&t->pieces, names[i], strlen(names[i]));
        if (id < 0 && i < NEEDED) {
            return refuse(why, "no line is %s", names[i]);
        }
        if (id >= 0) {
            special_add(&t->special, names[i], strlen(names[i]), id);
        }
        if (i < NEEDED) {
            *needed[i] = id;
        }
    }
    return true;
}

static bool index_pieces(wordpiece *t, reason *why)
{
    if (t->vocabulary.count > MAX_VOCABULARY) {
        return refuse(why, "%" PRId64 " lines, at most %d can be", t->vocabulary.count,
                      MAX_VOCABULARY);
    }
    if (!lookup_make(&t->pieces, (size_t)t->vocabulary.count)) {
        return refuse(why, "out of memory");
    }
    for (int32_t i = 0; i < t->vocabulary.count; i++) {
        const char *piece = t->vocabulary.lines[i];
        const size_t length = strlen(piece);
        lookup_add(&t->pieces, piece, length, i);
        t->longest = length > t->longest ? length : t->longest;
    }
    return find_special(t, why);
}

bool wordpiece_create(char *vocabulary, size_t bytes, bool cased, wordpiece **out, reason *why)
{
    tokens lines;
    *out = NULL;
    if (!tokens_of(vocabulary, bytes, &lines, why)) {
        return false;
    }
    wordpiece *t = calloc(1, sizeof *t);
    if (!t) {
        tokens_free(&lines);
        return refuse(why, "out of memory");
    }
    t->vocabulary = lines;
    t->cased = cased;
    if (!index_pieces(t, why)) {
        wordpiece_destroy(t);
        return false;
    }
    *out = t;
    return true;
}

/* ---- A model's directory ------------------------------------------------------------------- */

/* What tokenizer_config.json says of case, if it is there.  Both accents and case stay, or neither.
 */
static bool read_config(const char *directory, bool *cased, reason *why)
{
    static const char name[] = "tokenizer_config.json";
    size_t bytes;
    reason absent;
    char *text = file_text_in(directory, name, &bytes, &absent);
    *cased = false;
    if (!text) {
        return true;
    }
    cJSON *config = cJSON_ParseWithLength(text, bytes);
    free(text);
    if (!cJSON_IsObject(config)) {
        cJSON_Delete(config);
        return refuse(why, "%s: not a JSON object", name);
    }
    *cased = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(config, "do_lower_case"));
    const cJSON *strip = cJSON_GetObjectItemCaseSensitive(config, "strip_accents");
    const bool chinese =
        !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(config, "tokenize_chinese_chars"));
    const bool known = !cJSON_IsBool(strip) || cJSON_IsTrue(strip) != *cased;
    cJSON_Delete(config);
    return known && chinese
               ? true
               : refuse(why, "%s: %s is not supported", name,
                        known ? "tokenize_chinese_chars = false" : "strip_accents as it is there");
}

bool wordpiece_open(const char *directory, wordpiece **out, reason *why)
{
    static const char name[] = "vocab.txt";
    bool cased;
    size_t bytes;
    reason inner;
    *out = NULL;
    if (!read_config(directory, &cased, why)) {
        return false;
    }
    char *text = file_text_in(directory, name, &bytes, why);
    if (!text) {
        return false;
    }
    return wordpiece_create(text, bytes, cased, out, &inner) ||
           refuse(why, "%s: %.400s", name, inner.text);
}

void wordpiece_destroy(wordpiece *t)
{
    if (!t) {
        return;
    }
    special_free(&t->special);
    lookup_free(&t->pieces);
    tokens_free(&t->vocabulary);
    free(t);
}

const char *wordpiece_piece(const wordpiece *t, int32_t id) { return t->vocabulary.lines[id]; }
int32_t wordpiece_count(const wordpiece *t) { return (int32_t)t->vocabulary.count; }
