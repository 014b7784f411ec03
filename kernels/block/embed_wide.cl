/* Embedding as block/embed does it, for CPU devices: lanes along the columns.
 *
 * Launch: global {rows / ROWS rounded up, 1, batch}, local {1, 1, 1}.
 * Params: WIDTH, ROWS, and those of lookup.h. */
#include "base.h"
#include "wide.h"
#include "block/arguments.h"
#include "block/lookup.h"

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void block_embed_wide(EMBED_ARGUMENTS)
{
    const int i0 = get_group_id(0) * ROWS, b = get_group_id(2);
    for (int i = i0; i < min(i0 + ROWS, rows); i++) {
        const struct found found = FOUND(b, i);
        const long y_row = place(y_at, b, i, 0);
        int c = 0;
        for (; c + WIDTH <= columns; c += WIDTH) {
            vfloat value = 0.0f;
            if (found.word >= 0) {
                value = scale * load_wide(TYPE, table, found.word + c);
            }
            if (found.position >= 0) {
                value += load_wide(TYPE, position_table, found.position + c);
            }
            if (found.type >= 0) {
                value += load_wide(TYPE, type_table, found.type + c);
            }
            store_wide(OUT_TYPE, y, y_row + c, value);
        }
        for (; c < columns; c++) {
            store(OUT_TYPE, y, y_row + c, look_up(table, position_table, type_table, &found, c, scale));
        }
    }
}
