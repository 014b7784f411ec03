/* src/models/files/safetensors.c: any bytes are read or refused with a reason, whichever tensor
 * is asked for. */
#include "target.h"

#include "models/files/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const names[] = {"x", "q.weight", "", "__metadata__"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        clattn_array a = {0};
        FILE *file = file_of(data, bytes);
        const bool read = clattn__safetensors_read(file, bytes, names[i], &a) == CLATTN_OK;
        fclose(file);
        check_outcome(read, &a);
        clattn_array_free(&a);
    }
    return 0;
}
