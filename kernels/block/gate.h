/* What both kernels of activation share: one column, y = act(x) * up + residual.
 *
 * Params: TYPE (of x, up, residual), OUT_TYPE, KIND, GATED, WITH_RESIDUAL. */
#define ACTIVATION_ARGUMENTS                                                                                        \
    IN(x), IN(up), IN(residual), OUT(y), const int rows, const int heads, const int columns

/* Indices of the column in each tensor. */
struct column {
    long x, up, residual, y;
};

#define COLUMN(b, i, h, c)                                                                                          \
    {place(x_at, b, i, h) + c, place(up_at, b, i, h) + c, place(residual_at, b, i, h) + c, place(y_at, b, i, h) + c}

static inline void gate(__global const void *x, __global const void *up, __global const void *residual,
                        __global void *y, const struct column *at, const int n)
{
    float value = activate(KIND, load(TYPE, x, at->x + n));
    if (GATED) {
        value *= load(TYPE, up, at->up + n);
    }
    if (WITH_RESIDUAL) {
        value += load(TYPE, residual, at->residual + n);
    }
    store(OUT_TYPE, y, at->y + n, value);
}
