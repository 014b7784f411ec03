/* The lines of a text. */
#ifndef MODELS_TEXT_LINES_H
#define MODELS_TEXT_LINES_H

#include <clattn/base.h>

typedef struct clattn__lines {
    int64_t count;
    char *text;   /* all of it, line ends made 0 */
    char **items; /* NULL = none */
} clattn__lines;

/* text is freed with them, or at once if this fails; a byte is free behind it.  An empty line
 * counts; the last one needs no line end. */
clattn_status clattn__lines_of(char *text, size_t bytes, clattn__lines *out);
void clattn__lines_free(clattn__lines *l);

#endif /* MODELS_TEXT_LINES_H */
