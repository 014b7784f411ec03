/* Rows of halves on their way to a tile in local memory, 8 columns at a time: a chunk.  Where there
 * is nothing, behind the last column or row, there are zeros.
 *
 * Wants matrix/engine.h, and ITEMS: work-items of a work-group. */

/* Emulated, arrays need no registers, and there should be little to compile. */
#undef UNROLL
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

/* Rows of the tiles begin at multiples of 16 bytes, or of 8. */
INLINE void put_chunk(__local ushort *to, const uint4 chunk)
{
    if (KEY_AT(1, 0) % 8 == 0) {
        *(__local uint4 *)to = chunk;
    } else {
        ((__local uint2 *)to)[0] = chunk.lo;
        ((__local uint2 *)to)[1] = chunk.hi;
    }
}

/* One chunk of a row: straight to its place if that can be, else into a register. */
INLINE void fetch_chunk(uint4 *kept, __local ushort *to, __global const void *values, const long row, const bool there,
                        const int column, const int columns, const bool aligned)
{
#if ASYNC_COPY
    if (aligned) {
        copy_async(to, (__global const ushort *)values + row + column, there);
    } else {
        put_chunk(to, there ? load_chunk(values, row, column, columns, false) : (uint4)(0));
    }
#else
    *kept = there ? load_chunk(values, row, column, columns, aligned) : (uint4)(0);
#endif
}

/* Row and column of a work-item's n-th chunk, as a sum: what is its own, and what all have in common. */
struct spot {
    int2 own, common;
};

/* The chunks of a tile: so many abreast, under them those of the next row, then the next columns. */
INLINE int2 chunk_at(const uint chunk, const uint abreast, const uint rows)
{
    return (int2)(chunk / abreast % rows, (chunk % abreast + chunk / (abreast * rows) * abreast) * 8);
}

INLINE struct spot spot_of(const int n, const int abreast, const int rows)
{
    const int lap = abreast * rows;
    const bool regular = ITEMS % abreast == 0 && (lap % ITEMS == 0 || ITEMS % lap == 0);
    const uint item = get_local_id(0), all = n * ITEMS;
    const struct spot spot = {chunk_at(regular ? item : all + item, abreast, rows),
                              chunk_at(regular ? all : 0, abreast, rows)};
    return spot;
}
