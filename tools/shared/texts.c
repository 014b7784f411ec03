#include "texts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utf8proc.h>

static FILE *open_regular(const char *path, size_t *bytes, reason *why)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) { /* opening a pipe could wait for ever */
        refuse(why, "not a regular file");
        return NULL;
    }
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &info) != 0) {
        refuse(why, "%s", strerror(errno));
        if (file) {
            fclose(file);
        }
        return NULL;
    }
    *bytes = (size_t)info.st_size;
    return file;
}

char *file_text(const char *path, size_t *bytes, reason *why)
{
    FILE *file = open_regular(path, bytes, why);
    if (!file) {
        return NULL;
    }
    char *text = malloc(*bytes + 1);
    if (!text) {
        refuse(why, "out of memory");
    } else if (fread(text, 1, *bytes, file) != *bytes) {
        refuse(why, "%s", ferror(file) ? strerror(errno) : "truncated");
        free(text);
        text = NULL;
    } else {
        text[*bytes] = '\0';
    }
    fclose(file);
    return text;
}

bool texts_add(texts *list, const char *bytes, size_t length, reason *why)
{
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 64;
        clattn_text *larger = realloc(list->items, room * sizeof *larger);
        if (!larger) {
            return refuse(why, "out of memory");
        }
        list->items = larger;
        list->room = room;
    }
    list->items[list->count++] = (clattn_text){bytes, length};
    return true;
}

bool texts_add_lines(texts *list, const char *text, size_t bytes, reason *why)
{
    bool done = true;
    while (done && bytes > 0) {
        const char *end = memchr(text, '\n', bytes);
        const size_t length = end ? (size_t)(end - text) : bytes;
        const bool carriage = length > 0 && text[length - 1] == '\r';
        done = texts_add(list, text, length - carriage, why);
        text += end ? length + 1 : length;
        bytes -= end ? length + 1 : length;
    }
    return done;
}

void texts_free(texts *list)
{
    free(list->items);
    *list = (texts){0};
}

size_t next_character(clattn_text text, int32_t *code)
{
    enum { LONGEST = 4 };
    const utf8proc_ssize_t taken =
        utf8proc_iterate((const utf8proc_uint8_t *)text.bytes,
                         (utf8proc_ssize_t)(text.length < LONGEST ? text.length : LONGEST), code);
    *code = taken > 0 ? *code : -1;
    return taken > 0 ? (size_t)taken : 1;
}
