/* src/models/files/npy.c: any bytes are read or refused with a reason; what is read can be
 * written, and reading that gives the same array. */
#include "target.h"

#include "models/files/npy.h"

#include <stdlib.h>
#include <string.h>

static void write_and_read_again(const clattn_array *a)
{
    char *text = NULL;
    size_t bytes = 0;
    clattn_array again = {0};
    FILE *file = open_memstream(&text, &bytes);
    REQUIRE(file != NULL);
    REQUIRE(clattn_array_write_npy(file, a) == CLATTN_OK);
    fclose(file);
    file = file_of((const uint8_t *)text, bytes);
    REQUIRE(clattn__npy_read(file, bytes, &again) == CLATTN_OK);
    fclose(file);
    REQUIRE(again.type == a->type && again.rank == a->rank);
    REQUIRE(a->rank == 0 || !memcmp(again.shape, a->shape, (size_t)a->rank * sizeof *a->shape));
    REQUIRE(!memcmp(again.data, a->data,
                    (size_t)clattn_array_count(a) * clattn_array_type_size(a->type)));
    clattn_array_free(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    clattn_array a = {0};
    FILE *file = file_of(data, bytes);
    const bool read = clattn__npy_read(file, bytes, &a) == CLATTN_OK;
    fclose(file);
    check_outcome(read, &a);
    if (read) {
        write_and_read_again(&a);
    }
    clattn_array_free(&a);
    return 0;
}
