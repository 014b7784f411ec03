#include "tokens.h"
#include "models/files/load.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

static bool split_lines(tokens *t, size_t bytes, reason *why)
{
    for (size_t i = 0; i < bytes; i++) {
        t->count += t->text[i] == '\n' || i + 1 == bytes;
    }
    t->lines = malloc(sizeof *t->lines * (size_t)(t->count + 1));
    if (!t->lines) {
        return refuse(why, "out of memory");
    }
    char *line = t->text;
    for (int64_t i = 0; i < t->count; i++) {
        t->lines[i] = line;
        char *end = memchr(line, '\n', (size_t)(t->text + bytes - line));
        end = end ? end : t->text + bytes;
        line = end + 1;
        *end = '\0';
        if (end > t->lines[i] && end[-1] == '\r') {
            end[-1] = '\0';
        }
    }
    return true;
}

bool tokens_of(char *text, size_t bytes, tokens *out, reason *why)
{
    *out = (tokens){.text = text};
    if (!split_lines(out, bytes, why)) {
        tokens_free(out);
        return false;
    }
    return true;
}

bool tokens_load(const char *path, tokens *out, reason *why)
{
    size_t bytes;
    char *text = file_text(path, &bytes, why);
    *out = (tokens){0};
    return text && tokens_of(text, bytes, out, why);
}

void tokens_free(tokens *t)
{
    free(t->text);
    free(t->lines);
    *t = (tokens){0};
}

void tokens_label(const char *token, char label[LABEL_BYTES])
{
    enum { MOST = 14 };
    static const char unknown[] = "\xef\xbf\xbd", more[] = "\xe2\x80\xa6"; /* U+FFFD, ellipsis */
    const char *end = token + strlen(token);
    char *to = label;
    for (int characters = 0; token < end; characters++) {
        int32_t code;
        const size_t bytes = utf8_next(token, (size_t)(end - token), &code);
        const bool last = characters == MOST - 1 && token + bytes < end;
        const bool shows = code >= ' ' && code != 127;
        const char *from = last ? more : shows ? token : unknown;
        const size_t length = last || !shows ? 3 : bytes;
        memcpy(to, from, length);
        to += length;
        if (last) {
            break;
        }
        token += bytes;
    }
    *to = '\0';
}
