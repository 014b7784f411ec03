#include "arrays.h"

#include <string.h>

bool array_is_float(const clattn_array *a)
{
    return a->type == CLATTN_ARRAY_F32 || a->type == CLATTN_ARRAY_F16 ||
           a->type == CLATTN_ARRAY_F64 || a->type == CLATTN_ARRAY_BF16;
}

bool array_join(const clattn_array *a, const clattn_array *b, int axis, clattn_array *out,
                reason *why)
{
    int64_t shape[CLATTN_ARRAY_RANK], blocks = 1, inner = 1;
    for (int i = 0; i < a->rank; i++) {
        shape[i] = a->shape[i] + (i == axis ? b->shape[i] : 0);
        *(i < axis ? &blocks : &inner) *= i == axis ? 1 : a->shape[i];
    }
    if (clattn_array_make(a->type, a->rank, shape, out) != CLATTN_OK) {
        return refuse(why, "%s", clattn_error());
    }
    const size_t row = (size_t)inner * clattn_array_type_size(a->type);
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
static bool repeat_last_axis(clattn_array *a, int64_t n, reason *why)
{
    clattn_array wide;
    int64_t shape[CLATTN_ARRAY_RANK];
    memcpy(shape, a->shape, sizeof shape);
    shape[a->rank - 1] = n;
    if (clattn_array_make(a->type, a->rank, shape, &wide) != CLATTN_OK) {
        return refuse(why, "%s", clattn_error());
    }
    const size_t size = clattn_array_type_size(a->type);
    const int64_t count = clattn_array_count(&wide);
    for (int64_t i = 0; i < count; i++) {
        memcpy((char *)wide.data + (size_t)i * size, (const char *)a->data + (size_t)(i / n) * size,
               size);
    }
    clattn_array_free(a);
    *a = wide;
    return true;
}

bool array_broadcast(clattn_array *a, int rank, const int64_t *target, reason *why)
{
    char mine[CLATTN_SHAPE_BYTES], theirs[CLATTN_SHAPE_BYTES];
    int64_t shape[CLATTN_ARRAY_RANK];
    const int missing = rank - a->rank;
    bool fits = missing >= 0;
    for (int i = 0; i < rank && fits; i++) {
        shape[i] = i < missing ? 1 : a->shape[i - missing];
        fits = shape[i] == 1 || shape[i] == target[i];
    }
    if (!fits) {
        return refuse(why, "%s does not broadcast to %s",
                      clattn_shape_text(a->rank, a->shape, mine),
                      clattn_shape_text(rank, target, theirs));
    }
    a->rank = rank;
    memcpy(a->shape, shape, (size_t)rank * sizeof shape[0]);
    if (rank > 0 && shape[rank - 1] != target[rank - 1]) {
        return repeat_last_axis(a, target[rank - 1], why);
    }
    return true;
}
