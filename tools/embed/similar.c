#include "similar.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    /* A broken model's NaN is below every number, else there would be no order. */
    const double first = isnan(x->cosine) ? -HUGE_VAL : x->cosine;
    const double second = isnan(y->cosine) ? -HUGE_VAL : y->cosine;
    if (first != second) {
        return first > second ? -1 : 1;
    }
    return x->row < y->row ? -1 : 1;
}

static double product(const float *x, const float *y, size_t columns)
{
    double sum = 0;
    for (size_t c = 0; c < columns; c++) {
        sum += (double)x[c] * y[c];
    }
    return sum;
}

void rank_rows(const clattn_array *vectors, size_t row, size_t first, ranked *to)
{
    const size_t count = (size_t)vectors->shape[0] - first, columns = (size_t)vectors->shape[1];
    const float *values = vectors->data;
    for (size_t i = 0; i < count; i++) {
        const float *other = values + (first + i) * columns;
        to[i] = (ranked){i, product(values + row * columns, other, columns)};
    }
    qsort(to, count, sizeof *to, compare);
}
