/* src/models/files/npy.c: any bytes are read or refused with a reason; what is read can be
 * written, and reading that gives the same array. */
#include "target.h"

#include "models/files/npy.h"

#include <stdlib.h>
#include <string.h>

static void write_and_read_again(const array *a)
{
    char *text = NULL;
    size_t bytes = 0;
    array again = {0};
    reason why = {""};
    FILE *file = open_memstream(&text, &bytes);
    REQUIRE(file != NULL);
    REQUIRE(npy_write(file, a, &why));
    fclose(file);
    file = file_of((const uint8_t *)text, bytes);
    REQUIRE(npy_read(file, bytes, &again, &why));
    fclose(file);
    REQUIRE(again.type == a->type && again.rank == a->rank);
    REQUIRE(a->rank == 0 || !memcmp(again.shape, a->shape, (size_t)a->rank * sizeof *a->shape));
    REQUIRE(!memcmp(again.data, a->data, (size_t)array_count(a) * array_type_size(a->type)));
    array_free(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    array a = {0};
    reason why = {""};
    FILE *file = file_of(data, bytes);
    const bool read = npy_read(file, bytes, &a, &why);
    fclose(file);
    check_outcome(read, &a, &why);
    if (read) {
        write_and_read_again(&a);
    }
    array_free(&a);
    return 0;
}
