/* y = act(x) * up + residual, for CPU devices: lanes along the columns, one work-item ROWS rows of
 * COLUMNS columns.
 *
 * Launch: global {rows / ROWS rounded up, columns / COLUMNS rounded up, batch}, local {1, 1, 1}.
 * Params: WIDTH, ROWS, COLUMNS, and those of gate.h. */
#include "base.h"
#include "wide.h"
#include "block/activation.h"
#include "block/activation_wide.h"
#include "block/arguments.h"
#include "block/gate.h"

static inline void gate_wide(__global const void *x, __global const void *up, __global const void *residual,
                             __global void *y, const struct column *at, const int n)
{
    vfloat value = activate_wide(KIND, load_wide(TYPE, x, at->x + n));
    if (GATED) {
        value *= load_wide(TYPE, up, at->up + n);
    }
    if (WITH_RESIDUAL) {
        value += load_wide(TYPE, residual, at->residual + n);
    }
    store_wide(OUT_TYPE, y, at->y + n, value);
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void block_activation_wide(ACTIVATION_ARGUMENTS)
{
    const int i0 = get_group_id(0) * ROWS, c0 = get_group_id(1) * COLUMNS, b = get_group_id(2);
    const int count = min(COLUMNS, columns - c0);
    for (int i = i0; i < min(i0 + ROWS, rows); i++) {
        for (int h = 0; h < heads; h++) {
            const struct column at = COLUMN(b, i, h, c0);
            int n = 0;
            for (; n + WIDTH <= count; n += WIDTH) {
                gate_wide(x, up, residual, y, &at, n);
            }
            for (; n < count; n++) {
                gate(x, up, residual, y, &at, n);
            }
        }
    }
}
