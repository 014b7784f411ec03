#include "bpe_vocabulary.h"

#include "models/common/error.h"
#include "utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 1 << 22 };

/* ---- Asking ---------------------------------------------------------------- */

int32_t clattn__bpe_rank(const clattn__bpe *t, int32_t left, int32_t right)
{
    const int32_t pair[2] = {left, right};
    return clattn__lookup_find(&t->ranks, pair, sizeof pair);
}

int32_t clattn__bpe_find(const clattn__bpe *t, const char *text)
{
    return clattn__lookup_find(&t->special.texts, text, strlen(text));
}

bool clattn__bpe_is_control(const clattn__bpe *t, int32_t id)
{
    return t->tokens[id].kind == BPE_CONTROL;
}

bool clattn__bpe_ends(const clattn__bpe *t, int32_t id)
{
    for (int i = 0; i < t->end_count; i++) {
        if (t->ends[i] == id) {
            return true;
        }
    }
    return false;
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
static bool bytes_of(const alphabet *a, clattn_text text, char *out, size_t *bytes)
{
    *bytes = 0;
    for (size_t at = 0; at < text.length;) {
        int32_t code;
        at += clattn__utf8_next(text.bytes + at, text.length - at, &code);
        if (code < 0 || code >= CODES || a->byte[code] < 0) {
            return false;
        }
        out[(*bytes)++] = (char)a->byte[code];
    }
    return true;
}

/* ---- What the file says ----------------------------------------------------------------------
 * texts: ids by the tokens' texts as the file has them; of two that are the same, the first. */

static clattn_status read_rules(const clattn_gguf *file, clattn__bpe *t)
{
    clattn_text model, name;
    TRY(clattn_gguf_string(file, "tokenizer.ggml.model", &model));
    if (model.length != 4 || memcmp(model.bytes, "gpt2", 4)) {
        return clattn__refuse("tokenizer.ggml.model '%.*s' is not supported (gpt2)",
                              CLATTN__SHOWN(model));
    }
    TRY(clattn_gguf_string(file, "tokenizer.ggml.pre", &name));
    t->rules = clattn__pretokenizer_find(name.bytes, name.length);
    return t->rules ? CLATTN_OK
                    : clattn__refuse("tokenizer.ggml.pre '%.*s' is not supported (%s)",
                                     CLATTN__SHOWN(name), clattn__pretokenizer_names);
}

static clattn_status read_tokens(const clattn_gguf *file, clattn__bpe *t, clattn__lookup *texts)
{
    static const char key[] = "tokenizer.ggml.tokens";
    clattn_gguf_array array;
    TRY(clattn_gguf_array_of(file, key, CLATTN_GGUF_STRINGS, &array));
    if (array.left == 0 || array.left > MAX_TOKENS) {
        return clattn__refuse("'%s' has %zu elements, must have 1 to %d", key, array.left,
                              MAX_TOKENS);
    }
    t->count = (int32_t)array.left;
    t->tokens = calloc(array.left, sizeof *t->tokens);
    if (!t->tokens || !clattn__lookup_make(texts, array.left)) {
        return clattn__no_memory();
    }
    for (int32_t i = 0; i < t->count; i++) {
        const clattn_text text = clattn_gguf_next_string(&array);
        t->tokens[i] = (clattn__bpe_token){text, BPE_NORMAL};
        clattn__lookup_add(texts, text.bytes, text.length, i);
    }
    return CLATTN_OK;
}

static clattn_status read_kinds(const clattn_gguf *file, clattn__bpe *t)
{
    static const char key[] = "tokenizer.ggml.token_type";
    clattn_gguf_array array;
    if (!clattn_gguf_has(file, key)) {
        return CLATTN_OK;
    }
    TRY(clattn_gguf_array_of(file, key, CLATTN_GGUF_INTEGERS, &array));
    if (array.left != (size_t)t->count) {
        return clattn__refuse("'%s' has %zu elements for %" PRId32 " tokens", key, array.left,
                              t->count);
    }
    for (int32_t i = 0; i < t->count; i++) {
        const int64_t kind = clattn_gguf_next_integer(&array);
        t->tokens[i].kind = kind >= 0 && kind <= BPE_USER ? (int32_t)kind : 0;
    }
    return CLATTN_OK;
}

/* "left right": the space is never a token's first character, as tokens hold no spaces. */
static clattn_status read_merge(const clattn__lookup *texts, clattn_text text, int32_t rank,
                                clattn__bpe_merge *out)
{
    char joined[4096];
    const char *space = text.length > 1 ? memchr(text.bytes + 1, ' ', text.length - 1) : NULL;
    if (!space || text.length > sizeof joined) {
        return clattn__refuse("tokenizer.ggml.merges: %" PRId32 ", '%.*s', is no pair of tokens",
                              rank, CLATTN__SHOWN(text));
    }
    const size_t left = (size_t)(space - text.bytes), right = text.length - left - 1;
    memcpy(joined, text.bytes, left);
    memcpy(joined + left, space + 1, right);
    *out = (clattn__bpe_merge){clattn__lookup_find(texts, text.bytes, left),
                               clattn__lookup_find(texts, space + 1, right),
                               clattn__lookup_find(texts, joined, left + right)};
    if (out->left < 0 || out->right < 0 || out->result < 0) {
        return clattn__refuse("tokenizer.ggml.merges: %" PRId32 ", '%.*s', is not of tokens", rank,
                              CLATTN__SHOWN(text));
    }
    return CLATTN_OK;
}

static clattn_status read_merges(const clattn_gguf *file, clattn__bpe *t,
                                 const clattn__lookup *texts)
{
    static const char key[] = "tokenizer.ggml.merges";
    clattn_gguf_array array;
    TRY(clattn_gguf_array_of(file, key, CLATTN_GGUF_STRINGS, &array));
    if (array.left > MAX_TOKENS) {
        return clattn__refuse("'%s' has %zu elements, at most %d can be", key, array.left,
                              MAX_TOKENS);
    }
    const int32_t count = (int32_t)array.left;
    t->merges = calloc(array.left + 1, sizeof *t->merges);
    if (!t->merges || !clattn__lookup_make(&t->ranks, array.left)) {
        return clattn__no_memory();
    }
    for (int32_t rank = 0; rank < count; rank++) {
        clattn__bpe_merge *merge = &t->merges[rank];
        TRY(read_merge(texts, clattn_gguf_next_string(&array), rank, merge));
        /* A repeated one keeps its first rank. */
        clattn__lookup_add(&t->ranks, merge, 2 * sizeof(int32_t), rank);
    }
    return CLATTN_OK;
}

/* ---- What is made of it ---------------------------------------------------------- */

static void find_bytes(clattn__bpe *t, const alphabet *a, const clattn__lookup *texts)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[UTF8_LONGEST];
        t->bytes[byte] = clattn__lookup_find(texts, text, clattn__utf8_write(a->code[byte], text));
    }
}

/* Normal tokens become the bytes that they stand for.  One whose text is no such bytes stays as it
 * is written: no text has it. */
static clattn_status make_pieces(clattn__bpe *t, const alphabet *a)
{
    size_t bytes = 0;
    for (int32_t i = 0; i < t->count; i++) {
        bytes += t->tokens[i].piece.length;
    }
    char *to = t->pool = malloc(bytes + 1);
    if (!to || (clattn__pretokenizer_ignores_merges(t->rules) &&
                !clattn__lookup_make(&t->words, (size_t)t->count))) {
        return clattn__no_memory();
    }
    for (int32_t i = 0; i < t->count; i++) {
        clattn__bpe_token *token = &t->tokens[i];
        size_t length;
        if (token->kind == BPE_NORMAL && bytes_of(a, token->piece, to, &length)) {
            token->piece = (clattn_text){to, length};
            to += length;
            if (t->words.slots) {
                clattn__lookup_add(&t->words, token->piece.bytes, length, i);
            }
        }
    }
    return CLATTN_OK;
}

static clattn_status make_special(clattn__bpe *t)
{
    size_t count[BPE_USER + 1] = {0};
    for (int32_t i = 0; i < t->count; i++) {
        count[t->tokens[i].kind]++;
    }
    const size_t user = count[BPE_USER];
    if (!clattn__special_make(&t->user, user) ||
        !clattn__special_make(&t->special, user + count[BPE_CONTROL] + count[BPE_UNKNOWN])) {
        return clattn__no_memory();
    }
    for (int32_t i = 0; i < t->count; i++) {
        const clattn__bpe_token *token = &t->tokens[i];
        if (token->kind == BPE_USER) {
            clattn__special_add(&t->user, token->piece.bytes, token->piece.length, i);
        }
        if (token->kind >= BPE_UNKNOWN) {
            clattn__special_add(&t->special, token->piece.bytes, token->piece.length, i);
        }
    }
    return CLATTN_OK;
}

/* ---- Where a text begins and ends ---------------------------------------------- */

/* The id that a key names; -1 if there is no such key. */
static clattn_status read_id(const clattn_gguf *file, const clattn__bpe *t, const char *key,
                             int32_t *id)
{
    int64_t value = -1;
    if (clattn_gguf_has(file, key)) {
        TRY(clattn_gguf_integer(file, key, 0, t->count - 1, &value));
    }
    *id = (int32_t)value;
    return CLATTN_OK;
}

static clattn_status read_edge(const clattn_gguf *file, const clattn__bpe *t, const char *add_key,
                               bool add, const char *id_key, int32_t *id)
{
    if (clattn_gguf_has(file, add_key)) {
        TRY(clattn_gguf_bool(file, add_key, &add));
    }
    TRY(read_id(file, t, id_key, id));
    if (add && *id < 0) {
        return clattn__refuse("'%s' is missing, though a text is to have that token", id_key);
    }
    *id = add ? *id : -1;
    return CLATTN_OK;
}

/* Files name one or two of them.  Others are known by what models call them. */
static clattn_status read_ends(const clattn_gguf *file, clattn__bpe *t)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    static const char *const names[] = {"<|endoftext|>",   "<|im_end|>", "<|eot_id|>",
                                        "<|end_of_text|>", "<|eom_id|>", "<|end|>"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int32_t id;
        TRY(read_id(file, t, keys[i], &id));
        if (id >= 0) {
            t->ends[t->end_count++] = id;
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int32_t id = clattn__bpe_find(t, names[i]);
        if (id >= 0 && clattn__bpe_is_control(t, id)) {
            t->ends[t->end_count++] = id;
        }
    }
    return CLATTN_OK;
}

/* ---- All of it ----------------------------------------------------------------- */

static clattn_status make(const clattn_gguf *file, clattn__bpe *t, clattn__lookup *texts)
{
    alphabet a;
    make_alphabet(&a);
    TRY(read_rules(file, t));
    TRY(read_tokens(file, t, texts));
    TRY(read_kinds(file, t));
    TRY(read_merges(file, t, texts));
    find_bytes(t, &a, texts);
    TRY(make_pieces(t, &a));
    TRY(make_special(t));
    TRY(read_edge(file, t, "tokenizer.ggml.add_bos_token", clattn__pretokenizer_adds_bos(t->rules),
                  "tokenizer.ggml.bos_token_id", &t->first));
    TRY(read_edge(file, t, "tokenizer.ggml.add_eos_token", false, "tokenizer.ggml.eos_token_id",
                  &t->last));
    return read_ends(file, t);
}

clattn_status clattn__bpe_create(const clattn_gguf *file, clattn__bpe **out)
{
    clattn__lookup texts = {0};
    clattn__bpe *t = calloc(1, sizeof *t);
    if (!t) {
        return clattn__no_memory();
    }
    const clattn_status status = make(file, t, &texts);
    clattn__lookup_free(&texts);
    if (status == CLATTN_OK) {
        *out = t;
    } else {
        clattn__bpe_destroy(t);
    }
    return status;
}

void clattn__bpe_destroy(clattn__bpe *t)
{
    if (!t) {
        return;
    }
    clattn__special_free(&t->user);
    clattn__special_free(&t->special);
    clattn__lookup_free(&t->words);
    clattn__lookup_free(&t->ranks);
    free(t->merges);
    free(t->pool);
    free(t->tokens);
    free(t);
}
