#include "labels.h"

#include <stdlib.h>
#include <string.h>

bool labels_load(const char *path, labels *out, reason *why)
{
    size_t bytes;
    *out = (labels){.text = file_text(path, &bytes, why)};
    return out->text && texts_add_lines(&out->lines, out->text, bytes, why);
}

void labels_free(labels *l)
{
    texts_free(&l->lines);
    free(l->text);
    *l = (labels){0};
}

void label_of(clattn_text text, char label[LABEL_BYTES])
{
    enum { MOST = 14 };
    static const char unknown[] = "\xef\xbf\xbd", more[] = "\xe2\x80\xa6"; /* U+FFFD, ellipsis */
    char *to = label;
    for (int characters = 0; text.length > 0; characters++) {
        int32_t code;
        const size_t bytes = next_character(text, &code);
        const bool last = characters == MOST - 1 && bytes < text.length;
        const bool shows = code >= ' ' && code != 127;
        const char *from = last ? more : shows ? text.bytes : unknown;
        const size_t length = last || !shows ? 3 : bytes;
        memcpy(to, from, length);
        to += length;
        if (last) {
            break;
        }
        text = (clattn_text){text.bytes + bytes, text.length - bytes};
    }
    *to = '\0';
}
