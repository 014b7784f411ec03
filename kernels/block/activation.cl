/* y = act(x) * up + residual: one work-item per column of a row.
 *
 * Launch: global {columns rounded up, rows, batch}; any local size.
 * Params: ITEMS, and those of gate.h. */
#include "base.h"
#include "block/activation.h"
#include "block/arguments.h"
#include "block/gate.h"

__kernel void block_activation(ACTIVATION_ARGUMENTS)
{
    const int c = get_global_id(0), i = get_global_id(1), b = get_global_id(2);
    if (c >= columns || i >= rows) {
        return;
    }
    for (int h = 0; h < heads; h++) {
        const struct column at = COLUMN(b, i, h, c);
        gate(x, up, residual, y, &at, 0);
    }
}
