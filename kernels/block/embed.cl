/* y = scale * table[id] + position_table[position id] + type_table[type id]: one work-item per
 * column of a row.  An id outside its table adds nothing and is not followed.
 *
 * Launch: global {columns rounded up, rows, batch}; any local size.
 * Params: ITEMS, and those of lookup.h. */
#include "base.h"
#include "block/arguments.h"
#include "block/lookup.h"

__kernel void block_embed(EMBED_ARGUMENTS)
{
    const int c = get_global_id(0), i = get_global_id(1), b = get_global_id(2);
    if (c >= columns || i >= rows) {
        return;
    }
    const struct found found = FOUND(b, i);
    store(OUT_TYPE, y, place(y_at, b, i, 0) + c, look_up(table, position_table, type_table, &found, c, scale));
}
