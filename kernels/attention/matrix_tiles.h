/* Tiles of keys and values on their way from global to local memory, for attention/matrix.h.
 *
 * Each work-item brings some chunks of 8 numbers of every tile (matrix/chunk.h): by the hardware's
 * copies where ASYNC_COPY is 1, else through registers, to be put in their place one step later.
 * Where a chunk lies in local memory is the engine's affair (KEY_AT, VALUE_AT of matrix/engine.h). */
#define KEY_CHUNKS (HEAD_STEPS * 2)
#define VALUE_CHUNKS (VALUE_STEPS * 2)
#define ALL_SHARE(chunks) (TILE_K * (chunks) % ITEMS == 0) /* all work-items alike */
#define KEY_SHARE SHARE(TILE_K * KEY_CHUNKS)
#define VALUE_SHARE (SHARE(TILE_K * VALUE_CHUNKS / (1 + VALUES_PAIRED)) * (1 + VALUES_PAIRED))

#ifndef VALUES_ABREAST
#define VALUES_ABREAST VALUE_CHUNKS
#endif

/* Rows on their way from global to local memory: in registers, where ASYNC_COPY is 0. */
struct fetch {
    uint4 keys[ASYNC_COPY ? 1 : KEY_SHARE];
    uint4 values[ASYNC_COPY ? 1 : VALUE_SHARE];
};

INLINE struct spot key_spot(const int n) { return spot_of(n, KEY_CHUNKS, TILE_K); }

/* With pairs, two rows follow each other. */
INLINE struct spot value_spot(const int n)
{
    struct spot spot = spot_of(n / (1 + VALUES_PAIRED), VALUES_ABREAST, TILE_K / (1 + VALUES_PAIRED));
    if (VALUES_PAIRED) {
        spot.own.x *= 2;
        spot.common.x = spot.common.x * 2 + n % 2;
    }
    return spot;
}

/* Where rows of a tile are read from. */
struct source {
    const struct rows_of *rows;
    const struct keys_of *keys;
    int j0, end, g; /* end of the keys that are there */
    int columns;
    bool aligned;
};

/* Whether a tile's rows are all there and regular: then only spot.own differs between work-items, and
 * bytes to it are counted in 32 bits. */
INLINE bool plain_tile(const struct source *from)
{
    return !SCATTERED && from->aligned && from->j0 + TILE_K <= from->end && (ulong)from->rows->at.z < (1 << 22);
}

/* One chunk, of a plain tile or of any. */
INLINE void fetch_from(const struct source *from, uint4 *kept, __local ushort *to, const struct spot spot,
                       const bool plain)
{
    const struct rows_of *rows = from->rows;
    if (plain) {
        const long z = rows->at.z;
        const long common = key_place(from->keys, rows->at, from->j0, from->g) + spot.common.x * z + spot.common.y;
        const uint own = (uint)spot.own.x * (uint)z + (uint)spot.own.y;
        /* As a number, since compilers that see pointers add what is a work-item's own first. */
        __global const uchar *all = (__global const uchar *)((ulong)rows->values + 2 * (ulong)common) + 2 * own;
#if ASYNC_COPY
        copy_async(to, (__global const ushort *)all, true);
#else
        *kept = *(__global const uint4 *)all;
#endif
        return;
    }
    const int j = from->j0 + spot.own.x + spot.common.x, c = spot.own.y + spot.common.y;
    const bool there = j < from->end;
    const long row = key_place(from->keys, rows->at, there ? j : 0, from->g);
    fetch_chunk(kept, to, rows->values, row, there, c, from->columns, from->aligned);
}

INLINE void fetch_some_keys(struct fetch *fetch, __local ushort *tile, const struct source *from, const bool plain)
{
    UNROLL
    for (int n = 0; n < KEY_SHARE; n++) {
        const struct spot spot = key_spot(n);
        const int2 at = spot.own + spot.common;
        if (ALL_SHARE(KEY_CHUNKS) || at.y < KEY_CHUNKS * 8) {
            fetch_from(from, &fetch->keys[ASYNC_COPY ? 0 : n], tile + KEY_AT(at.x, at.y), spot, plain);
        }
    }
}

INLINE void fetch_some_values(struct fetch *fetch, __local ushort *tile, const struct source *from, const bool plain)
{
    UNROLL
    for (int n = 0; n < VALUE_SHARE; n++) {
        const struct spot spot = value_spot(n);
        const int2 at = spot.own + spot.common;
        if (ALL_SHARE(VALUE_CHUNKS / (1 + VALUES_PAIRED)) || at.y < VALUE_CHUNKS * 8) {
            fetch_from(from, &fetch->values[ASYNC_COPY ? 0 : n], tile + VALUE_AT(at.x, at.y), spot, plain);
        }
    }
}

INLINE void fetch_keys(struct fetch *fetch, __local ushort *tile, const struct rows_of *rows,
                       const struct keys_of *keys, const int j0, const int end, const int g, const bool aligned)
{
    const struct source from = {rows, keys, j0, end, g, HEAD_DIM, aligned};
    if (plain_tile(&from)) {
        fetch_some_keys(fetch, tile, &from, true);
    } else {
        fetch_some_keys(fetch, tile, &from, false);
    }
}

INLINE void fetch_values(struct fetch *fetch, __local ushort *tile, const struct rows_of *rows,
                         const struct keys_of *keys, const int j0, const int end, const int g, const bool aligned)
{
    const struct source from = {rows, keys, j0, end, g, VALUE_DIM, aligned};
    if (plain_tile(&from)) {
        fetch_some_values(fetch, tile, &from, true);
    } else {
        fetch_some_values(fetch, tile, &from, false);
    }
}

/* What was fetched is in its place after this and a barrier. */
INLINE void place_keys(const struct fetch *fetch, __local ushort *tile)
{
#if !ASYNC_COPY
    UNROLL
    for (int n = 0; n < KEY_SHARE; n++) {
        const struct spot spot = key_spot(n);
        const int2 at = spot.own + spot.common;
        if (ALL_SHARE(KEY_CHUNKS) || at.y < KEY_CHUNKS * 8) {
            put_chunk(tile + KEY_AT(at.x, at.y), fetch->keys[n]);
        }
    }
#endif
}

INLINE void place_values(const struct fetch *fetch, __local ushort *tile)
{
#if !ASYNC_COPY
    UNROLL
    for (int n = 0; n < VALUE_SHARE; n += 1 + VALUES_PAIRED) {
        const struct spot spot = value_spot(n);
        const int2 at = spot.own + spot.common;
        if (!ALL_SHARE(VALUE_CHUNKS / (1 + VALUES_PAIRED)) && at.y >= VALUE_CHUNKS * 8) {
            continue;
        }
        if (!VALUES_PAIRED) {
            put_chunk(tile + VALUE_AT(at.x, at.y), fetch->values[n]);
            continue;
        }
        const uint4 even = fetch->values[n], odd = fetch->values[n + VALUES_PAIRED];
        UNROLL
        for (int c = 0; c < 8; c += 2) {
            *(__local uint *)(tile + VALUE_AT(at.x, at.y + c)) = lower_halves(even[c / 2], odd[c / 2]);
            *(__local uint *)(tile + VALUE_AT(at.x, at.y + c + 1)) = upper_halves(even[c / 2], odd[c / 2]);
        }
    }
#endif
}
