/* Rotary position embedding as block/rope does it, for CPU devices: lanes along the columns.  A
 * row's cos and sin are computed once and serve all heads of q and k.
 *
 * Launch: global {rows / ROWS rounded up, 1, batch}, local {1, 1, 1}.
 * Memory: 2 * ROTARY_DIM floats.
 * Params: TYPE (of q and k), HEAD_DIM, ROTARY_DIM, INTERLEAVED, TABLES, TABLE_TYPE, WIDTH, ROWS. */
#include "base.h"
#include "wide.h"
#include "block/arguments.h"
#include "block/row.h"
#include "block/rope.h"

/* Vectors of cos and sin: of pairs, or if pairs are neighbours, of columns. */
#define VECTORS ((PAIRS + WIDTH - 1) / WIDTH * (INTERLEAVED ? 2 : 1))

/* WIDTH values, of which only the first left are there; the others are 0 and not stored. */
static inline vfloat load_part(const int type, __global const void *values, const long index, const int left)
{
    if (left >= WIDTH) {
        return load_wide(type, values, index);
    }
    float lane[WIDTH];
    for (int n = 0; n < WIDTH; n++) {
        lane[n] = n < left ? load(type, values, index + n) : 0.0f;
    }
    return JOIN(vload, WIDTH)(0, lane);
}

static inline void store_part(const int type, __global void *values, const long index, const vfloat value,
                              const int left)
{
    if (left >= WIDTH) {
        store_wide(type, values, index, value);
        return;
    }
    float lane[WIDTH];
    JOIN(vstore, WIDTH)(value, 0, lane);
    for (int n = 0; n < left; n++) {
        store(type, values, index + n, lane[n]);
    }
}

/* Of angles given in turns, -1 <= turns <= 1, to 1e-7.  The nearest quarter turn is taken off: an
 * eighth at most is left, for the first terms of both series. */
static inline void sin_cos(const vfloat turns, vfloat *sine, vfloat *cosine)
{
    const vfloat shifted = fma(turns, (vfloat)(4.0f), (vfloat)(12582912.0f));
    const vint quarter = JOIN(as_int, WIDTH)(shifted);
    const vfloat angle = 6.28318530717958647693f * fma(shifted - 12582912.0f, (vfloat)(-0.25f), turns);
    const vfloat z = angle * angle;
    vfloat s = fma(z, (vfloat)(2.7557319e-6f), (vfloat)(-1.9841270e-4f));
    s = fma(z, s, (vfloat)(8.3333333e-3f));
    s = fma(z, s, (vfloat)(-1.6666667e-1f));
    s = fma(z * angle, s, angle);
    vfloat c = fma(z, (vfloat)(2.4801587e-5f), (vfloat)(-1.3888889e-3f));
    c = fma(z, c, (vfloat)(4.1666667e-2f));
    c = fma(z, c, (vfloat)(-0.5f));
    c = fma(z, c, (vfloat)(1.0f));
    const vint odd = (quarter & 1) != 0;
    const vfloat sin_part = odd ? c : s, cos_part = odd ? s : c;
    *sine = (quarter & 2) != 0 ? -sin_part : sin_part;
    *cosine = ((quarter + 1) & 2) != 0 ? -cos_part : cos_part;
}

static inline void angles(vfloat *sine, vfloat *cosine, __global const void *frequencies, const int c,
                          const long position, const float magnitude)
{
    const vfloat at = (float)position;
    const vfloat large = load_wide(F32, frequencies, c), small = load_wide(F32, frequencies, PITCH + c);
    const vfloat product = at * large, rest = fma(at, large, -product) + at * small;
    sin_cos(product - rint(product) + rest, sine, cosine);
    *sine *= magnitude;
    *cosine *= magnitude;
}

/* Interleaved, each number stands for both columns of its pair; the sine is negative for the first. */
static inline void keep(vfloat sines[VECTORS], vfloat cosines[VECTORS], const int n, const vfloat sine,
                        const vfloat cosine)
{
    if (!INTERLEAVED) {
        sines[n] = sine;
        cosines[n] = cosine;
        return;
    }
    sines[2 * n].even = -sine.lo;
    sines[2 * n].odd = sine.lo;
    sines[2 * n + 1].even = -sine.hi;
    sines[2 * n + 1].odd = sine.hi;
    cosines[2 * n].even = cosines[2 * n].odd = cosine.lo;
    cosines[2 * n + 1].even = cosines[2 * n + 1].odd = cosine.hi;
}

static inline void turn_halves(__global const void *x, const long from, __global void *y, const long to,
                               const vfloat sines[VECTORS], const vfloat cosines[VECTORS])
{
    for (int c = 0; c < PAIRS; c += WIDTH) {
        const int left = PAIRS - c;
        const vfloat sine = sines[c / WIDTH], cosine = cosines[c / WIDTH];
        const vfloat first = load_part(TYPE, x, from + c, left), second = load_part(TYPE, x, from + PAIRS + c, left);
        store_part(TYPE, y, to + c, first * cosine - second * sine, left);
        store_part(TYPE, y, to + PAIRS + c, second * cosine + first * sine, left);
    }
}

static inline void turn_neighbours(__global const void *x, const long from, __global void *y, const long to,
                                   const vfloat sines[VECTORS], const vfloat cosines[VECTORS])
{
    for (int c = 0; c < ROTARY_DIM; c += WIDTH) {
        const vfloat value = load_part(TYPE, x, from + c, ROTARY_DIM - c);
        vfloat other;
        other.even = value.odd;
        other.odd = value.even;
        store_part(TYPE, y, to + c, value * cosines[c / WIDTH] + other * sines[c / WIDTH], ROTARY_DIM - c);
    }
}

static inline void turn(IN(x), OUT(y), const int heads, const int b, const int i, const vfloat sines[VECTORS],
                        const vfloat cosines[VECTORS])
{
    for (int h = 0; h < heads; h++) {
        const long from = place(x_at, b, i, h), to = place(y_at, b, i, h);
        if (INTERLEAVED) {
            turn_neighbours(x, from, y, to, sines, cosines);
        } else {
            turn_halves(x, from, y, to, sines, cosines);
        }
        for (int c = ROTARY_DIM; c < HEAD_DIM; c += WIDTH) {
            store_part(TYPE, y, to + c, load_part(TYPE, x, from + c, HEAD_DIM - c), HEAD_DIM - c);
        }
    }
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void block_rope_wide(ROPE_ARGUMENTS)
{
    const int i0 = get_group_id(0) * ROWS, b = get_group_id(2);
    vfloat sines_of_row[VECTORS], cosines_of_row[VECTORS];
    for (int i = i0; i < min(i0 + ROWS, rows); i++) {
        const long position = position_of(positions, positions_at, start, start_at, b, i);
        const bool by_position = positions || start;
        const long cos_row = table_row(cosines_at, by_position, position, cache_rows, b, i);
        const long sin_row = table_row(sines_at, by_position, position, cache_rows, b, i);
        for (int c = 0; c < PAIRS; c += WIDTH) {
            vfloat sine, cosine;
            if (!TABLES) {
                angles(&sine, &cosine, frequencies, c, position, magnitude);
            } else {
                const int left = cos_row < 0 ? 0 : PAIRS - c;
                sine = load_part(TABLE_TYPE, sines, sin_row + c, left);
                cosine = load_part(TABLE_TYPE, cosines, cos_row + c, left);
            }
            keep(sines_of_row, cosines_of_row, c / WIDTH, sine, cosine);
        }
        turn(q, q_at, q_out, q_out_at, q_heads, b, i, sines_of_row, cosines_of_row);
        turn(k, k_at, k_out, k_out_at, k_heads, b, i, sines_of_row, cosines_of_row);
    }
}
