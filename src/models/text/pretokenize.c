#include "pretokenize.h"
#include "utf8.h"

#include <string.h>

struct clattn__pretokenizer {
    const char *name;
    size_t (*piece)(const clattn__pretokenizer *rules, const char *text, size_t bytes);
    int digits; /* at most so many in a piece; 0 = any number of them */
    bool ignores_merges, adds_bos;
};

/* ---- Looking ahead ------------------------------------------------------------------- */

/* The end of the text, and what a rule makes one, is of a kind of its own. */
enum { END = UTF8_OTHER + 1 };

typedef struct character {
    int32_t code;
    int kind;
    size_t bytes;
} character;

static character look(const char *text, size_t bytes, size_t at)
{
    character c = {-1, END, 0};
    if (at < bytes) {
        c.bytes = clattn__utf8_next(text + at, bytes - at, &c.code);
        c.kind = (int)clattn__utf8_kind_of(c.code);
    }
    return c;
}

/* Where the run of one kind ends that begins at at. */
static size_t run(const char *text, size_t bytes, size_t at, int kind)
{
    for (character c; (c = look(text, bytes, at)).kind == kind;) {
        at += c.bytes;
    }
    return at;
}

/* 's|'t|'re|'ve|'m|'ll|'d, or no bytes. */
static size_t contraction(const char *text, size_t bytes, bool any_case)
{
    static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    if (*text != '\'') {
        return 0;
    }
    for (size_t e = 0; e < sizeof endings / sizeof *endings; e++) {
        const size_t length = strlen(endings[e]);
        size_t i = 0;
        while (i < length && i + 1 < bytes &&
               (text[i + 1] == endings[e][i] ||
                (any_case && text[i + 1] == endings[e][i] - 'a' + 'A'))) {
            i++;
        }
        if (i == length) {
            return length + 1;
        }
    }
    return 0;
}

/* \s+(?!\S)|\s+: spaces, but not the last one if something follows, as that begins with it. */
static size_t spaces(const char *text, size_t bytes, bool number_ends)
{
    size_t at = 0, last = 0;
    character c;
    while ((c = look(text, bytes, at)).kind == UTF8_SPACE) {
        last = at;
        at += c.bytes;
    }
    const bool ends = c.kind == END || (number_ends && c.kind == UTF8_NUMBER);
    return ends || last == 0 ? at : last;
}

/* ---- The rules ------------------------------------------------------------------------- */

/* GPT-2 (Radford et al. 2019):
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * Where digits are 1, each number was cut out by itself before, and is to the rest an end. */
static size_t gpt2(const clattn__pretokenizer *rules, const char *text, size_t bytes)
{
    const size_t short_form = contraction(text, bytes, false);
    const character first = look(text, bytes, 0);
    if (short_form) {
        return short_form;
    }
    if (rules->digits && first.kind == UTF8_NUMBER) {
        return first.bytes;
    }
    const size_t begin = first.code == ' ' ? 1 : 0;
    const int kind = begin ? look(text, bytes, begin).kind : first.kind;
    if (kind == UTF8_LETTER || kind == UTF8_OTHER || (kind == UTF8_NUMBER && !rules->digits)) {
        return run(text, bytes, begin, kind);
    }
    return spaces(text, bytes, rules->digits);
}

static size_t numbers(const char *text, size_t bytes, int most)
{
    size_t at = 0;
    for (int i = 0; i < most; i++) {
        const character c = look(text, bytes, at);
        at += c.kind == UTF8_NUMBER ? c.bytes : 0;
    }
    return at;
}

static size_t line_ends(const char *text, size_t bytes, size_t at)
{
    while (at < bytes && (text[at] == '\r' || text[at] == '\n')) {
        at++;
    }
    return at;
}

/* \s*[\r\n]+: up to the last line end among the spaces, or no bytes. */
static size_t blank_lines(const char *text, size_t bytes)
{
    size_t at = 0, end = 0;
    for (character c; (c = look(text, bytes, at)).kind == UTF8_SPACE;) {
        at += c.bytes;
        end = c.code == '\r' || c.code == '\n' ? at : end;
    }
    return end;
}

/* Llama 3, and others with fewer digits:
 *     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
 *      ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t llama3(const clattn__pretokenizer *rules, const char *text, size_t bytes)
{
    const size_t short_form = contraction(text, bytes, true);
    const character first = look(text, bytes, 0);
    const bool line_end = first.code == '\r' || first.code == '\n';
    if (short_form) {
        return short_form;
    }
    if (first.kind == UTF8_NUMBER) {
        return numbers(text, bytes, rules->digits);
    }
    const character second = look(text, bytes, first.bytes);
    if (first.kind == UTF8_LETTER || (!line_end && second.kind == UTF8_LETTER)) {
        return run(text, bytes, first.bytes, UTF8_LETTER);
    }
    const size_t begin = first.code == ' ' ? 1 : 0;
    if ((begin ? second.kind : first.kind) == UTF8_OTHER) {
        return line_ends(text, bytes, run(text, bytes, begin, UTF8_OTHER));
    }
    const size_t blank = blank_lines(text, bytes);
    return blank ? blank : spaces(text, bytes, false);
}

/* ---- Who uses which --------------------------------------------------------------------- */

static const clattn__pretokenizer table[] = {
    {"gpt-2", gpt2, 0, false, false},       {"phi-2", gpt2, 0, false, false},
    {"mpt", gpt2, 0, false, false},         {"olmo", gpt2, 0, false, false},
    {"smollm", gpt2, 1, false, false},      {"starcoder", gpt2, 1, false, false},
    {"refact", gpt2, 1, false, false},      {"command-r", gpt2, 1, false, false},
    {"codeshell", gpt2, 1, false, false},   {"exaone", gpt2, 1, false, false},
    {"llama-bpe", llama3, 3, true, true},   {"llama3", llama3, 3, true, true},
    {"llama-v3", llama3, 3, true, true},    {"dbrx", llama3, 3, false, false},
    {"smaug-bpe", llama3, 3, false, false}, {"qwen2", llama3, 1, false, false},
    {"stablelm2", llama3, 1, false, false}, {"deepseek-r1-qwen", llama3, 1, false, false},
};

const char clattn__pretokenizer_names[] = "gpt-2, smollm, llama-bpe, qwen2 and their like";

const clattn__pretokenizer *clattn__pretokenizer_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strlen(table[i].name) == length && !memcmp(table[i].name, name, length)) {
            return &table[i];
        }
    }
    return NULL;
}

size_t clattn__pretokenizer_piece(const clattn__pretokenizer *rules, const char *text, size_t bytes)
{
    return rules->piece(rules, text, bytes);
}

bool clattn__pretokenizer_ignores_merges(const clattn__pretokenizer *rules)
{
    return rules->ignores_merges;
}
bool clattn__pretokenizer_adds_bos(const clattn__pretokenizer *rules) { return rules->adds_bos; }
