/* Tokens that are found in a text as they are written, before anything else is done to it:
 * "<|im_end|>", "[SEP]". */
#ifndef MODELS_TEXT_SPECIAL_TOKENS_H
#define MODELS_TEXT_SPECIAL_TOKENS_H

#include "models/common/lookup.h"

typedef struct clattn__special_tokens {
    clattn__lookup texts;
    size_t *lengths; /* those that occur, the longest first */
    size_t length_count, count;
    bool begins[256]; /* whether a token has this first byte */
} clattn__special_tokens;

/* Room for so many.  False if memory ran out. */
bool clattn__special_make(clattn__special_tokens *set, size_t tokens);
void clattn__special_free(clattn__special_tokens *set);

/* The text is not copied and stays where it is; an empty one, and one that is there, is left out.
 */
void clattn__special_add(clattn__special_tokens *set, const char *text, size_t bytes, int32_t id);

/* The first of them in text: where it begins, and its length.  Of those that begin there the
 * longest counts.  Returns its id, or -1 with *at = bytes. */
int32_t clattn__special_find(const clattn__special_tokens *set, const char *text, size_t bytes,
                             size_t *at, size_t *length);

#endif /* MODELS_TEXT_SPECIAL_TOKENS_H */
