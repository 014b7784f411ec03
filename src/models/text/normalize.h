/* A text made plain before WordPiece: what BERT does to it first. */
#ifndef MODELS_TEXT_NORMALIZE_H
#define MODELS_TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct clattn__plain_text {
    int32_t *codes;
    size_t count;
} clattn__plain_text;

/* No control characters, one kind of space, and spaces around Chinese characters; unless cased,
 * small letters without accents.  False if memory ran out. */
bool clattn__normalize(const char *text, size_t bytes, bool cased, clattn__plain_text *out);
void clattn__plain_text_free(clattn__plain_text *text);

/* Whether the character stands alone: Unicode's punctuation, and all of ASCII that is no letter,
 * digit or space. */
bool clattn__is_punctuation(int32_t code);

#endif /* MODELS_TEXT_NORMALIZE_H */
