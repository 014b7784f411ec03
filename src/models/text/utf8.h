/* Text as UTF-8: its characters and their kinds; as it comes it is in clattn/models/text.h. */
#ifndef MODELS_TEXT_UTF8_H
#define MODELS_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first character of text, which is not empty, and how many bytes it takes.  Where no valid
 * sequence is, *code is -1 and the byte is taken alone. */
size_t clattn__utf8_next(const char *text, size_t bytes, int32_t *code);

enum { UTF8_LONGEST = 4 };

/* Writes a character that utf8_next gave, and returns its bytes. */
size_t clattn__utf8_write(int32_t code, char out[UTF8_LONGEST]);

/* Unicode's \p{L}, \p{N}, White_Space and all else, -1 included. */
typedef enum clattn__utf8_kind {
    UTF8_LETTER,
    UTF8_NUMBER,
    UTF8_SPACE,
    UTF8_OTHER
} clattn__utf8_kind;
clattn__utf8_kind clattn__utf8_kind_of(int32_t code);
bool clattn__utf8_is_space(int32_t code);

#endif /* MODELS_TEXT_UTF8_H */
