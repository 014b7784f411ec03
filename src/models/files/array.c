#include "array.h"
#include "half.h"

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
ACCESS(f16, uint16_t, half_to_float, double_to_half)
ACCESS(f64, double, AS_IS, AS_IS)
ACCESS(bf16, uint16_t, bfloat_to_float, double_to_bfloat)
ACCESS(i8, int8_t, AS_IS, AS_IS)
ACCESS(i32, int32_t, AS_IS, AS_IS)
ACCESS(i64, int64_t, (double), AS_IS)
ACCESS(u8, uint8_t, AS_IS, AS_IS)
ACCESS(bool, uint8_t, NONZERO, NONZERO)

static const struct type_row {
    const char *name;
    size_t size;
    bool is_float;
    double (*load)(const void *data, int64_t index);
    void (*store)(void *data, int64_t index, double value);
} types[ARRAY_TYPES] = {
    [ARRAY_F32] = {"f4", 4, true, load_f32, store_f32},
    [ARRAY_F16] = {"f2", 2, true, load_f16, store_f16},
    [ARRAY_F64] = {"f8", 8, true, load_f64, store_f64},
    [ARRAY_BF16] = {"bf16", 2, true, load_bf16, store_bf16},
    [ARRAY_I8] = {"i1", 1, false, load_i8, store_i8},
    [ARRAY_I32] = {"i4", 4, false, load_i32, store_i32},
    [ARRAY_I64] = {"i8", 8, false, load_i64, store_i64},
    [ARRAY_U8] = {"u1", 1, false, load_u8, store_u8},
    [ARRAY_BOOL] = {"b1", 1, false, load_bool, store_bool},
};

size_t array_type_size(array_type type) { return types[type].size; }
const char *array_type_name(array_type type) { return types[type].name; }
bool array_type_is_float(array_type type) { return types[type].is_float; }

bool array_bytes(array_type type, int rank, const int64_t *shape, size_t *bytes)
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

int64_t array_count(const array *a)
{
    int64_t count = 1;
    for (int i = 0; i < a->rank; i++) {
        count *= a->shape[i];
    }
    return count;
}

double array_get(const array *a, int64_t index) { return types[a->type].load(a->data, index); }

void array_set(array *a, int64_t index, double value)
{
    types[a->type].store(a->data, index, value);
}

bool array_make(array_type type, int rank, const int64_t *shape, array *out, reason *why)
{
    char text[SHAPE_TEXT_BYTES];
    size_t bytes;
    *out = (array){.type = type, .rank = rank};
    for (int i = 0; i < rank; i++) {
        out->shape[i] = shape[i];
    }
    if (!array_bytes(type, rank, shape, &bytes)) {
        return refuse(why, "shape %s is larger than memory can be", shape_text(rank, shape, text));
    }
    out->data = calloc(bytes ? bytes : 1, 1);
    if (!out->data) {
        return refuse(why, "out of memory: %zu bytes for shape %s", bytes,
                      shape_text(rank, shape, text));
    }
    return true;
}

bool array_convert(const array *a, array_type type, array *out, reason *why)
{
    if (!array_make(type, a->rank, a->shape, out, why)) {
        return false;
    }
    const int64_t count = array_count(a);
    if (type == a->type) {
        memcpy(out->data, a->data, (size_t)count * types[type].size);
        return true;
    }
    double (*const load)(const void *, int64_t) = types[a->type].load;
    void (*const store)(void *, int64_t, double) = types[type].store;
    for (int64_t i = 0; i < count; i++) {
        store(out->data, i, load(a->data, i));
    }
    return true;
}

bool array_join(const array *a, const array *b, int axis, array *out, reason *why)
{
    int64_t shape[ARRAY_MAX_RANK], blocks = 1, inner = 1;
    for (int i = 0; i < a->rank; i++) {
        shape[i] = a->shape[i] + (i == axis ? b->shape[i] : 0);
        *(i < axis ? &blocks : &inner) *= i == axis ? 1 : a->shape[i];
    }
    if (!array_make(a->type, a->rank, shape, out, why)) {
        return false;
    }
    const size_t row = (size_t)inner * types[a->type].size;
    const size_t from_a = (size_t)a->shape[axis] * row, from_b = (size_t)b->shape[axis] * row;
    char *to = out->data;
    for (int64_t i = 0; i < blocks; i++) {
        memcpy(to, (const char *)a->data + (size_t)i * from_a, from_a);
        memcpy(to + from_a, (const char *)b->data + (size_t)i * from_b, from_b);
        to += from_a + from_b;
    }
    return true;
}

/* [..., 1] becomes [..., n]. */
static bool repeat_last_axis(array *a, int64_t n, reason *why)
{
    array wide;
    int64_t shape[ARRAY_MAX_RANK];
    memcpy(shape, a->shape, sizeof shape);
    shape[a->rank - 1] = n;
    if (!array_make(a->type, a->rank, shape, &wide, why)) {
        return false;
    }
    const size_t size = types[a->type].size;
    const int64_t count = array_count(&wide);
    for (int64_t i = 0; i < count; i++) {
        memcpy((char *)wide.data + (size_t)i * size, (const char *)a->data + (size_t)(i / n) * size,
               size);
    }
    array_free(a);
    *a = wide;
    return true;
}

bool array_broadcast(array *a, int rank, const int64_t *target, reason *why)
{
    char mine[SHAPE_TEXT_BYTES], theirs[SHAPE_TEXT_BYTES];
    int64_t shape[ARRAY_MAX_RANK];
    const int missing = rank - a->rank;
    bool fits = missing >= 0;
    for (int i = 0; i < rank && fits; i++) {
        shape[i] = i < missing ? 1 : a->shape[i - missing];
        fits = shape[i] == 1 || shape[i] == target[i];
    }
    if (!fits) {
        return refuse(why, "%s does not broadcast to %s", shape_text(a->rank, a->shape, mine),
                      shape_text(rank, target, theirs));
    }
    a->rank = rank;
    memcpy(a->shape, shape, (size_t)rank * sizeof shape[0]);
    if (rank > 0 && shape[rank - 1] != target[rank - 1]) {
        return repeat_last_axis(a, target[rank - 1], why);
    }
    return true;
}

void array_empty(array *a)
{
    free(a->data);
    a->data = NULL;
}

void array_free(array *a)
{
    free(a->data);
    *a = (array){0};
}

const char *shape_text(int rank, const int64_t *shape, char text[SHAPE_TEXT_BYTES])
{
    int used = snprintf(text, SHAPE_TEXT_BYTES, "[");
    for (int i = 0; i < rank; i++) {
        used += snprintf(text + used, (size_t)(SHAPE_TEXT_BYTES - used), "%s%" PRId64,
                         i ? ", " : "", shape[i]);
    }
    snprintf(text + used, (size_t)(SHAPE_TEXT_BYTES - used), "]");
    return text;
}
