/* The experts' matrices as moe/experts has them, for CPU devices: rows of one expert, at most BLOCK,
 * are a tile, and a work-item multiplies a tile with a panel as gemm/wide does.  It finds its tile
 * by walking the experts' numbers of rows; there are more work-items than tiles, as the host does
 * not know how tokens chose, and those left over do nothing.
 *
 * Launch: global {panels, count / BLOCK + experts, 1}, local {1, 1, 1}.
 * Memory: BLOCK * PANEL floats, and that of panel_wide.h.
 * Params: those of panel_wide.h and arguments.h, OUT_TYPE, ACTIVATION. */
#include "base.h"
#include "wide.h"
#include "block/arguments.h"
#include "gemm/finish_wide.h"
#include "gemm/panel_wide.h"
#include "moe/arguments.h"

/* The first count of WIDTH values. */
static inline vfloat load_first(const int type, __global const void *values, const long index, const int count)
{
    float lane[WIDTH];
    if (count >= WIDTH) {
        return load_wide(type, values, index);
    }
    for (int c = 0; c < WIDTH; c++) {
        lane[c] = c < count ? load(type, values, index + c) : 0.0f;
    }
    return *(vfloat_at *)lane;
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void moe_experts_wide(EXPERT_ARGUMENTS)
{
    const int p = get_group_id(0), o = p * PANEL, columns = min(PANEL, out_dim - o);
    __global const int *total = (__global const int *)totals + totals_at.x;
    int e = 0, tile = get_group_id(1), first = 0; /* the tile's number among the expert's, its first row */
    for (; e < experts && tile >= (total[e] + BLOCK - 1) / BLOCK; e++) {
        tile -= (total[e] + BLOCK - 1) / BLOCK;
        first += total[e];
    }
    if (e >= experts) {
        return;
    }
    const int rows = min(BLOCK, total[e] - tile * BLOCK);
    long x_row[BLOCK];
    vfloat sum[BLOCK][VECTORS];
    for (int i = 0; i < rows; i++) {
        const int n = first + tile * BLOCK + i;
        x_row[i] = entry_row(x_at, n, ((__global const int *)entries)[entries_at.x + n], batch_rows);
    }
    const long4 mine = (long4)(place(weight_at, e, 0, 0), weight_at.yzw);
    multiply_panel(sum, x, x_row, weight, mine, bias, place(bias_at, e, 0, 0), rows, p, o, columns, in_dim);
    for (int i = 0; i < rows; i++) {
        const long to = place(y_at, 0, first + tile * BLOCK + i, 0) + o;
        for (int n = 0; n * WIDTH < columns; n++) {
            const int left = columns - n * WIDTH;
            const vfloat up = GATED ? load_first(OUT_TYPE, y, to + n * WIDTH, left) : (vfloat)(1.0f);
            finish_wide(sum[i][n], up, y, 0, y, to + n * WIDTH, left);
        }
    }
}
