/* y = act(x W^T + bias) [* (x U^T + bias)] [+ residual] for CPU devices: a work-item takes BLOCK rows
 * and a panel of outputs (gemm/panel_wide.h).
 *
 * Launch: global {panels, rows / BLOCK rounded up, batch}, local {1, 1, 1}.
 * Memory: BLOCK * PANEL floats, twice where gated, and that of panel_wide.h.
 * Params: those of panel_wide.h, OUT_TYPE, WITH_RESIDUAL, GATED, ACTIVATION. */
#include "base.h"
#include "wide.h"
#include "gemm/finish_wide.h"
#include "gemm/panel_wide.h"

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void gemm_wide(__global const void *x, const long4 x_at, __global const void *weight, const long4 weight_at,
               __global const void *bias, const long4 bias_at, __global const void *residual,
               const long4 residual_at, __global void *y, const long4 y_at, const int rows, const int out_dim,
               const int in_dim)
{
    const int p = get_group_id(0), b = get_group_id(2), i0 = get_group_id(1) * BLOCK, o = p * PANEL;
    const int columns = min(PANEL, out_dim - o), panels = (out_dim + PANEL - 1) / PANEL;
    vfloat sum[1 + GATED][BLOCK][VECTORS];
    if (i0 >= rows) {
        return;
    }
    const int count = min(BLOCK, rows - i0);
    long x_row[BLOCK];
    for (int i = 0; i < count; i++) {
        x_row[i] = place(x_at, b, i0 + i, 0);
    }
    for (int part = 0; part < 1 + GATED; part++) {
        multiply_panel(sum[part], x, x_row, weight, weight_at, bias, bias_at.x, count, part * panels + p,
                       part * out_dim + o, columns, in_dim);
    }
    for (int i = 0; i < count; i++) {
        const long from = place(residual_at, b, i0 + i, 0) + o, to = place(y_at, b, i0 + i, 0) + o;
        for (int n = 0; n * WIDTH < columns; n++) {
            finish_wide(sum[0][i][n], sum[GATED][i][n], residual, from + n * WIDTH, y, to + n * WIDTH,
                        columns - n * WIDTH);
        }
    }
}
