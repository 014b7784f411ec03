#include "lines.h"

#include "models/common/error.h"

#include <stdlib.h>
#include <string.h>

static clattn_status split(clattn__lines *l, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        l->count += l->text[i] == '\n' || i + 1 == bytes;
    }
    l->items = malloc(sizeof *l->items * (size_t)(l->count + 1));
    if (!l->items) {
        return clattn__no_memory();
    }
    char *line = l->text;
    for (int64_t i = 0; i < l->count; i++) {
        l->items[i] = line;
        char *end = memchr(line, '\n', (size_t)(l->text + bytes - line));
        end = end ? end : l->text + bytes;
        line = end + 1;
        *end = '\0';
        if (end > l->items[i] && end[-1] == '\r') {
            end[-1] = '\0';
        }
    }
    return CLATTN_OK;
}

clattn_status clattn__lines_of(char *text, size_t bytes, clattn__lines *out)
{
    clattn__lines l = {.text = text};
    const clattn_status status = split(&l, bytes);
    if (status == CLATTN_OK) {
        *out = l;
    } else {
        clattn__lines_free(&l);
    }
    return status;
}

void clattn__lines_free(clattn__lines *l)
{
    free(l->text);
    free(l->items);
    *l = (clattn__lines){0};
}
