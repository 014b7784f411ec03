/* The K largest entries so far, as a heap whose root is the least of them.
 *
 * Params: K. */

#include "block/entry.h"

/* Puts an entry in the root's place and restores the order of the first count. */
static inline void heap_replace(long heap[K], const int count, const long entry)
{
    int at = 0;
    for (int child = 1; child < count; child = 2 * at + 1) {
        child += child + 1 < count && heap[child + 1] < heap[child];
        if (entry <= heap[child]) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = entry;
}

/* Empties the heap, least first, into descending order from the first place on.  Not unrolled:
 * Intel's CPU runtime (2025.3) then sorts 4 and 5 entries wrongly. */
static inline void heap_sort(long heap[K])
{
#pragma unroll 1
    for (int count = K - 1; count > 0; count--) {
        const long least = heap[0];
        heap_replace(heap, count, heap[count]);
        heap[count] = least;
    }
}
