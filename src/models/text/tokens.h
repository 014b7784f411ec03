/* Labels for the axes of a heat map, one a line of a text file. */
#ifndef TOOLS_TOKENS_H
#define TOOLS_TOKENS_H

#include "shared/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tokens {
    int64_t count;
    char *text;   /* the whole file, line ends made 0 */
    char **lines; /* NULL = none */
} tokens;

/* An empty line is an empty token; the last one needs no line end. */
bool tokens_load(const char *path, tokens *out, reason *why);

/* The same of a text, which is freed with it, or at once if that fails.  A byte is free behind it.
 */
bool tokens_of(char *text, size_t bytes, tokens *out, reason *why);
void tokens_free(tokens *t);

enum { LABEL_BYTES = 80 };

/* A token fit to be drawn: valid UTF-8, nothing unprintable, at most 14 characters. */
void tokens_label(const char *token, char label[LABEL_BYTES]);

#endif /* TOOLS_TOKENS_H */
