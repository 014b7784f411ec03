#include "file.h"

#include "models/common/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

clattn_status clattn__file_open(const char *path, uint64_t *bytes, FILE **out)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) { /* opening a pipe could wait for ever */
        return clattn__refuse("not a regular file");
    }
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &info) != 0) {
        const clattn_status status = clattn__refuse("%s", strerror(errno));
        if (file) {
            fclose(file);
        }
        return status;
    }
    *bytes = (uint64_t)info.st_size;
    *out = file;
    return CLATTN_OK;
}

clattn_status clattn__file_fill(FILE *file, void *to, size_t bytes)
{
    if (fread(to, 1, bytes, file) == bytes) {
        return CLATTN_OK;
    }
    return clattn__refuse("%s", ferror(file) ? strerror(errno) : "truncated");
}

clattn_status clattn__file_array(FILE *file, clattn_array_type type, int rank, const int64_t *shape,
                                 clattn_array *out)
{
    clattn_array made;
    TRY(clattn_array_make(type, rank, shape, &made));
    const size_t bytes = (size_t)clattn_array_count(&made) * clattn_array_type_size(type);
    const clattn_status status = clattn__file_fill(file, made.data, bytes);
    if (status == CLATTN_OK) {
        *out = made;
    } else {
        clattn_array_free(&made);
    }
    return status;
}

static clattn_status read_text(const char *path, char **out, size_t *bytes)
{
    uint64_t length;
    FILE *file;
    TRY(clattn__file_open(path, &length, &file));
    char *text = length < SIZE_MAX ? malloc((size_t)length + 1) : NULL;
    const clattn_status status =
        text ? clattn__file_fill(file, text, (size_t)length) : clattn__no_memory();
    fclose(file);
    if (status != CLATTN_OK) {
        free(text);
        return status;
    }
    text[length] = '\0';
    *out = text;
    *bytes = (size_t)length;
    return CLATTN_OK;
}

/* False if it does not fit. */
static bool path_in(const char *directory, const char *name, char *path, size_t bytes)
{
    return (size_t)snprintf(path, bytes, "%s/%s", directory, name) < bytes;
}

clattn_status clattn__file_text_in(const char *directory, const char *name, char **out,
                                   size_t *bytes)
{
    char path[4096];
    if (!path_in(directory, name, path, sizeof path)) {
        return clattn__refuse("the name is too long");
    }
    const clattn_status status = read_text(path, out, bytes);
    return status == CLATTN_OK ? status : clattn__within(status, "%s", name);
}

bool clattn__file_is_in(const char *directory, const char *name)
{
    char path[4096];
    struct stat info;
    return path_in(directory, name, path, sizeof path) && stat(path, &info) == 0;
}
