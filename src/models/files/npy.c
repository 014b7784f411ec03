#include "npy.h"
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "\x93NUMPY";
enum { MAGIC = 6, MAX_HEADER = 1 << 16 };

static const struct {
    const char *descr;
    array_type type;
} descrs[] = {
    {"<f4", ARRAY_F32}, {"<f2", ARRAY_F16}, {"<f8", ARRAY_F64}, {"|i1", ARRAY_I8},
    {"<i4", ARRAY_I32}, {"<i8", ARRAY_I64}, {"|u1", ARRAY_U8},  {"|b1", ARRAY_BOOL},
};
enum { DESCRS = sizeof descrs / sizeof descrs[0] };

/* ---- The header: a Python dictionary with three known keys ----------------- */

typedef struct header {
    char descr[16];
    bool fortran;
    int rank;
    int64_t shape[ARRAY_MAX_RANK];
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

static const char *read_descr(const char *s, header *h, reason *why)
{
    const char *end = read_string(s, h->descr, sizeof h->descr);
    if (!end && *s == '[') {
        refuse(why, "structured dtypes are not supported");
    }
    return end;
}

static const char *read_bool(const char *s, header *h, reason *why)
{
    (void)why;
    h->fortran = strncmp(s, "True", 4) == 0;
    if (h->fortran) {
        return s + 4;
    }
    return strncmp(s, "False", 5) == 0 ? s + 5 : NULL;
}

/* (), (3,), (2, 3) */
static const char *read_shape(const char *s, header *h, reason *why)
{
    if (*s != '(') {
        return NULL;
    }
    s = skip_space(s + 1);
    while (*s != ')') {
        if (*s < '0' || *s > '9') {
            refuse(why, "the shape holds something that is not a size");
            return NULL;
        }
        if (h->rank == ARRAY_MAX_RANK) {
            refuse(why, "more than %d axes", ARRAY_MAX_RANK);
            return NULL;
        }
        char *end;
        errno = 0;
        h->shape[h->rank++] = strtoll(s, &end, 10);
        if (errno) {
            refuse(why, "a size in the shape is too large");
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

static bool parse_header(const char *s, header *h, reason *why)
{
    static const struct {
        const char *key;
        const char *(*read)(const char *s, header *h, reason *why);
    } keys[] = {{"descr", read_descr}, {"fortran_order", read_bool}, {"shape", read_shape}};
    unsigned seen = 0;
    *why = (reason){"bad header"};
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
            return refuse(why, "bad header: key '%s'", key);
        }
        seen |= 1u << i;
        s = keys[i].read(skip_space(s + 1), h, why);
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

/* ---- Reading ---------------------------------------------------------------- */

/* Leaves the header's text, ended by 0, in *text (owned by the caller) and its end in *start. */
static bool read_header_text(FILE *file, uint64_t bytes, char **text, uint64_t *start, reason *why)
{
    unsigned char fixed[12];
    if (bytes < 10) {
        return refuse(why, bytes ? "not a .npy file" : "empty file");
    }
    if (!file_fill(file, fixed, 10, why)) {
        return false;
    }
    if (memcmp(fixed, magic, MAGIC) != 0) {
        return refuse(why, "not a .npy file");
    }
    const unsigned version = fixed[MAGIC];
    if (version < 1 || version > 3) {
        return refuse(why, ".npy version %u is not known", version);
    }
    uint64_t length = fixed[8] | (uint64_t)fixed[9] << 8;
    *start = 10;
    if (version > 1) {
        if (!file_fill(file, fixed + 10, 2, why)) {
            return false;
        }
        length |= (uint64_t)fixed[10] << 16 | (uint64_t)fixed[11] << 24;
        *start = 12;
    }
    if (length > MAX_HEADER) {
        return refuse(why, "a header of %" PRIu64 " bytes is not believable", length);
    }
    if (length > bytes - *start) {
        return refuse(why, "truncated within the header");
    }
    *text = calloc((size_t)length + 1, 1);
    if (!*text) {
        return refuse(why, "out of memory");
    }
    *start += length;
    return file_fill(file, *text, (size_t)length, why);
}

static bool find_type(const char *descr, array_type *type, reason *why)
{
    for (size_t i = 0; i < DESCRS; i++) {
        if (strcmp(descr, descrs[i].descr) == 0) {
            *type = descrs[i].type;
            return true;
        }
    }
    if (descr[0] == '>') {
        return refuse(why, "dtype '%s' is big-endian", descr);
    }
    if (strchr(descr, 'O')) {
        return refuse(why, "dtype '%s' holds Python objects", descr);
    }
    return refuse(why, "dtype '%s' is not supported (f2, f4, f8, i1, i4, i8, u1, b1)", descr);
}

bool npy_read(FILE *file, uint64_t bytes, array *out, reason *why)
{
    char *text = NULL;
    uint64_t start = 0;
    header h = {.descr = ""};
    array_type type = ARRAY_F32;
    size_t needed;
    const bool parsed =
        read_header_text(file, bytes, &text, &start, why) && parse_header(text, &h, why);
    free(text);
    if (!parsed || !find_type(h.descr, &type, why)) {
        return false;
    }
    if (h.fortran) {
        return refuse(why, "Fortran order is not supported; save numpy.ascontiguousarray(a)");
    }
    if (!array_bytes(type, h.rank, h.shape, &needed)) {
        return refuse(why, "the shape is larger than memory can be");
    }
    if (needed > bytes - start) {
        return refuse(why, "truncated: %" PRIu64 " bytes of data where the shape needs %zu",
                      bytes - start, needed);
    }
    if (needed < bytes - start) {
        return refuse(why, "%" PRIu64 " bytes of data where the shape needs %zu", bytes - start,
                      needed);
    }
    return array_make(type, h.rank, h.shape, out, why) && file_fill(file, out->data, needed, why);
}

/* ---- Writing ---------------------------------------------------------------- */

static bool write_data(FILE *file, const array *a, reason *why)
{
    size_t i = 0;
    while (i < DESCRS && descrs[i].type != a->type) {
        i++;
    }
    char shape[SHAPE_TEXT_BYTES] = "", text[SHAPE_TEXT_BYTES + 128];
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
    const size_t bytes = (size_t)array_count(a) * array_type_size(a->type);
    const bool written = fwrite(magic, 1, MAGIC, file) == MAGIC && fwrite(lead, 1, 4, file) == 4 &&
                         fprintf(file, "%-*s\n", padded - 1, text) == padded &&
                         fwrite(a->data, 1, bytes, file) == bytes;
    return written ? true : refuse(why, "%s", strerror(errno));
}

bool npy_write(FILE *file, const array *a, reason *why)
{
    if (a->type != ARRAY_BF16) {
        return write_data(file, a, why);
    }
    array wide;
    const bool written = array_convert(a, ARRAY_F32, &wide, why) && write_data(file, &wide, why);
    array_free(&wide);
    return written;
}
