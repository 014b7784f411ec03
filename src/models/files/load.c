/* An array from a file, whatever its format. */
#include "file.h"
#include "models/common/error.h"
#include "npy.h"
#include "safetensors.h"

#include <string.h>

clattn_status clattn_array_load(const char *path, clattn_array *out)
{
    static const char suffix[] = ".safetensors";
    NEED(path, "array: path");
    NEED(out, "array: out");
    const char *found = strstr(path, suffix);
    const char *after = found ? found + strlen(suffix) : "";
    const bool tensors = found && (*after == ':' || *after == '\0');
    char name[4096];
    const size_t length = tensors ? (size_t)(after - path) : strlen(path);
    if (length >= sizeof name) {
        return clattn__refuse("the file name is too long");
    }
    memcpy(name, path, length);
    name[length] = '\0';

    uint64_t bytes = 0;
    FILE *file = NULL;
    clattn_status status = clattn__file_open(name, &bytes, &file);
    if (status == CLATTN_OK) {
        status = tensors ? clattn__safetensors_read(file, bytes, *after ? after + 1 : "", out)
                         : clattn__npy_read(file, bytes, out);
        fclose(file);
    }
    return status == CLATTN_OK ? status : clattn__within(status, "%.200s", name);
}
