/* What both kernels of norm share: a row, column by column.
 *
 * Params: TYPE (of x, residual, sum), WEIGHT_TYPE, OUT_TYPE, WITH_WEIGHT, WITH_BIAS, WITH_RESIDUAL,
 *         WITH_SUM. */
#define NORM_ARGUMENTS                                                                                              \
    IN(x), IN(residual), IN(weight), IN(bias), OUT(sum), OUT(y), OUT(mean), OUT(inverse), const int rows,          \
        const int heads, const int columns, const float epsilon

/* Where a row's columns begin. */
struct row {
    __global const void *x, *residual, *weight, *bias;
    __global void *sum, *y;
    long x_at, residual_at, weight_at, bias_at, sum_at, y_at;
};

#define ROW(b, i, h)                                                                                                \
    {x, residual, weight, bias, sum, y, place(x_at, b, i, h), place(residual_at, b, i, h), weight_at.x, bias_at.x, \
     place(sum_at, b, i, h), place(y_at, b, i, h)}

/* x + residual, before it is kept anywhere. */
static inline float fresh(const struct row *row, const int c)
{
    const float value = load(TYPE, row->x, row->x_at + c);
    return WITH_RESIDUAL ? value + load(TYPE, row->residual, row->residual_at + c) : value;
}

/* What is normalised, as it is met first: sum keeps it, rounded. */
static inline float take(const struct row *row, const int c)
{
    if (!WITH_SUM) {
        return fresh(row, c);
    }
    store(TYPE, row->sum, row->sum_at + c, fresh(row, c));
    return load(TYPE, row->sum, row->sum_at + c);
}

/* The same later on. */
static inline float again(const struct row *row, const int c)
{
    return WITH_SUM ? load(TYPE, row->sum, row->sum_at + c) : fresh(row, c);
}

/* value: less its mean and scaled */
static inline void finish(const struct row *row, const int c, const float value)
{
    const float factor = WITH_WEIGHT ? load(WEIGHT_TYPE, row->weight, row->weight_at + c) : 1.0f;
    const float shift = WITH_BIAS ? load(WEIGHT_TYPE, row->bias, row->bias_at + c) : 0.0f;
    store(OUT_TYPE, row->y, row->y_at + c, fma(value, factor, shift));
}
