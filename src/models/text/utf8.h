/* Text as UTF-8: its characters, their kinds, and bytes that become text as they come. */
#ifndef TOOLS_UTF8_H
#define TOOLS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first character of text, which is not empty, and how many bytes it takes.  Where no valid
 * sequence is, *code is -1 and the byte is taken alone. */
size_t utf8_next(const char *text, size_t bytes, int32_t *code);

enum { UTF8_LONGEST = 4 };

/* Writes a character that utf8_next gave, and returns its bytes. */
size_t utf8_write(int32_t code, char out[UTF8_LONGEST]);

/* Unicode's \p{L}, \p{N}, White_Space and all else, -1 included. */
typedef enum utf8_kind { UTF8_LETTER, UTF8_NUMBER, UTF8_SPACE, UTF8_OTHER } utf8_kind;
utf8_kind utf8_kind_of(int32_t code);
bool utf8_is_space(int32_t code);

enum { UTF8_STREAM_OUT = 6 };

/* Makes valid text of bytes that come one at a time; zeros = at its start.  A character comes out
 * when it is whole, and U+FFFD for what can be none, as the Unicode standard recommends (3.9,
 * "U+FFFD substitution of maximal subparts"). */
typedef struct utf8_stream {
    unsigned char held[4];
    int count;
} utf8_stream;

/* Both return how many bytes they put into out. */
int utf8_stream_add(utf8_stream *stream, unsigned char byte, char out[UTF8_STREAM_OUT]);
int utf8_stream_end(utf8_stream *stream, char out[UTF8_STREAM_OUT]);

#endif /* TOOLS_UTF8_H */
