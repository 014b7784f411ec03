#include "tokens.h"
#include "load.h"

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

bool tokens_load(const char *path, tokens *out, reason *why)
{
    uint64_t bytes;
    *out = (tokens){0};
    FILE *file = file_open(path, &bytes, why);
    if (!file) {
        return false;
    }
    out->text = bytes < SIZE_MAX ? malloc((size_t)bytes + 1) : NULL;
    bool read =
        out->text ? file_read(file, out->text, (size_t)bytes, why) : refuse(why, "out of memory");
    fclose(file);
    read = read && split_lines(out, (size_t)bytes, why);
    if (!read) {
        tokens_free(out);
    }
    return read;
}

void tokens_free(tokens *t)
{
    free(t->text);
    free(t->lines);
    *t = (tokens){0};
}

/* Bytes of the UTF-8 sequence at s; 0 if it is none, or would not show. */
static int sequence(const unsigned char *s)
{
    const int bytes = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (bytes == 1) {
        return s[0] >= ' ' && s[0] != 127;
    }
    if (s[0] > 0xf4) {
        return 0;
    }
    for (int i = 1; i < bytes; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    const bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    const bool outside = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
    return overlong || outside ? 0 : bytes;
}

void tokens_label(const char *token, char label[LABEL_BYTES])
{
    enum { MOST = 14 };
    static const char unknown[] = "\xef\xbf\xbd", more[] = "\xe2\x80\xa6"; /* U+FFFD, ellipsis */
    const unsigned char *s = (const unsigned char *)token;
    char *to = label;
    for (int characters = 0; *s; characters++) {
        const int bytes = sequence(s);
        const bool last = characters == MOST - 1 && s[bytes ? bytes : 1] != '\0';
        const char *from = last ? more : bytes ? (const char *)s : unknown;
        const size_t length = last || !bytes ? 3 : (size_t)bytes;
        memcpy(to, from, length);
        to += length;
        if (last) {
            break;
        }
        s += bytes ? bytes : 1;
    }
    *to = '\0';
}
