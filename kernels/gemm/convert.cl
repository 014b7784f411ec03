/* y = act(x + bias), from one storage type to another: what stands before and after a
 * library's f32 matrix product.  x and y may be the same buffer at the same place.
 *
 * Launch: global {columns, rows, batch}; any local size.
 * Params: TYPE (of x), OUT_TYPE (of y), WITH_BIAS, BIAS_TYPE, ACTIVATION. */
#include "base.h"
#include "block/activation.h"

__kernel void gemm_convert(__global const void *x, const long4 x_at, __global const void *bias,
                           const long4 bias_at, __global void *y, const long4 y_at,
                           const int columns, const int rows)
{
    const int c = get_global_id(0), i = get_global_id(1), b = get_global_id(2);
    if (c >= columns || i >= rows) {
        return;
    }
    float value = load(TYPE, x, place(x_at, b, i, 0) + c);
    if (WITH_BIAS) {
        value += load(BIAS_TYPE, bias, bias_at.x + c);
    }
    store(OUT_TYPE, y, place(y_at, b, i, 0) + c, activate(ACTIVATION, value));
}
