#include "special_tokens.h"

#include <stdlib.h>
#include <string.h>

bool clattn__special_make(clattn__special_tokens *set, size_t tokens)
{
    *set = (clattn__special_tokens){.lengths = calloc(tokens + 1, sizeof *set->lengths)};
    return clattn__lookup_make(&set->texts, tokens) && set->lengths;
}

void clattn__special_free(clattn__special_tokens *set)
{
    clattn__lookup_free(&set->texts);
    free(set->lengths);
    *set = (clattn__special_tokens){0};
}

static void add_length(clattn__special_tokens *set, size_t length)
{
    size_t i = 0;
    while (i < set->length_count && set->lengths[i] > length) {
        i++;
    }
    if (i == set->length_count || set->lengths[i] != length) {
        memmove(&set->lengths[i + 1], &set->lengths[i],
                (set->length_count - i) * sizeof *set->lengths);
        set->lengths[i] = length;
        set->length_count++;
    }
}

void clattn__special_add(clattn__special_tokens *set, const char *text, size_t bytes, int32_t id)
{
    if (bytes > 0 && clattn__lookup_add(&set->texts, text, bytes, id)) {
        add_length(set, bytes);
        set->begins[(unsigned char)*text] = true;
        set->count++;
    }
}

static int32_t find_here(const clattn__special_tokens *set, const char *text, size_t bytes,
                         size_t *length)
{
    for (size_t i = 0; i < set->length_count; i++) {
        const int32_t id =
            set->lengths[i] <= bytes ? clattn__lookup_find(&set->texts, text, set->lengths[i]) : -1;
        if (id >= 0) {
            *length = set->lengths[i];
            return id;
        }
    }
    return -1;
}

int32_t clattn__special_find(const clattn__special_tokens *set, const char *text, size_t bytes,
                             size_t *at, size_t *length)
{
    for (size_t i = 0; i < bytes; i++) {
        const int32_t id =
            set->begins[(unsigned char)text[i]] ? find_here(set, text + i, bytes - i, length) : -1;
        if (id >= 0) {
            *at = i;
            return id;
        }
    }
    *at = bytes;
    *length = 0;
    return -1;
}
