/* y = act(x W^T + bias) [* (x U^T + bias)] [+ residual] for few rows, on CPU devices: weights as they lie, each read once.
 *
 * Lanes along in_dim; WIDTH outputs at a time, whose lanes are summed together.  A weight
 * row stays in the nearest cache while all rows of x use it.
 *
 * Launch: global {out_dim / WIDTH rounded up, 1, batch}, local {1, 1, 1}.
 * Params: TYPE (of x and bias), WEIGHT_TYPE, OUT_TYPE, WITH_BIAS, WITH_RESIDUAL, GATED, ACTIVATION,
 *         WIDTH, ROWS (at most, per pass). */
#include "base.h"
#include "wide.h"
#include "gemm/finish_wide.h"

#define CHAINS 4 /* sums at once, to hide the latency of an addition */

static inline vfloat dot_lanes(__global const void *x, const long x_row, __global const void *weight,
                               const long weight_row, const long next_row, const int in_dim)
{
    vfloat sum[CHAINS];
    UNROLL
    for (int n = 0; n < CHAINS; n++) {
        sum[n] = 0.0f;
    }
    int c = 0;
    for (; c + CHAINS * WIDTH <= in_dim; c += CHAINS * WIDTH) {
        UNROLL
        for (int n = 0; n < CHAINS; n++) {
            soon(WEIGHT_TYPE, weight, next_row + c + n * WIDTH);
            sum[n] = fma(load_wide(WEIGHT_TYPE, weight, weight_row + c + n * WIDTH),
                         load_wide(TYPE, x, x_row + c + n * WIDTH), sum[n]);
        }
    }
    for (; c + WIDTH <= in_dim; c += WIDTH) {
        sum[0] = fma(load_wide(WEIGHT_TYPE, weight, weight_row + c), load_wide(TYPE, x, x_row + c), sum[0]);
    }
    for (; c < in_dim; c++) {
        sum[1].s0 = fma(load(WEIGHT_TYPE, weight, weight_row + c), load(TYPE, x, x_row + c), sum[1].s0);
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* sum[r] = rows i to i + rows of x W^T + bias, for count outputs from o on. */
static inline void multiply_rows(vfloat sum[ROWS], __global const void *x, const long4 x_at,
                                 __global const void *weight, const long4 weight_at, __global const void *bias,
                                 const long4 bias_at, const int b, const int i, const int rows, const int o,
                                 const int count, const int in_dim)
{
    float start[WIDTH];
    vfloat dot[ROWS][WIDTH];
    for (int t = 0; t < WIDTH; t++) {
        const long weight_row = place(weight_at, 0, o + min(t, count - 1), 0);
        start[t] = WITH_BIAS && t < count ? load(TYPE, bias, bias_at.x + o + t) : 0.0f;
        for (int r = 0; r < rows; r++) {
            dot[r][t] = dot_lanes(x, place(x_at, b, i + r, 0), weight, weight_row,
                                  place(weight_at, 0, o + t + 1, 0), in_dim);
        }
    }
    for (int r = 0; r < rows; r++) {
        sum[r] = sum_each(dot[r]) + *(const vfloat_at *)start;
    }
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void gemm_gemv_wide(__global const void *x, const long4 x_at, __global const void *weight, const long4 weight_at,
                    __global const void *bias, const long4 bias_at, __global const void *residual,
                    const long4 residual_at, __global void *y, const long4 y_at, const int rows,
                    const int out_dim, const int in_dim)
{
    const int o = get_group_id(0) * WIDTH, b = get_group_id(2), count = min(WIDTH, out_dim - o);
    for (int i = 0; i < rows; i += ROWS) {
        const int pass = min(ROWS, rows - i);
        vfloat sum[1 + GATED][ROWS];
        for (int part = 0; part < 1 + GATED; part++) {
            multiply_rows(sum[part], x, x_at, weight, weight_at, bias, bias_at, b, i, pass, part * out_dim + o,
                          count, in_dim);
        }
        for (int r = 0; r < pass; r++) {
            finish_wide(sum[0][r], sum[GATED][r], residual, place(residual_at, b, i + r, 0) + o, y,
                        place(y_at, b, i + r, 0) + o, count);
        }
    }
}
