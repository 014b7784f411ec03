/* The K largest values of a row, in descending order, and their columns: one work-item per row
 * walks its columns and keeps a heap of what may be among them.
 *
 * Launch: global {rows rounded up, heads, batch}; any local size.
 * Memory: K longs per work-item.
 * Params: TYPE, K, ITEMS. */
#include "base.h"
#include "block/arguments.h"
#include "block/heap.h"

__kernel void block_topk(IN(x), OUT(values), OUT(indices), const int rows, const int heads, const int columns)
{
    const int i = get_global_id(0), h = get_global_id(1), b = get_global_id(2);
    if (i >= rows || h >= heads) {
        return;
    }
    const long x_row = place(x_at, b, i, h);
    const long values_row = place(values_at, b, i, h), indices_row = place(indices_at, b, i, h);
    long heap[K];
    for (int n = 0; n < K; n++) {
        heap[n] = LONG_MIN;
    }
    for (int c = 0; c < columns; c++) {
        const long entry = entry_of(load(TYPE, x, x_row + c), c);
        if (entry > heap[0]) {
            heap_replace(heap, K, entry);
        }
    }
    heap_sort(heap);
    for (int n = 0; n < K; n++) {
        const int column = column_of(heap[n]);
        store(TYPE, values, values_row + n, load(TYPE, x, x_row + column));
        ((__global int *)indices)[indices_row + n] = column;
    }
}
