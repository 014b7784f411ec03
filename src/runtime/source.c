#include "source.h"

#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 32, MAX_PATH_BYTES = 1024 };

/* A growing text and the files already in it. */
struct flat {
    const char *directory;
    char *text;
    size_t length, capacity;
    char included[MAX_FILES][64];
    int files;
};

static clattn_status append(struct flat *flat, const char *text, size_t length)
{
    if (flat->length + length + 1 > flat->capacity) {
        const size_t capacity = 2 * (flat->length + length) + 4096;
        char *grown = realloc(flat->text, capacity);
        if (!grown) {
            return clattn__out_of_memory();
        }
        flat->text = grown;
        flat->capacity = capacity;
    }
    memcpy(flat->text + flat->length, text, length);
    flat->length += length;
    flat->text[flat->length] = '\0';
    return CLATTN_OK;
}

static clattn_status append_line_mark(struct flat *flat, int line, const char *path)
{
    char mark[128];
    const int length = snprintf(mark, sizeof mark, "#line %d \"%s\"\n", line, path);
    return append(flat, mark, (size_t)length);
}

static clattn_status read_file(const char *directory, const char *path, char **out)
{
    char full[MAX_PATH_BYTES];
    if ((size_t)snprintf(full, sizeof full, "%s/%s", directory, path) >= sizeof full) {
        return clattn__refuse("kernel_dir: path too long: %s/%s", directory, path);
    }
    FILE *file = fopen(full, "rb");
    if (!file) {
        return clattn__refuse("kernel_dir: cannot read '%s'", full);
    }
    char *text = NULL;
    size_t length = 0, got = 0;
    do {
        char *grown = realloc(text, length + 65537);
        if (!grown) {
            free(text);
            fclose(file);
            return clattn__out_of_memory();
        }
        text = grown;
        got = fread(text + length, 1, 65536, file);
        length += got;
    } while (got > 0);
    text[length] = '\0';
    const bool failed = ferror(file);
    fclose(file);
    if (failed) {
        free(text);
        return clattn__refuse("kernel_dir: cannot read '%s'", full);
    }
    *out = text;
    return CLATTN_OK;
}

static clattn_status load(const char *directory, const char *path, const char **text, char **owned)
{
    *owned = NULL;
    if (directory) {
        TRY(read_file(directory, path, owned));
        *text = *owned;
        return CLATTN_OK;
    }
    for (const struct clattn__embedded *e = clattn__embedded_kernels; e->path; e++) {
        if (!strcmp(e->path, path)) {
            *text = e->text;
            return CLATTN_OK;
        }
    }
    return clattn__fail(CLATTN_ERR_BUILD, "kernel source '%s' is not embedded in this library",
                        path);
}

/* The quoted path if the line is an #include, else false. */
static bool parse_include(const char *line, const char *end, char path[64])
{
    static const char word[] = "#include \"";
    const size_t skip = sizeof word - 1;
    if ((size_t)(end - line) <= skip || strncmp(line, word, skip)) {
        return false;
    }
    const char *quote = memchr(line + skip, '"', (size_t)(end - line) - skip);
    if (!quote || quote - line - (ptrdiff_t)skip >= 64) {
        return false;
    }
    const size_t length = (size_t)(quote - line) - skip;
    memcpy(path, line + skip, length);
    path[length] = '\0';
    return true;
}

static clattn_status flatten(struct flat *flat, const char *path)
{
    for (int i = 0; i < flat->files; i++) {
        if (!strcmp(flat->included[i], path)) {
            return CLATTN_OK;
        }
    }
    if (flat->files == MAX_FILES || strlen(path) >= sizeof flat->included[0]) {
        return clattn__fail(CLATTN_ERR_BUILD, "kernel source '%s': too many includes", path);
    }
    strcpy(flat->included[flat->files++], path);

    const char *text = NULL;
    char *owned;
    TRY(load(flat->directory, path, &text, &owned));
    clattn_status status = append_line_mark(flat, 1, path);
    int line_number = 1;
    for (const char *line = text; *line && status == CLATTN_OK; line_number++) {
        const char *newline = strchr(line, '\n');
        const char *end = newline ? newline + 1 : line + strlen(line);
        char include[64];
        if (parse_include(line, end, include)) {
            status = flatten(flat, include);
            if (status == CLATTN_OK) {
                status = append_line_mark(flat, line_number + 1, path);
            }
        } else {
            status = append(flat, line, (size_t)(end - line));
        }
        line = end;
    }
    free(owned);
    return status == CLATTN_OK ? append(flat, "\n", 1) : status;
}

clattn_status clattn__source(const char *directory, const char *path, char **out)
{
    struct flat flat = {.directory = directory};
    const clattn_status status = flatten(&flat, path);
    if (status != CLATTN_OK) {
        free(flat.text);
        return status;
    }
    *out = flat.text;
    return CLATTN_OK;
}
