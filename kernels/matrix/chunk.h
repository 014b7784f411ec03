/* Rows of halves on their way to a tile in local memory, 8 columns at a time: a chunk.  Where there
 * is nothing, behind the last column or row, there are zeros.
 *
 * Wants matrix/engine.h, and ITEMS: work-items of a work-group. */

/* Emulated, arrays need no registers, and there should be little to compile. */
#if EMULATED
#define UNROLL _Pragma("unroll 1")
#else
#define UNROLL _Pragma("unroll")
#endif
#define INLINE static inline __attribute__((always_inline))

#define SHARE(n) (((n) + ITEMS - 1) / ITEMS) /* of a work-item */

/* Whether rows are read 16 bytes at a time. */
static inline bool rows_aligned(const long4 at, const int columns)
{
    return columns % 16 == 0 && ((at.x | at.y | at.z | at.w) & 7) == 0;
}

static inline uint4 load_chunk(__global const void *values, const long row, const int column, const int columns,
                               const bool aligned)
{
    __global const ushort *from = (__global const ushort *)values + row + column;
    if (aligned) {
        return *(__global const uint4 *)from;
    }
    uint part[4];
    for (int n = 0; n < 4; n++) {
        const uint low = column + 2 * n < columns ? from[2 * n] : 0;
        const uint high = column + 2 * n + 1 < columns ? from[2 * n + 1] : 0;
        part[n] = low | high << 16;
    }
    return (uint4)(part[0], part[1], part[2], part[3]);
}

/* One chunk of a row: straight to its place if that can be, else into a register. */
INLINE void fetch_chunk(uint4 *kept, __local ushort *to, __global const void *values, const long row, const bool there,
                        const int column, const int columns, const bool aligned)
{
#if ASYNC_COPY
    if (aligned) {
        copy_async(to, (__global const ushort *)values + row + column, there);
    } else {
        *(__local uint4 *)to = there ? load_chunk(values, row, column, columns, false) : (uint4)(0);
    }
#else
    *kept = there ? load_chunk(values, row, column, columns, aligned) : (uint4)(0);
#endif
}

/* The row and column of a work-item's n-th chunk of a tile with so many to a row. */
INLINE int2 chunk_at(const int n, const int chunks)
{
    const uint item = get_local_id(0), chunk = n * ITEMS + item;
    return ITEMS % chunks == 0 ? (int2)(item / chunks + n * (ITEMS / chunks), item % chunks * 8)
                               : (int2)(chunk / chunks, chunk % chunks * 8);
}

/* Whether that is within a tile of so many rows; where the work-items share it evenly, it is. */
INLINE bool chunk_is_in(const int2 at, const int rows, const int chunks)
{
    return rows * chunks % ITEMS == 0 || at.x < rows;
}
