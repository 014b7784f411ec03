/* Softmax of rows as block/softmax does it, for CPU devices: lanes along the columns, three
 * walks over a row.
 *
 * Launch: global {rows / ROWS rounded up, 1, batch}, local {1, 1, 1}.
 * Params: TYPE, OUT_TYPE, WIDTH, ROWS. */
#include "base.h"
#include "wide.h"
#include "block/arguments.h"
#include "block/row.h"
#include "block/softmax.h"

static inline float largest(__global const void *x, const long row, const int columns)
{
    vfloat top = -INFINITY, second = -INFINITY;
    float lane[WIDTH], max = -INFINITY;
    int c = 0;
    for (; c + BLOCK <= columns; c += BLOCK) {
        const vfloat a = load_wide(TYPE, x, row + c), b = load_wide(TYPE, x, row + c + WIDTH);
        top = a > top ? a : top;
        second = b > second ? b : second;
    }
    top = second > top ? second : top;
    JOIN(vstore, WIDTH)(top, 0, lane);
    for (int n = 0; n < WIDTH; n++) {
        max = lane[n] > max ? lane[n] : max;
    }
    for (; c < columns; c++) {
        const float value = load(TYPE, x, row + c);
        max = value > max ? value : max;
    }
    return max;
}

static inline vfloat weight_wide(const vfloat x, const float max, const float factor)
{
    const vfloat power = (x - max) * factor;
    return x == -INFINITY || power < -126.0f ? (vfloat)(0.0f) : exp2_wide(power);
}

static inline float sum_of(__global const void *x, const long row, const int columns, const float max,
                           const float factor)
{
    vfloat first = 0.0f, second = 0.0f;
    float rest = 0.0f;
    int c = 0;
    for (; c + BLOCK <= columns; c += BLOCK) {
        first += weight_wide(load_wide(TYPE, x, row + c), max, factor);
        second += weight_wide(load_wide(TYPE, x, row + c + WIDTH), max, factor);
    }
    for (; c < columns; c++) {
        rest += softmax_weight_of(load(TYPE, x, row + c), max, factor);
    }
    return lanes_sum(first + second) + rest;
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void block_softmax_wide(IN(x), OUT(y), const int rows, const int heads, const int columns, const float inverse)
{
    const int i0 = get_group_id(0) * ROWS, b = get_group_id(2);
    const float factor = inverse * LOG2E;
    for (int i = i0; i < min(i0 + ROWS, rows); i++) {
        for (int h = 0; h < heads; h++) {
            const long x_row = place(x_at, b, i, h), y_row = place(y_at, b, i, h);
            const float max = largest(x, x_row, columns), sum = sum_of(x, x_row, columns, max, factor);
            const float normal = sum == 0.0f ? 0.0f : 1.0f / sum;
            int c = 0;
            for (; c + WIDTH <= columns; c += WIDTH) {
                const vfloat weight = weight_wide(load_wide(TYPE, x, x_row + c), max, factor);
                store_wide(OUT_TYPE, y, y_row + c, weight * normal);
            }
            for (; c < columns; c++) {
                const float weight = softmax_weight_of(load(TYPE, x, x_row + c), max, factor);
                store(OUT_TYPE, y, y_row + c, weight * normal);
            }
        }
    }
}
