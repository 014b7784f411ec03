#include "target.h"

#include <stdlib.h>
#include <string.h>

void require(bool holds, const char *condition)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", condition);
        abort();
    }
}

FILE *file_of(const uint8_t *data, size_t bytes)
{
    FILE *file = bytes ? fmemopen((void *)(size_t)data, bytes, "rb") : fopen("/dev/null", "rb");
    require(file != NULL, "a file in memory");
    return file;
}

void check_outcome(bool read, const clattn_array *a)
{
    if (!read) {
        require(clattn_error()[0] != '\0', "a refusal has a reason");
        return;
    }
    require(a->data != NULL && a->type < CLATTN_ARRAY_TYPES, "an array was made");
    require(a->rank >= 0 && a->rank <= CLATTN_ARRAY_RANK, "its rank is possible");
    /* Every byte is read, so that one outside the block shows under a sanitizer. */
    const unsigned char *bytes = a->data;
    const size_t count = (size_t)clattn_array_count(a) * clattn_array_type_size(a->type);
    volatile unsigned char sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum = (unsigned char)(sum ^ bytes[i]);
    }
}
