/* A text made plain before WordPiece: what BERT does to it first. */
#ifndef TOOLS_NORMALIZE_H
#define TOOLS_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct plain_text {
    int32_t *codes;
    size_t count;
} plain_text;

/* No control characters, one kind of space, and spaces around Chinese characters; unless cased,
 * small letters without accents.  False if memory ran out. */
bool normalize(const char *text, size_t bytes, bool cased, plain_text *out);
void plain_text_free(plain_text *text);

/* Whether the character stands alone: Unicode's punctuation, and all of ASCII that is no letter,
 * digit or space. */
bool is_punctuation(int32_t code);

#endif /* TOOLS_NORMALIZE_H */
