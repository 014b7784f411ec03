/* y = x W^T + bias for few rows and weights in blocks, on CPU devices: each weight read once, as
 * it lies.
 *
 * Lanes along in_dim; OUTPUTS rows of weights side by side, so that a group of x is loaded once for
 * all of them.  A group's scale comes after its products: sum += scale * (q * x) + least * x.
 *
 * Launch: global {out_dim / WIDTH rounded up, 1, batch}, local {1, 1, 1}.
 * Params: TYPE (of x and bias), OUT_TYPE, WEIGHT_TYPE, WITH_BIAS, WIDTH, OUTPUTS (divides WIDTH). */
#include "base.h"
#include "wide.h"
#include "gemm/blocks_wide.h"

/* dot[t] = lanes of x times weight row t, for OUTPUTS rows. */
INLINE void multiply_rows(vfloat dot[OUTPUTS], __global const void *x, const long x_row, const bytes row[OUTPUTS],
                          const int groups)
{
    vfloat sum[OUTPUTS];
    UNROLL
    for (int t = 0; t < OUTPUTS; t++) {
        sum[t] = 0.0f;
    }
    for (int group = 0; group < groups; group++) {
        vfloat part[GROUP_VECTORS], all = 0.0f;
        UNROLL
        for (int n = 0; n < GROUP_VECTORS; n++) {
            part[n] = load_wide(TYPE, x, x_row + group * GROUP_COLUMNS + n * WIDTH);
            all += part[n];
        }
        UNROLL
        for (int t = 0; t < OUTPUTS; t++) {
            bytes block = block_of(WEIGHT_TYPE, row[t], group);
            const struct group_scale s = group_scale(WEIGHT_TYPE, block, group);
            vfloat q[GROUP_VECTORS], first = 0.0f, second = 0.0f;
            group_numbers(WEIGHT_TYPE, block, group, q);
            UNROLL
            for (int n = 0; n < HALF_VECTORS; n++) {
                first = fma(q[n], part[n], first);
                second = fma(q[n + HALF_VECTORS], part[n + HALF_VECTORS], second);
            }
            if (WEIGHT_TYPE == Q6_K) {
                sum[t] = fma(first, (vfloat)(s.first), sum[t]);
                sum[t] = fma(second, (vfloat)(s.second), sum[t]);
            } else {
                sum[t] = fma(first + second, (vfloat)(s.first), sum[t]);
            }
            if (WEIGHT_TYPE != Q6_K && WEIGHT_TYPE != Q8_0) {
                sum[t] = fma(all, (vfloat)(s.least), sum[t]);
            }
        }
    }
    UNROLL
    for (int t = 0; t < OUTPUTS; t++) {
        dot[t] = sum[t];
    }
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void gemm_gemv_blocks_wide(__global const void *x, const long4 x_at, __global const void *weight,
                           const long4 weight_at, __global const void *bias, const long4 bias_at,
                           __global void *y, const long4 y_at, const int rows, const int out_dim,
                           const int in_dim)
{
    const int o = get_group_id(0) * WIDTH, b = get_group_id(2), count = min(WIDTH, out_dim - o);
    const long step = row_bytes(WEIGHT_TYPE, in_dim);
    bytes first = (bytes)weight + weight_at.x + o * step;
    for (int i = 0; i < rows; i++) {
        const long x_row = place(x_at, b, i, 0);
        vfloat dot[WIDTH];
        float lane[WIDTH];
        for (int t = 0; t < WIDTH; t += OUTPUTS) {
            bytes row[OUTPUTS]; /* behind the last one it is repeated */
            UNROLL
            for (int n = 0; n < OUTPUTS; n++) {
                row[n] = first + min(t + n, count - 1) * step;
            }
            multiply_rows(dot + t, x, x_row, row, in_dim / GROUP_COLUMNS);
        }
        *(vfloat_at *)lane = sum_each(dot);
        for (int t = 0; t < count; t++) {
            const float start = WITH_BIAS ? load(TYPE, bias, bias_at.x + o + t) : 0.0f;
            store(OUT_TYPE, y, place(y_at, b, i, 0) + o + t, lane[t] + start);
        }
    }
}
