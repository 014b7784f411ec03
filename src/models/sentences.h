/* Texts as vectors by a sentence encoder: tokenized, sorted by length, encoded in batches. */
#ifndef TOOLS_SENTENCES_H
#define TOOLS_SENTENCES_H

#include "bert.h"
#include "models/files/array.h"
#include "models/text/ids.h"
#include "models/text/tokenizer_wordpiece.h"

/* ---- Texts ------------------------------------------------------------------------------ */

typedef struct text_span {
    const char *bytes;
    size_t length;
} text_span;

typedef struct texts {
    text_span *items;
    size_t count, room;
} texts;

bool texts_add(texts *list, const char *bytes, size_t length, reason *why);

/* Each line is one, without its line end; the last needs none.  They are of text, not copies. */
bool texts_add_lines(texts *list, const char *text, size_t bytes, reason *why);
void texts_free(texts *list);

/* ---- Tokens ------------------------------------------------------------------------------ */

typedef struct tokenized {
    ids ids;        /* of all texts, one after the other */
    size_t *starts; /* count + 1: where each begins */
    size_t count;
    size_t cut; /* texts that were longer than most tokens */
} tokenized;

bool tokenize_texts(const wordpiece *tokenizer, const texts *list, int32_t most, tokenized *out,
                    reason *why);
void tokenized_free(tokenized *t);

/* ---- Vectors ------------------------------------------------------------------------------ */

/* Hears how many tokens of all are done. */
typedef void sentences_progress(void *user, size_t done, size_t all);

/* sentences {count, columns}; tokens {ids, columns}, or NULL.  False after a line that says why
 * not. */
bool sentences_encode(bert *model, const tokenized *t, float *sentences, float *tokens,
                      sentences_progress *progress, void *user);

#endif /* TOOLS_SENTENCES_H */
