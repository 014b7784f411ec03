/* RMSNorm and LayerNorm as block/norm does them, for CPU devices: lanes along the columns.
 *
 * A row comes from memory once, in the walk that measures it, and is in the nearest cache when it
 * is written.  LayerNorm takes both sums in that walk, about a number near the mean:
 *
 *   variance = mean of (x - centre)^2  -  (mean of x - centre)^2
 *
 * which loses digits where the centre is far from the mean.  It is the mean of the first part of
 * the columns, a SHARE-th of them.  By Cauchy and Schwarz its squared distance from the mean is at
 * most SHARE variances, whatever the row holds, so at most a few bits are lost.
 *
 * Launch: global {rows / ROWS rounded up, 1, batch}, local {1, 1, 1}.
 * Params: ABOUT_MEAN (LayerNorm), WIDTH, ROWS, and those of norm.h. */
#include "base.h"
#include "wide.h"
#include "block/arguments.h"
#include "block/norm.h"
#include "block/row.h"

#define ROUNDED_SUM (WITH_SUM && TYPE != F32)
#define SHARE 16

static inline vfloat fresh_wide(const struct row *row, const int c)
{
    const vfloat value = load_wide(TYPE, row->x, row->x_at + c);
    return WITH_RESIDUAL ? value + load_wide(TYPE, row->residual, row->residual_at + c) : value;
}

static inline vfloat take_wide(const struct row *row, const int c)
{
    const vfloat value = fresh_wide(row, c);
    if (WITH_SUM) {
        store_wide(TYPE, row->sum, row->sum_at + c, value);
    }
    return ROUNDED_SUM ? load_wide(TYPE, row->sum, row->sum_at + c) : value;
}

static inline vfloat again_wide(const struct row *row, const int c)
{
    return WITH_SUM ? load_wide(TYPE, row->sum, row->sum_at + c) : fresh_wide(row, c);
}

static inline void finish_wide(const struct row *row, const int c, vfloat value)
{
    if (WITH_WEIGHT) {
        value *= load_wide(WEIGHT_TYPE, row->weight, row->weight_at + c);
    }
    if (WITH_BIAS) {
        value += load_wide(WEIGHT_TYPE, row->bias, row->bias_at + c);
    }
    store_wide(OUT_TYPE, row->y, row->y_at + c, value);
}

static inline float centre_of(const struct row *row, const int columns)
{
    const int part = columns < SHARE * BLOCK ? min(columns, BLOCK) : columns / SHARE;
    vfloat sum = 0.0f;
    float rest = 0.0f;
    int c = 0;
    for (; c + WIDTH <= part; c += WIDTH) {
        sum += fresh_wide(row, c);
    }
    for (; c < part; c++) {
        rest += fresh(row, c);
    }
    return (lanes_sum(sum) + rest) / part;
}

/* The means of x - centre and of its square. */
static inline float2 measure(const struct row *row, const float centre, const int columns)
{
    vfloat first[CHAINS], second[CHAINS];
    float2 rest = 0.0f;
    int c = 0;
    UNROLL
    for (int n = 0; n < CHAINS; n++) {
        first[n] = second[n] = 0.0f;
    }
    for (; c + BLOCK <= columns; c += BLOCK) {
        UNROLL
        for (int n = 0; n < CHAINS; n++) {
            const vfloat value = take_wide(row, c + n * WIDTH), d = ABOUT_MEAN ? value - centre : value;
            first[n] += d;
            second[n] = fma(d, d, second[n]);
        }
    }
    for (; c < columns; c++) {
        const float d = take(row, c) - centre;
        rest += (float2)(d, d * d);
    }
    return (rest + (float2)(lanes_sum(first[0] + first[1]), lanes_sum(second[0] + second[1]))) / columns;
}

static inline void write(const struct row *row, const float centre, const float off, const float scale,
                         const int columns)
{
    int c = 0;
    for (; c + WIDTH <= columns; c += WIDTH) {
        const vfloat value = again_wide(row, c);
        finish_wide(row, c, (ABOUT_MEAN ? value - centre - off : value) * scale);
    }
    for (; c < columns; c++) {
        finish(row, c, (again(row, c) - centre - off) * scale);
    }
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void block_norm_wide(NORM_ARGUMENTS)
{
    const int i0 = get_group_id(0) * ROWS, b = get_group_id(2);
    for (int i = i0; i < min(i0 + ROWS, rows); i++) {
        for (int h = 0; h < heads; h++) {
            const struct row row = ROW(b, i, h);
            const float centre = ABOUT_MEAN ? centre_of(&row, columns) : 0.0f;
            const float2 about = measure(&row, centre, columns);
            const float off = ABOUT_MEAN ? about.x : 0.0f;
            const float scale = rsqrt(about.y - off * off + epsilon);
            write(&row, centre, off, scale, columns);
            if (mean) {
                store(F32, mean, place(mean_at, b, i, h), centre + off);
            }
            if (inverse) {
                store(F32, inverse, place(inverse_at, b, i, h), scale);
            }
        }
    }
}
