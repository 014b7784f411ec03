/* Labels for the axes of a heat map, one a line of a text file. */
#ifndef TOOLS_ATTEND_LABELS_H
#define TOOLS_ATTEND_LABELS_H

#include "shared/texts.h"

typedef struct labels { /* zeros = none */
    char *text;         /* the whole file */
    texts lines;
} labels;

/* An empty line is an empty label; the last one needs no line end. */
bool labels_load(const char *path, labels *out, reason *why);
void labels_free(labels *l);

enum { LABEL_BYTES = 80 };

/* One fit to be drawn: valid UTF-8, nothing unprintable, at most 14 characters. */
void label_of(clattn_text text, char label[LABEL_BYTES]);

#endif /* TOOLS_ATTEND_LABELS_H */
