#include "array.h"

#include "models/common/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One pair of functions per type; a double holds every value of all but i8 (int64). */
#define ACCESS(name, ctype, from, to)                                                              \
    static double load_##name(const void *data, int64_t i)                                         \
    {                                                                                              \
        return from(((const ctype *)data)[i]);                                                     \
    }                                                                                              \
    static void store_##name(void *data, int64_t i, double x) { ((ctype *)data)[i] = (ctype)to(x); }
#define AS_IS(x) (x)
#define NONZERO(x) ((x) != 0)
ACCESS(f32, float, AS_IS, AS_IS)
ACCESS(f16, uint16_t, clattn_half_to_float, clattn_double_to_half)
ACCESS(f64, double, AS_IS, AS_IS)
ACCESS(bf16, uint16_t, clattn_bfloat_to_float, clattn_double_to_bfloat)
ACCESS(i8, int8_t, AS_IS, AS_IS)
ACCESS(i32, int32_t, AS_IS, AS_IS)
ACCESS(i64, int64_t, (double), AS_IS)
ACCESS(u8, uint8_t, AS_IS, AS_IS)
ACCESS(bool, uint8_t, NONZERO, NONZERO)

static const struct type_row {
    const char *name;
    size_t size;
    double (*load)(const void *data, int64_t index);
    void (*store)(void *data, int64_t index, double value);
} types[CLATTN_ARRAY_TYPES] = {
    [CLATTN_ARRAY_F32] = {"f4", 4, load_f32, store_f32},
    [CLATTN_ARRAY_F16] = {"f2", 2, load_f16, store_f16},
    [CLATTN_ARRAY_F64] = {"f8", 8, load_f64, store_f64},
    [CLATTN_ARRAY_BF16] = {"bf16", 2, load_bf16, store_bf16},
    [CLATTN_ARRAY_I8] = {"i1", 1, load_i8, store_i8},
    [CLATTN_ARRAY_I32] = {"i4", 4, load_i32, store_i32},
    [CLATTN_ARRAY_I64] = {"i8", 8, load_i64, store_i64},
    [CLATTN_ARRAY_U8] = {"u1", 1, load_u8, store_u8},
    [CLATTN_ARRAY_BOOL] = {"b1", 1, load_bool, store_bool},
};

static bool exists(clattn_array_type type) { return (unsigned)type < CLATTN_ARRAY_TYPES; }

size_t clattn_array_type_size(clattn_array_type type)
{
    return exists(type) ? types[type].size : 0;
}

const char *clattn_array_type_name(clattn_array_type type)
{
    return exists(type) ? types[type].name : "unknown type";
}

bool clattn__array_bytes(clattn_array_type type, int rank, const int64_t *shape, size_t *bytes)
{
    uint64_t product = types[type].size, empty = 1;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0) {
            return false;
        }
        if (shape[i] == 0) {
            empty = 0; /* but the other axes must still be sane */
        } else if (product > (uint64_t)(PTRDIFF_MAX / shape[i])) {
            return false;
        } else {
            product *= (uint64_t)shape[i];
        }
    }
    *bytes = (size_t)(product * empty);
    return true;
}

int64_t clattn_array_count(const clattn_array *a)
{
    int64_t count = 1;
    for (int i = 0; i < a->rank; i++) {
        count *= a->shape[i];
    }
    return count;
}

double clattn_array_get(const clattn_array *a, int64_t index)
{
    return types[a->type].load(a->data, index);
}

void clattn_array_set(clattn_array *a, int64_t index, double value)
{
    types[a->type].store(a->data, index, value);
}

clattn_status clattn_array_make(clattn_array_type type, int32_t rank, const int64_t *shape,
                                clattn_array *out)
{
    char text[CLATTN_SHAPE_BYTES];
    size_t bytes;
    NEED(out, "array: out");
    if (!exists(type)) {
        return clattn__refuse("array: type is %d", (int)type);
    }
    if (rank < 0 || rank > CLATTN_ARRAY_RANK) {
        return clattn__refuse("array: rank is %d, must be 0..%d", (int)rank, CLATTN_ARRAY_RANK);
    }
    if (!clattn__array_bytes(type, rank, shape, &bytes)) {
        return clattn__refuse("shape %s is larger than memory can be",
                              clattn_shape_text(rank, shape, text));
    }
    clattn_array made = {.type = type, .rank = rank, .data = calloc(bytes ? bytes : 1, 1)};
    for (int i = 0; i < rank; i++) {
        made.shape[i] = shape[i];
    }
    if (!made.data) {
        return clattn_error_set(CLATTN_ERR_MEMORY, "out of memory: %zu bytes for shape %s", bytes,
                                clattn_shape_text(rank, shape, text));
    }
    *out = made;
    return CLATTN_OK;
}

clattn_status clattn_array_convert(const clattn_array *a, clattn_array_type type, clattn_array *out)
{
    TRY(clattn_array_make(type, a->rank, a->shape, out));
    const int64_t count = clattn_array_count(a);
    if (type == a->type) {
        memcpy(out->data, a->data, (size_t)count * types[type].size);
        return CLATTN_OK;
    }
    double (*const load)(const void *, int64_t) = types[a->type].load;
    void (*const store)(void *, int64_t, double) = types[type].store;
    for (int64_t i = 0; i < count; i++) {
        store(out->data, i, load(a->data, i));
    }
    return CLATTN_OK;
}

void clattn_array_free(clattn_array *a)
{
    free(a->data);
    *a = (clattn_array){.data = NULL};
}

const char *clattn_shape_text(int32_t rank, const int64_t *shape, char text[CLATTN_SHAPE_BYTES])
{
    int used = snprintf(text, CLATTN_SHAPE_BYTES, "[");
    for (int i = 0; i < rank; i++) {
        used += snprintf(text + used, (size_t)(CLATTN_SHAPE_BYTES - used), "%s%" PRId64,
                         i ? ", " : "", shape[i]);
    }
    snprintf(text + used, (size_t)(CLATTN_SHAPE_BYTES - used), "]");
    return text;
}
