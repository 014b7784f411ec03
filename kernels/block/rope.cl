/* Rotary position embedding, one work-item per pair of columns of a row: (x, x') becomes
 * (x cos - x' sin, x' cos + x sin) in every head.  Columns from ROTARY_DIM on are kept.
 *
 * Launch: global {PAIRS rounded up, rows, batch}; any local size.
 * Params: TYPE (of q and k), HEAD_DIM, ROTARY_DIM, INTERLEAVED (pairs 2c, 2c + 1 instead of c,
 *         c + PAIRS), TABLES (the caller's cos and sin, of TABLE_TYPE), ITEMS. */
#include "base.h"
#include "block/arguments.h"
#include "block/rope.h"

static inline void turn(IN(x), OUT(y), const int heads, const int b, const int i, const int pair,
                        const float cosine, const float sine)
{
    const int first = INTERLEAVED ? 2 * pair : pair, second = INTERLEAVED ? first + 1 : pair + PAIRS;
    for (int h = 0; h < heads; h++) {
        const long from = place(x_at, b, i, h), to = place(y_at, b, i, h);
        const float a = load(TYPE, x, from + first), c = load(TYPE, x, from + second);
        store(TYPE, y, to + first, a * cosine - c * sine);
        store(TYPE, y, to + second, c * cosine + a * sine);
        for (int n = ROTARY_DIM + pair; n < HEAD_DIM; n += PAIRS) {
            store(TYPE, y, to + n, load(TYPE, x, from + n));
        }
    }
}

__kernel void block_rope(ROPE_ARGUMENTS)
{
    const int pair = get_global_id(0), i = get_global_id(1), b = get_global_id(2);
    if (pair >= PAIRS || i >= rows) {
        return;
    }
    const long position = position_of(positions, positions_at, start, start_at, b, i);
    float cosine = 0.0f, sine = 0.0f;
    if (TABLES) {
        const bool by_position = positions || start;
        const long cos_row = table_row(cosines_at, by_position, position, cache_rows, b, i);
        const long sin_row = table_row(sines_at, by_position, position, cache_rows, b, i);
        if (cos_row >= 0) {
            cosine = load(TABLE_TYPE, cosines, cos_row + pair);
            sine = load(TABLE_TYPE, sines, sin_row + pair);
        }
    } else {
        const float turns = turns_of(frequencies, pair, position);
        cosine = magnitude * cospi(2.0f * turns);
        sine = magnitude * sinpi(2.0f * turns);
    }
    turn(q, q_at, q_out, q_out_at, q_heads, b, i, pair, cosine, sine);
    turn(k, k_at, k_out, k_out_at, k_heads, b, i, pair, cosine, sine);
}
