/* Texts that the command line is given: files, and their lines. */
#ifndef TOOLS_TEXTS_H
#define TOOLS_TEXTS_H

#include "message.h"

#include <clattn/models/text.h>

/* A whole regular file, with a zero behind it; the caller frees.  NULL with the reason. */
char *file_text(const char *path, size_t *bytes, reason *why);

typedef struct texts { /* zeros = none */
    clattn_text *items;
    size_t count, room;
} texts;

bool texts_add(texts *list, const char *bytes, size_t length, reason *why);

/* Each line is one, without its line end; the last needs none.  They are of text, not copies. */
bool texts_add_lines(texts *list, const char *text, size_t bytes, reason *why);
void texts_free(texts *list);

/* The first character of a text that is not empty, and how many bytes it takes.  Where no valid
 * UTF-8 is, *code is -1 and the byte is taken alone. */
size_t next_character(clattn_text text, int32_t *code);

#endif /* TOOLS_TEXTS_H */
