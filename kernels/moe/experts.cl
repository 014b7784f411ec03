/* y = act(x W^T + bias) [* y], W and bias being those of each row's expert, the plainest way: one
 * work-item per element of y.
 *
 * Launch: global {count, out_dim, 1}; any local size.  weight is [experts, out_dim, in_dim].
 * Params: TYPE (of x and bias), WEIGHT_TYPE, OUT_TYPE, WITH_BIAS, ACTIVATION, and those of
 *         arguments.h. */
#include "base.h"
#include "block/activation.h"
#include "block/arguments.h"
#include "gemm/blocks.h"
#include "moe/arguments.h"

__kernel void moe_experts(EXPERT_ARGUMENTS)
{
    const int n = get_global_id(0), o = get_global_id(1);
    if (n >= count || o >= out_dim) {
        return;
    }
    const int entry = ((__global const int *)entries)[entries_at.x + n];
    const int e = ((__global const int *)choice)[choice_at.x + entry];
    const long x_row = entry_row(x_at, n, entry, batch_rows), weight_row = place(weight_at, e, o, 0);
    bytes blocks = (bytes)weight + weight_row;
    float sum = 0.0f;
    for (int c = 0; c < in_dim; c++) {
        const float w = WEIGHT_TYPE >= Q8_0 ? block_value(WEIGHT_TYPE, blocks, c)
                                            : load(WEIGHT_TYPE, weight, weight_row + c);
        sum = fma(load(TYPE, x, x_row + c), w, sum);
    }
    if (WITH_BIAS) {
        sum += load(TYPE, bias, place(bias_at, e, 0, 0) + o);
    }
    const long to = place(y_at, 0, n, 0) + o;
    store(OUT_TYPE, y, to, activate(ACTIVATION, sum) * (GATED ? load(OUT_TYPE, y, to) : 1.0f));
}
