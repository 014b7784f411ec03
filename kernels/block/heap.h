/* The K largest entries so far, as a heap whose root is the least of them.
 *
 * Params: K. */

/* A value and its column in one number that compares as they shall: by value, of equal ones the
 * lower column is larger; NaN is largest; -0 is 0. */
static inline long entry_of(const float value, const int column)
{
    const int bits = as_int(value + 0.0f);
    const int order = isnan(value) ? INT_MAX : bits < 0 ? bits ^ INT_MAX : bits;
    return (long)order << 32 | (uint)~column;
}

static inline int column_of(const long entry)
{
    return ~(int)entry;
}

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

/* Empties the heap, least first, into descending order from the first place on. */
static inline void heap_sort(long heap[K])
{
    for (int count = K - 1; count > 0; count--) {
        const long least = heap[0];
        heap_replace(heap, count, heap[count]);
        heap[count] = least;
    }
}
