/* y = act(x + bias) [* (u + bias)] [+ residual], from one storage type to another: what stands before
 * and after a library's f32 matrix product.  u is what lies behind the first columns of x.  x and y may
 * be the same buffer at the same place.
 *
 * Launch: global {columns, rows, batch}; any local size.
 * Params: TYPE (of x), OUT_TYPE (of y and residual), WITH_BIAS, BIAS_TYPE, WITH_RESIDUAL, GATED,
 *         ACTIVATION. */
#include "base.h"
#include "gemm/finish.h"

static inline float sum_at(__global const void *x, const long x_row, __global const void *bias, const long bias_row,
                           const int c)
{
    const float value = load(TYPE, x, x_row + c);
    return WITH_BIAS ? value + load(BIAS_TYPE, bias, bias_row + c) : value;
}

__kernel void gemm_convert(__global const void *x, const long4 x_at, __global const void *bias,
                           const long4 bias_at, __global const void *residual, const long4 residual_at,
                           __global void *y, const long4 y_at, const int columns, const int rows)
{
    const int c = get_global_id(0), i = get_global_id(1), b = get_global_id(2);
    if (c >= columns || i >= rows) {
        return;
    }
    const long row = place(x_at, b, i, 0);
    const float sum = sum_at(x, row, bias, bias_at.x, c);
    const float up = GATED ? sum_at(x, row, bias, bias_at.x, columns + c) : 1.0f;
    finish(sum, up, residual, place(residual_at, b, i, 0) + c, y, place(y_at, b, i, 0) + c);
}
