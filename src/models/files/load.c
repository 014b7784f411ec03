#include "load.h"
#include "npy.h"
#include "safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

FILE *file_open(const char *path, uint64_t *bytes, reason *why)
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
    *bytes = (uint64_t)info.st_size;
    return file;
}

bool file_fill(FILE *file, void *to, size_t bytes, reason *why)
{
    if (fread(to, 1, bytes, file) == bytes) {
        return true;
    }
    return ferror(file) ? refuse(why, "%s", strerror(errno)) : refuse(why, "truncated");
}

char *file_text(const char *path, size_t *bytes, reason *why)
{
    uint64_t length;
    FILE *file = file_open(path, &length, why);
    if (!file) {
        return NULL;
    }
    *bytes = (size_t)length;
    char *text = length < SIZE_MAX ? malloc((size_t)length + 1) : NULL;
    if (!text) {
        refuse(why, "out of memory");
    } else if (!file_fill(file, text, *bytes, why)) {
        free(text);
        text = NULL;
    } else {
        text[*bytes] = '\0';
    }
    fclose(file);
    return text;
}

char *file_text_in(const char *directory, const char *name, size_t *bytes, reason *why)
{
    char path[4096];
    reason inner;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, name) >= sizeof path) {
        refuse(why, "the name is too long");
        return NULL;
    }
    char *text = file_text(path, bytes, &inner);
    if (!text) {
        refuse(why, "%s: %.400s", name, inner.text);
    }
    return text;
}

bool array_load(const char *path, array *out, reason *why)
{
    static const char suffix[] = ".safetensors";
    const char *found = strstr(path, suffix);
    const char *after = found ? found + strlen(suffix) : "";
    const bool tensors = found && (*after == ':' || *after == '\0');
    char name[4096];
    const size_t length = tensors ? (size_t)(after - path) : strlen(path);
    *out = (array){0};
    if (length >= sizeof name) {
        return refuse(why, "the file name is too long");
    }
    memcpy(name, path, length);
    name[length] = '\0';

    reason inner = {""};
    uint64_t bytes = 0;
    FILE *file = file_open(name, &bytes, &inner);
    bool loaded = file != NULL;
    if (file && tensors) {
        loaded = safetensors_read(file, bytes, *after ? after + 1 : "", out, &inner);
    } else if (file) {
        loaded = npy_read(file, bytes, out, &inner);
    }
    if (file) {
        fclose(file);
    }
    if (!loaded) {
        array_free(out);
        return refuse(why, "%.200s: %s", name, inner.text);
    }
    return true;
}
