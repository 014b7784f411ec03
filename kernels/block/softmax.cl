/* y = exp((x - max) / temperature) / their sum, over the columns of a row: one work-item per row.
 * -inf gives 0, a row of nothing else gives zeros; NaN and +inf make their row NaN.
 *
 * Launch: global {rows rounded up, heads, batch}; any local size.
 * Params: TYPE, OUT_TYPE, ITEMS. */
#include "base.h"
#include "block/arguments.h"
#include "block/softmax.h"

#define PART 256 /* columns summed at a time: long sums lose fewer digits in parts */

__kernel void block_softmax(IN(x), OUT(y), const int rows, const int heads, const int columns, const float inverse)
{
    const int i = get_global_id(0), h = get_global_id(1), b = get_global_id(2);
    if (i >= rows || h >= heads) {
        return;
    }
    const long x_row = place(x_at, b, i, h), y_row = place(y_at, b, i, h);
    const float factor = inverse * LOG2E;
    float max = -INFINITY, sum = 0.0f;
    for (int c = 0; c < columns; c++) {
        const float value = load(TYPE, x, x_row + c);
        max = value > max ? value : max;
    }
    for (int c0 = 0; c0 < columns; c0 += PART) {
        float part = 0.0f;
        for (int c = c0; c < min(c0 + PART, columns); c++) {
            part += softmax_weight_of(load(TYPE, x, x_row + c), max, factor);
        }
        sum += part;
    }
    const float normal = sum == 0.0f ? 0.0f : 1.0f / sum;
    for (int c = 0; c < columns; c++) {
        store(OUT_TYPE, y, y_row + c, softmax_weight_of(load(TYPE, x, x_row + c), max, factor) * normal);
    }
}
