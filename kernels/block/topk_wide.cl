/* The K largest as block/topk finds them, for CPU devices: a block of columns of which none is
 * larger than the least of the heap, the usual case, is passed over in a few instructions.
 *
 * Launch: global {rows / ROWS rounded up, 1, batch}, local {1, 1, 1}.
 * Memory: K longs.
 * Params: TYPE, K, WIDTH, ROWS. */
#include "base.h"
#include "wide.h"
#include "block/arguments.h"
#include "block/heap.h"
#include "block/row.h"

/* Whether some of the columns may be among the largest; NaN always may. */
static inline bool any_above(__global const void *x, const long index, const float least)
{
    vint above = 0;
    UNROLL
    for (int n = 0; n < CHAINS; n++) {
        above |= !(load_wide(TYPE, x, index + n * WIDTH) <= (vfloat)(least));
    }
    return any_lane(above);
}

static inline void largest(long heap[K], __global const void *x, const long row, const int columns)
{
    float least = -INFINITY;
    for (int n = 0; n < K; n++) {
        heap[n] = LONG_MIN;
    }
    for (int c0 = 0; c0 < columns; c0 += BLOCK) {
        const int count = min(BLOCK, columns - c0);
        if (c0 >= K && count == BLOCK && !any_above(x, row + c0, least)) {
            continue;
        }
        for (int c = c0; c < c0 + count; c++) {
            const long entry = entry_of(load(TYPE, x, row + c), c);
            if (entry > heap[0]) {
                heap_replace(heap, K, entry);
            }
        }
        least = c0 + count >= K ? load(TYPE, x, row + column_of(heap[0])) : least;
    }
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void block_topk_wide(IN(x), OUT(values), OUT(indices), const int rows, const int heads, const int columns)
{
    const int i0 = get_group_id(0) * ROWS, b = get_group_id(2);
    long heap[K];
    for (int i = i0; i < min(i0 + ROWS, rows); i++) {
        for (int h = 0; h < heads; h++) {
            const long x_row = place(x_at, b, i, h);
            const long values_row = place(values_at, b, i, h), indices_row = place(indices_at, b, i, h);
            largest(heap, x, x_row, columns);
            heap_sort(heap);
            for (int n = 0; n < K; n++) {
                const int column = column_of(heap[n]);
                store(TYPE, values, values_row + n, load(TYPE, x, x_row + column));
                ((__global int *)indices)[indices_row + n] = column;
            }
        }
    }
}
