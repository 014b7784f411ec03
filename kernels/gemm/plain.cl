/* y = act(x W^T + bias) [* (x U^T + bias)] [+ residual], the plainest way: one work-item per element
 * of y.  U is what lies behind the first out_dim rows of weight.
 *
 * Launch: global {rows, out_dim, batch}; any local size.  weight is [out_dim, in_dim], or
 * twice as many rows.
 * Params: TYPE (of x and bias), WEIGHT_TYPE, OUT_TYPE (of residual, too), WITH_BIAS, WITH_RESIDUAL,
 *         GATED, ACTIVATION. */
#include "base.h"
#include "gemm/blocks.h"
#include "gemm/finish.h"

static inline float dot_row(__global const void *x, const long x_row, __global const void *weight,
                            const long4 weight_at, __global const void *bias, const long4 bias_at, const int o,
                            const int in_dim)
{
    const long weight_row = place(weight_at, 0, o, 0);
    bytes blocks = (bytes)weight + weight_row;
    float sum = 0.0f;
    for (int c = 0; c < in_dim; c++) {
        const float w = WEIGHT_TYPE >= Q8_0 ? block_value(WEIGHT_TYPE, blocks, c)
                                            : load(WEIGHT_TYPE, weight, weight_row + c);
        sum = fma(load(TYPE, x, x_row + c), w, sum);
    }
    return WITH_BIAS ? sum + load(TYPE, bias, bias_at.x + o) : sum;
}

__kernel void gemm_plain(__global const void *x, const long4 x_at, __global const void *weight,
                         const long4 weight_at, __global const void *bias, const long4 bias_at,
                         __global const void *residual, const long4 residual_at, __global void *y,
                         const long4 y_at, const int rows, const int out_dim, const int in_dim)
{
    const int i = get_global_id(0), o = get_global_id(1), b = get_global_id(2);
    if (i >= rows || o >= out_dim) {
        return;
    }
    const long x_row = place(x_at, b, i, 0);
    const float sum = dot_row(x, x_row, weight, weight_at, bias, bias_at, o, in_dim);
    const float up = GATED ? dot_row(x, x_row, weight, weight_at, bias, bias_at, out_dim + o, in_dim) : 1.0f;
    finish(sum, up, residual, place(residual_at, b, i, 0) + o, y, place(y_at, b, i, 0) + o);
}
