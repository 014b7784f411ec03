#include "bpe_vocabulary.h"
#include "utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 1 << 22 };

int32_t bpe_rank(const bpe *t, int32_t left, int32_t right)
{
    const int32_t pair[2] = {left, right};
    return lookup_find(&t->ranks, pair, sizeof pair);
}

/* ---- Bytes as characters ------------------------------------------------------------------
 * Tokens are stored as text in which every byte is a character that shows (GPT-2): a byte that is
 * one in Latin-1 is itself, the others are U+0100 and what follows, in their order. */

enum { CODES = 512 };

typedef struct alphabet {
    int32_t code[256];
    short byte[CODES]; /* -1 = none */
} alphabet;

static void make_alphabet(alphabet *a)
{
    int32_t next = 0x100;
    memset(a->byte, -1, sizeof a->byte);
    for (int byte = 0; byte < 256; byte++) {
        const bool shows = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
        a->code[byte] = shows ? byte : next++;
        a->byte[a->code[byte]] = (short)byte;
    }
}

/* False if there are characters in the text that stand for no byte. */
static bool bytes_of(const alphabet *a, gguf_text text, char *out, size_t *bytes)
{
    *bytes = 0;
    for (size_t at = 0; at < text.length;) {
        int32_t code;
        at += utf8_next(text.bytes + at, text.length - at, &code);
        if (code < 0 || code >= CODES || a->byte[code] < 0) {
            return false;
        }
        out[(*bytes)++] = (char)a->byte[code];
    }
    return true;
}

/* ---- What the file says ----------------------------------------------------------------------
 * texts: ids by the tokens' texts as the file has them; of two that are the same, the first. */

static bool read_rules(const gguf *file, bpe *t, reason *why)
{
    gguf_text model, name;
    if (!gguf_string(file, "tokenizer.ggml.model", &model, why)) {
        return false;
    }
    if (model.length != 4 || memcmp(model.bytes, "gpt2", 4)) {
        return refuse(why, "tokenizer.ggml.model '%.*s' is not supported (gpt2)",
                      GGUF_SHOWN(model));
    }
    if (!gguf_string(file, "tokenizer.ggml.pre", &name, why)) {
        return false;
    }
    t->rules = pretokenizer_find(name.bytes, name.length);
    return t->rules || refuse(why, "tokenizer.ggml.pre '%.*s' is not supported (%s)",
                              GGUF_SHOWN(name), pretokenizer_names);
}

static bool read_tokens(const gguf *file, bpe *t, lookup *texts, reason *why)
{
    static const char key[] = "tokenizer.ggml.tokens";
    gguf_array array;
    if (!gguf_array_of(file, key, GGUF_STRINGS, &array, why)) {
        return false;
    }
    if (array.left == 0 || array.left > MAX_TOKENS) {
        return refuse(why, "'%s' has %zu elements, must have 1 to %d", key, array.left, MAX_TOKENS);
    }
    t->count = (int32_t)array.left;
    t->tokens = calloc(array.left, sizeof *t->tokens);
    if (!t->tokens || !lookup_make(texts, array.left)) {
        return refuse(why, "out of memory");
    }
    for (int32_t i = 0; i < t->count; i++) {
        const gguf_text text = gguf_next_string(&array);
        t->tokens[i] = (bpe_token){text, BPE_NORMAL};
        lookup_add(texts, text.bytes, text.length, i);
    }
    return true;
}

static bool read_kinds(const gguf *file, bpe *t, reason *why)
{
    static const char key[] = "tokenizer.ggml.token_type";
    gguf_array array;
    if (!gguf_has(file, key)) {
        return true;
    }
    if (!gguf_array_of(file, key, GGUF_INTEGERS, &array, why)) {
        return false;
    }
    if (array.left != (size_t)t->count) {
        return refuse(why, "'%s' has %zu elements for %" PRId32 " tokens", key, array.left,
                      t->count);
    }
    for (int32_t i = 0; i < t->count; i++) {
        const int64_t kind = gguf_next_integer(&array);
        t->tokens[i].kind = kind >= 0 && kind <= BPE_USER ? (int32_t)kind : 0;
    }
    return true;
}

/* "left right": the space is never a token's first character, as tokens hold no spaces. */
static bool read_merge(const lookup *texts, gguf_text text, int32_t rank, bpe_merge *out,
                       reason *why)
{
    char joined[4096];
    const char *space = text.length > 1 ? memchr(text.bytes + 1, ' ', text.length - 1) : NULL;
    if (!space || text.length > sizeof joined) {
        return refuse(why, "tokenizer.ggml.merges: %" PRId32 ", '%.*s', is no pair of tokens", rank,
                      GGUF_SHOWN(text));
    }
    const size_t left = (size_t)(space - text.bytes), right = text.length - left - 1;
    memcpy(joined, text.bytes, left);
    memcpy(joined + left, space + 1, right);
    *out = (bpe_merge){lookup_find(texts, text.bytes, left), lookup_find(texts, space + 1, right),
                       lookup_find(texts, joined, left + right)};
    if (out->left < 0 || out->right < 0 || out->result < 0) {
        return refuse(why, "tokenizer.ggml.merges: %" PRId32 ", '%.*s', is not of tokens", rank,
                      GGUF_SHOWN(text));
    }
    return true;
}

static bool read_merges(const gguf *file, bpe *t, const lookup *texts, reason *why)
{
    static const char key[] = "tokenizer.ggml.merges";
    gguf_array array;
    if (!gguf_array_of(file, key, GGUF_STRINGS, &array, why)) {
        return false;
    }
    if (array.left > MAX_TOKENS) {
        return refuse(why, "'%s' has %zu elements, at most %d can be", key, array.left, MAX_TOKENS);
    }
    const int32_t count = (int32_t)array.left;
    t->merges = calloc(array.left + 1, sizeof *t->merges);
    if (!t->merges || !lookup_make(&t->ranks, array.left)) {
        return refuse(why, "out of memory");
    }
    for (int32_t rank = 0; rank < count; rank++) {
        bpe_merge *merge = &t->merges[rank];
        if (!read_merge(texts, gguf_next_string(&array), rank, merge, why)) {
            return false;
        }
        lookup_add(&t->ranks, merge, 2 * sizeof(int32_t), rank); /* a repeated one keeps its first
                                                                  */
    }
    return true;
}

/* ---- What is made of it -----------------------------------------------------------------------
 */

static void find_bytes(bpe *t, const alphabet *a, const lookup *texts)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[UTF8_LONGEST];
        t->bytes[byte] = lookup_find(texts, text, utf8_write(a->code[byte], text));
    }
}

/* Normal tokens become the bytes that they stand for.  One whose text is no such bytes stays as it
 * is written: no text has it. */
static bool make_pieces(bpe *t, const alphabet *a, reason *why)
{
    size_t bytes = 0;
    for (int32_t i = 0; i < t->count; i++) {
        bytes += t->tokens[i].piece.length;
    }
    char *to = t->pool = malloc(bytes + 1);
    if (!to ||
        (pretokenizer_ignores_merges(t->rules) && !lookup_make(&t->words, (size_t)t->count))) {
        return refuse(why, "out of memory");
    }
    for (int32_t i = 0; i < t->count; i++) {
        bpe_token *token = &t->tokens[i];
        size_t length;
        if (token->kind == BPE_NORMAL && bytes_of(a, token->piece, to, &length)) {
            token->piece = (gguf_text){to, length};
            to += length;
            if (t->words.slots) {
                lookup_add(&t->words, token->piece.bytes, length, i);
            }
        }
    }
    return true;
}

static bool make_special(bpe *t, reason *why)
{
    size_t count[BPE_USER + 1] = {0};
    for (int32_t i = 0; i < t->count; i++) {
        count[t->tokens[i].kind]++;
    }
    const size_t user = count[BPE_USER];
    if (!special_make(&t->user, user) ||
        !special_make(&t->special, user + count[BPE_CONTROL] + count[BPE_UNKNOWN])) {
        return refuse(why, "out of memory");
    }
    for (int32_t i = 0; i < t->count; i++) {
        const bpe_token *token = &t->tokens[i];
        if (token->kind == BPE_USER) {
            special_add(&t->user, token->piece.bytes, token->piece.length, i);
        }
        if (token->kind >= BPE_UNKNOWN) {
            special_add(&t->special, token->piece.bytes, token->piece.length, i);
        }
    }
    return true;
}

/* ---- Where a text begins and ends
 * ---------------------------------------------------------------- */

/* The id that a key names; -1 if there is no such key. */
static bool read_id(const gguf *file, const bpe *t, const char *key, int32_t *id, reason *why)
{
    int64_t value = -1;
    const bool read = !gguf_has(file, key) || gguf_integer(file, key, 0, t->count - 1, &value, why);
    *id = (int32_t)value;
    return read;
}

static bool read_edge(const gguf *file, const bpe *t, const char *add_key, bool add,
                      const char *id_key, int32_t *id, reason *why)
{
    if (gguf_has(file, add_key) && !gguf_bool(file, add_key, &add, why)) {
        return false;
    }
    if (!read_id(file, t, id_key, id, why)) {
        return false;
    }
    if (add && *id < 0) {
        return refuse(why, "'%s' is missing, though a text is to have that token", id_key);
    }
    *id = add ? *id : -1;
    return true;
}

/* Files name one or two of them.  Others are known by what models call them. */
static bool read_ends(const gguf *file, bpe *t, reason *why)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    static const char *const names[] = {"<|endoftext|>",   "<|im_end|>", "<|eot_id|>",
                                        "<|end_of_text|>", "<|eom_id|>", "<|end|>"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int32_t id;
        if (!read_id(file, t, keys[i], &id, why)) {
            return false;
        }
        if (id >= 0) {
            t->ends[t->end_count++] = id;
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int32_t id = bpe_find(t, names[i]);
        if (id >= 0 && bpe_is_control(t, id)) {
            t->ends[t->end_count++] = id;
        }
    }
    return true;
}

/* ---- All of it
 * -------------------------------------------------------------------------------------- */

static bool make(const gguf *file, bpe *t, lookup *texts, reason *why)
{
    alphabet a;
    make_alphabet(&a);
    if (!read_rules(file, t, why) || !read_tokens(file, t, texts, why) ||
        !read_kinds(file, t, why) || !read_merges(file, t, texts, why)) {
        return false;
    }
    find_bytes(t, &a, texts);
    return make_pieces(t, &a, why) && make_special(t, why) &&
           read_edge(file, t, "tokenizer.ggml.add_bos_token", pretokenizer_adds_bos(t->rules),
                     "tokenizer.ggml.bos_token_id", &t->first, why) &&
           read_edge(file, t, "tokenizer.ggml.add_eos_token", false, "tokenizer.ggml.eos_token_id",
                     &t->last, why) &&
           read_ends(file, t, why);
}

bool bpe_create(const gguf *file, bpe **out, reason *why)
{
    lookup texts = {0};
    bpe *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t) {
        return refuse(why, "out of memory");
    }
    const bool made = make(file, t, &texts, why);
    lookup_free(&texts);
    if (made) {
        *out = t;
    } else {
        bpe_destroy(t);
    }
    return made;
}

void bpe_destroy(bpe *t)
{
    if (!t) {
        return;
    }
    special_free(&t->user);
    special_free(&t->special);
    lookup_free(&t->words);
    lookup_free(&t->ranks);
    free(t->merges);
    free(t->pool);
    free(t->tokens);
    free(t);
}
