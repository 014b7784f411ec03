/* y = act(x W^T + bias), the plainest way: one work-item per element of y.
 *
 * Launch: global {rows, out_dim, batch}; any local size.  weight is [out_dim, in_dim].
 * Params: TYPE (of x and bias), WEIGHT_TYPE, OUT_TYPE, WITH_BIAS, ACTIVATION. */
#include "base.h"
#include "block/activation.h"
#include "gemm/blocks.h"

__kernel void gemm_plain(__global const void *x, const long4 x_at, __global const void *weight,
                         const long4 weight_at, __global const void *bias, const long4 bias_at,
                         __global void *y, const long4 y_at, const int rows, const int out_dim,
                         const int in_dim)
{
    const int i = get_global_id(0), o = get_global_id(1), b = get_global_id(2);
    if (i >= rows || o >= out_dim) {
        return;
    }
    const long x_row = place(x_at, b, i, 0), weight_row = place(weight_at, 0, o, 0);
    bytes blocks = (bytes)weight + weight_row;
    float sum = 0.0f;
    for (int c = 0; c < in_dim; c++) {
        const float w = WEIGHT_TYPE >= Q8_0 ? block_value(WEIGHT_TYPE, blocks, c)
                                            : load(WEIGHT_TYPE, weight, weight_row + c);
        sum = fma(load(TYPE, x, x_row + c), w, sum);
    }
    if (WITH_BIAS) {
        sum += load(TYPE, bias, bias_at.x + o);
    }
    store(OUT_TYPE, y, place(y_at, b, i, 0) + o, activate(ACTIVATION, sum));
}
