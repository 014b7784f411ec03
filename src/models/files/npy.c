#include "npy.h"

#include "array.h"
#include "file.h"
#include "models/common/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "\x93NUMPY";
enum { MAGIC = 6, MAX_HEADER = 1 << 16 };

static const struct {
    const char *descr;
    clattn_array_type type;
} descrs[] = {
    {"<f4", CLATTN_ARRAY_F32}, {"<f2", CLATTN_ARRAY_F16},  {"<f8", CLATTN_ARRAY_F64},
    {"|i1", CLATTN_ARRAY_I8},  {"<i4", CLATTN_ARRAY_I32},  {"<i8", CLATTN_ARRAY_I64},
    {"|u1", CLATTN_ARRAY_U8},  {"|b1", CLATTN_ARRAY_BOOL},
};
enum { DESCRS = sizeof descrs / sizeof descrs[0] };

/* ---- The header: a Python dictionary with three known keys ----------------- */

typedef struct header {
    char descr[16];
    bool fortran;
    int rank;
    int64_t shape[CLATTN_ARRAY_RANK];
    char wrong[64]; /* "" = nothing that has a name */
} header;

static const char *skip_space(const char *s)
{
    while (*s == ' ' || *s == '\n' || *s == '\t') {
        s++;
    }
    return s;
}

/* 'text' or "text"; NULL if there is none or it is longer than fits. */
static const char *read_string(const char *s, char *out, size_t bytes)
{
    const char quote = *s;
    if (quote != '\'' && quote != '"') {
        return NULL;
    }
    const char *end = strchr(++s, quote);
    if (!end || (size_t)(end - s) >= bytes) {
        return NULL;
    }
    memcpy(out, s, (size_t)(end - s));
    out[end - s] = '\0';
    return end + 1;
}

static const char *read_descr(const char *s, header *h)
{
    const char *end = read_string(s, h->descr, sizeof h->descr);
    if (!end && *s == '[') {
        strcpy(h->wrong, "structured dtypes are not supported");
    }
    return end;
}

static const char *read_bool(const char *s, header *h)
{
    h->fortran = strncmp(s, "True", 4) == 0;
    if (h->fortran) {
        return s + 4;
    }
    return strncmp(s, "False", 5) == 0 ? s + 5 : NULL;
}

/* (), (3,), (2, 3) */
static const char *read_shape(const char *s, header *h)
{
    if (*s != '(') {
        return NULL;
    }
    s = skip_space(s + 1);
    while (*s != ')') {
        if (*s < '0' || *s > '9') {
            strcpy(h->wrong, "the shape holds something that is not a size");
            return NULL;
        }
        if (h->rank == CLATTN_ARRAY_RANK) {
            snprintf(h->wrong, sizeof h->wrong, "more than %d axes", CLATTN_ARRAY_RANK);
            return NULL;
        }
        char *end;
        errno = 0;
        h->shape[h->rank++] = strtoll(s, &end, 10);
        if (errno) {
            strcpy(h->wrong, "a size in the shape is too large");
            return NULL;
        }
        s = skip_space(end);
        if (*s == ',') {
            s = skip_space(s + 1);
        } else if (*s != ')') {
            return NULL;
        }
    }
    return s + 1;
}

static bool parse_fields(const char *s, header *h)
{
    static const struct {
        const char *key;
        const char *(*read)(const char *s, header *h);
    } keys[] = {{"descr", read_descr}, {"fortran_order", read_bool}, {"shape", read_shape}};
    unsigned seen = 0;
    s = skip_space(s);
    if (*s++ != '{') {
        return false;
    }
    for (s = skip_space(s); *s != '}'; s = skip_space(s)) {
        char key[16];
        s = read_string(s, key, sizeof key);
        if (!s || *(s = skip_space(s)) != ':') {
            return false;
        }
        unsigned i = 0;
        while (i < 3 && strcmp(key, keys[i].key) != 0) {
            i++;
        }
        if (i == 3 || seen & 1u << i) {
            snprintf(h->wrong, sizeof h->wrong, "bad header: key '%s'", key);
            return false;
        }
        seen |= 1u << i;
        s = keys[i].read(skip_space(s + 1), h);
        if (!s) {
            return false;
        }
        s = skip_space(s);
        if (*s == ',') {
            s++;
        } else if (*s != '}') {
            return false;
        }
    }
    return seen == 7 && *skip_space(s + 1) == '\0';
}

static clattn_status parse_header(const char *s, header *h)
{
    return parse_fields(s, h) ? CLATTN_OK
                              : clattn__refuse("%s", *h->wrong ? h->wrong : "bad header");
}

/* ---- Reading ---------------------------------------------------------------- */

/* Leaves the header's text, ended by 0, in *text (owned by the caller) and its end in *start. */
static clattn_status read_header_text(FILE *file, uint64_t bytes, char **text, uint64_t *start)
{
    unsigned char fixed[12];
    if (bytes < 10) {
        return clattn__refuse("%s", bytes ? "not a .npy file" : "empty file");
    }
    TRY(clattn__file_fill(file, fixed, 10));
    if (memcmp(fixed, magic, MAGIC) != 0) {
        return clattn__refuse("not a .npy file");
    }
    const unsigned version = fixed[MAGIC];
    if (version < 1 || version > 3) {
        return clattn__refuse(".npy version %u is not known", version);
    }
    uint64_t length = fixed[8] | (uint64_t)fixed[9] << 8;
    *start = 10;
    if (version > 1) {
        TRY(clattn__file_fill(file, fixed + 10, 2));
        length |= (uint64_t)fixed[10] << 16 | (uint64_t)fixed[11] << 24;
        *start = 12;
    }
    if (length > MAX_HEADER) {
        return clattn__refuse("a header of %" PRIu64 " bytes is not believable", length);
    }
    if (length > bytes - *start) {
        return clattn__refuse("truncated within the header");
    }
    *text = calloc((size_t)length + 1, 1);
    if (!*text) {
        return clattn__no_memory();
    }
    *start += length;
    return clattn__file_fill(file, *text, (size_t)length);
}

static clattn_status find_type(const char *descr, clattn_array_type *type)
{
    for (size_t i = 0; i < DESCRS; i++) {
        if (strcmp(descr, descrs[i].descr) == 0) {
            *type = descrs[i].type;
            return CLATTN_OK;
        }
    }
    if (descr[0] == '>') {
        return clattn__refuse("dtype '%s' is big-endian", descr);
    }
    if (strchr(descr, 'O')) {
        return clattn__refuse("dtype '%s' holds Python objects", descr);
    }
    return clattn__refuse("dtype '%s' is not supported (f2, f4, f8, i1, i4, i8, u1, b1)", descr);
}

clattn_status clattn__npy_read(FILE *file, uint64_t bytes, clattn_array *out)
{
    char *text = NULL;
    uint64_t start = 0;
    header h = {.descr = ""};
    clattn_array_type type = CLATTN_ARRAY_F32;
    size_t needed;
    clattn_status status = read_header_text(file, bytes, &text, &start);
    if (status == CLATTN_OK) {
        status = parse_header(text, &h);
    }
    free(text);
    TRY(status);
    TRY(find_type(h.descr, &type));
    if (h.fortran) {
        return clattn__refuse("Fortran order is not supported; save numpy.ascontiguousarray(a)");
    }
    if (!clattn__array_bytes(type, h.rank, h.shape, &needed)) {
        return clattn__refuse("the shape is larger than memory can be");
    }
    if (needed > bytes - start) {
        return clattn__refuse("truncated: %" PRIu64 " bytes of data where the shape needs %zu",
                              bytes - start, needed);
    }
    if (needed < bytes - start) {
        return clattn__refuse("%" PRIu64 " bytes of data where the shape needs %zu", bytes - start,
                              needed);
    }
    return clattn__file_array(file, type, h.rank, h.shape, out);
}

/* ---- Writing ---------------------------------------------------------------- */

static clattn_status write_data(FILE *file, const clattn_array *a)
{
    size_t i = 0;
    while (i < DESCRS && descrs[i].type != a->type) {
        i++;
    }
    char shape[CLATTN_SHAPE_BYTES] = "", text[CLATTN_SHAPE_BYTES + 128];
    int used = 0;
    for (int axis = 0; axis < a->rank; axis++) {
        used += snprintf(shape + used, sizeof shape - (size_t)used, "%" PRId64 ",%s",
                         a->shape[axis], axis + 1 < a->rank ? " " : "");
    }
    if (a->rank > 1) {
        shape[used - 1] = '\0'; /* only a tuple of one ends with a comma */
    }
    const int length =
        snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                 descrs[i].descr, shape);
    const int padded = (10 + length + 1 + 63) / 64 * 64 - 10; /* data starts at a multiple of 64 */
    const unsigned char lead[4] = {1, 0, (unsigned char)(padded & 255),
                                   (unsigned char)(padded >> 8)};
    const size_t bytes = (size_t)clattn_array_count(a) * clattn_array_type_size(a->type);
    const bool written = fwrite(magic, 1, MAGIC, file) == MAGIC && fwrite(lead, 1, 4, file) == 4 &&
                         fprintf(file, "%-*s\n", padded - 1, text) == padded &&
                         fwrite(a->data, 1, bytes, file) == bytes;
    return written ? CLATTN_OK : clattn__refuse("%s", strerror(errno));
}

clattn_status clattn_array_write_npy(FILE *file, const clattn_array *a)
{
    NEED(file, "array: file");
    NEED(a && a->data, "array: the array");
    if (a->type != CLATTN_ARRAY_BF16) {
        return write_data(file, a);
    }
    clattn_array wide;
    TRY(clattn_array_convert(a, CLATTN_ARRAY_F32, &wide));
    const clattn_status status = write_data(file, &wide);
    clattn_array_free(&wide);
    return status;
}
