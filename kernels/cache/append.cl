/* New keys and values to the end of a cache, keys turned on their way, and queries where they lie: one
 * work-item a row, all its heads, so that its angles are computed once.
 *
 * Launch: global {rows rounded up, 1, batch}; any local size.
 * Memory: 2 * ROTARY_DIM + max(HEAD_DIM, VALUE_DIM) floats.
 * Params: TYPE, KV_TYPE, HEAD_DIM, VALUE_DIM, PAGE_ROWS, RING, PACKED, ROTATE, ROTARY_DIM,
 *         INTERLEAVED, ITEMS. */
#include "base.h"
#include "block/arguments.h"
#include "block/rope.h"

#define SCALED 32 /* columns of an i8 row that share a scale */
#define MOST_COLUMNS (HEAD_DIM > VALUE_DIM ? HEAD_DIM : VALUE_DIM)

/* A row as floats to the storage type; of i8, with a scale for every SCALED columns. */
static inline void store_row(const float row[MOST_COLUMNS], OUT(cache), OUT(scale), const long entry, const long j,
                             const int g, const int columns)
{
    const long to = place(cache_at, entry, j, g);
    if (KV_TYPE != I8) {
        for (int c = 0; c < columns; c++) {
            store(KV_TYPE, cache, to + c, row[c]);
        }
        return;
    }
    const long scale_to = place(scale_at, entry, j, g);
    for (int c0 = 0; c0 < columns; c0 += SCALED) {
        const int end = min(c0 + SCALED, columns);
        float largest = 0.0f;
        for (int c = c0; c < end; c++) {
            largest = fmax(largest, fabs(row[c]));
        }
        const float inverse = largest == 0.0f ? 0.0f : 127.0f / largest;
        for (int c = c0; c < end; c++) {
            ((__global char *)cache)[to + c] = (char)rint(row[c] * inverse);
        }
        ((__global float *)scale)[scale_to + c0 / SCALED] = largest / 127.0f;
    }
}

/* The first ROTARY_DIM columns of a row, pair by pair. */
static inline void turn(float row[HEAD_DIM], const float cosine[PAIRS], const float sine[PAIRS])
{
    for (int pair = 0; pair < PAIRS; pair++) {
        const int x = INTERLEAVED ? 2 * pair : pair, y = INTERLEAVED ? x + 1 : pair + PAIRS;
        const float from = row[x];
        row[x] = from * cosine[pair] - row[y] * sine[pair];
        row[y] = row[y] * cosine[pair] + from * sine[pair];
    }
}

__kernel void cache_append(IN(k), IN(v), OUT(k_cache), OUT(v_cache), OUT(k_scale), OUT(v_scale), IN(page_table),
                           IN(kv_length), IN(start), IN(positions), OUT(q), IN(frequencies), const int rows,
                           const int heads, const int q_heads, const int total, const int capacity, const int pages,
                           const float magnitude)
{
    const int i = get_global_id(0), b = get_global_id(2);
    if (i >= rows) {
        return;
    }
    const int kb = PACKED ? 0 : b;
    int first = 0, count = rows;
    if (PACKED) {
        __global const int *begins = (__global const int *)start + start_at.x + b;
        first = clamp(begins[0], 0, total);
        count = clamp(begins[1], first, total) - first;
    }
    const long j = (long)((__global const int *)kv_length)[place(kv_length_at, b, 0, 0)] + i;
    if (i >= count) {
        return;
    }
    /* Of rows that meet in a ring the last one stays. */
    bool has_place = j >= 0 && (RING ? i >= count - capacity : j < capacity);
    long entry = b, row = j;
    if (PAGE_ROWS && has_place) {
        entry = ((__global const int *)page_table)[place(page_table_at, b, 0, 0) + j / max(PAGE_ROWS, 1)];
        row = j % max(PAGE_ROWS, 1);
        has_place = entry >= 0 && entry < pages;
    } else if (RING && has_place) {
        row = j % capacity;
    }

    float cosine[PAIRS], sine[PAIRS];
    if (ROTATE) {
        const float at = positions ? ((__global const int *)positions)[place(positions_at, kb, first + i, 0)] : (float)j;
        for (int pair = 0; pair < PAIRS; pair++) {
            const float turns = turns_of(frequencies, pair, at);
            cosine[pair] = magnitude * cospi(2.0f * turns);
            sine[pair] = magnitude * sinpi(2.0f * turns);
        }
    }
    for (int h = 0; ROTATE && q && h < q_heads; h++) {
        const long q_row = place(q_at, kb, first + i, h);
        float values[HEAD_DIM];
        for (int c = 0; c < ROTARY_DIM; c++) {
            values[c] = load(TYPE, q, q_row + c);
        }
        turn(values, cosine, sine);
        for (int c = 0; c < ROTARY_DIM; c++) {
            store(TYPE, q, q_row + c, values[c]);
        }
    }
    for (int g = 0; has_place && g < heads; g++) {
        const long k_row = place(k_at, kb, first + i, g), v_row = place(v_at, kb, first + i, g);
        float values[MOST_COLUMNS];
        for (int c = 0; c < HEAD_DIM; c++) {
            values[c] = load(TYPE, k, k_row + c);
        }
        if (ROTATE) {
            turn(values, cosine, sine);
        }
        store_row(values, k_cache, k_cache_at, k_scale, k_scale_at, entry, row, g, HEAD_DIM);
        for (int c = 0; c < VALUE_DIM; c++) {
            values[c] = load(TYPE, v, v_row + c);
        }
        store_row(values, v_cache, v_cache_at, v_scale, v_scale_at, entry, row, g, VALUE_DIM);
    }
}
