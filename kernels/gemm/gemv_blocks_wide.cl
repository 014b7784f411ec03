/* y = act(x W^T + bias) [* (x U^T + bias)] [+ residual] for few rows and weights in blocks, on CPU
 * devices: each weight read once, as it lies.
 *
 * Lanes along in_dim.  As a group of columns shares scale and least,
 *
 *   y = sum over groups of scale * (numbers . x) + least * (sum of x),
 *
 * and the sums of x serve all WIDTH outputs of a work-item.
 *
 * Launch: global {out_dim / WIDTH rounded up, 1, batch}, local {1, 1, 1}.
 * Memory: ROWS * WIDTH vectors and numbers, twice where gated, SPAN * SCALES more.
 * Params: TYPE (of x and bias), WEIGHT_TYPE, OUT_TYPE, WITH_BIAS, WITH_RESIDUAL, GATED, ACTIVATION,
 *         WIDTH, ROWS (side by side; fewer are computed one by one). */
#include "base.h"
#include "wide.h"
#include "gemm/blocks_wide.h"
#include "gemm/finish_wide.h"

#define SPAN 16                /* units: as much of x as stays in the nearest cache */
#define SUMS (SPAN * SCALES) /* of the groups of a span, for all its rows */
#define STEP (SCALES / 2) /* groups at once; all of them, and scales would not stay in memory */

/* sums[g] = sum of x over group g */
static inline void sum_groups(__global const void *x, const long at, const int groups, float sums[SUMS])
{
    for (int g = 0; g < groups; g += WIDTH) {
        vfloat part[WIDTH];
        UNROLL
        for (int i = 0; i < WIDTH; i++) {
            part[i] = 0.0f;
            UNROLL
            for (int n = 0; n < GROUP_VECTORS && g + i < groups; n++) {
                part[i] += load_wide(TYPE, x, at + (g + i) * GROUP + n * WIDTH);
            }
        }
        *(vfloat_at *)(sums + g) = sum_each(part);
    }
}

/* What count groups, a unit's or one, add to the sums of rows. */
INLINE void add_unit(const int rows, const int count, __global const void *x, const long at[ROWS], const long column,
                     bytes unit, const float *sums, vfloat sum[ROWS][2], float8 rest[ROWS])
{
    float scale[SCALES], least[SCALES];
    unit_scales(unit, count, scale, least);
    UNROLL
    for (int r = 0; r < rows && HAS_LEAST; r++) {
        rest[r] = fma(*(const float8_at *)least, *(const float8_at *)(sums + r * (SUMS / rows)), rest[r]);
    }
    PRAGMA(unroll 1)
    for (int g = 0; g < count; g += STEP) {
        UNROLL
        for (int e = 0; e < STEP && e < count; e++) {
            vfloat number[GROUP_VECTORS];
            UNROLL
            for (int n = 0; n < GROUP_VECTORS; n++) {
                number[n] = group_numbers(unit, g, e, n);
            }
            UNROLL
            for (int r = 0; r < rows; r++) {
                vfloat product = 0.0f;
                UNROLL
                for (int n = 0; n < GROUP_VECTORS; n++) {
                    const vfloat value = load_wide(TYPE, x, at[r] + column + (g + e) * GROUP + n * WIDTH);
                    product = n == 0 ? number[n] * value : fma(number[n], value, product);
                }
                sum[r][e % 2] = fma(product, (vfloat)(scale[g + e]), sum[r][e % 2]);
            }
        }
    }
}

/* dot and rest of rows rows of x and one of weights, from column on: groups of columns. */
INLINE void add_span(const int rows, __global const void *x, const long at[ROWS], long column, bytes unit,
                     const int groups, const float *sums, vfloat (*dot)[WIDTH], float (*rest)[WIDTH])
{
    vfloat sum[ROWS][2];
    float8 below[ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        sum[r][0] = sum[r][1] = 0.0f;
        below[r] = 0.0f;
    }
    int g = 0;
    for (; g + SCALES <= groups; g += SCALES) {
        add_unit(rows, SCALES, x, at, column, unit, sums + g, sum, below);
        unit += UNIT_BYTES;
        column += UNIT;
    }
    for (; WEIGHT_TYPE < Q4_K && g < groups; g++) {
        add_unit(rows, 1, x, at, column, unit, sums + g, sum, below);
        unit += BLOCK_BYTES;
        column += GROUP;
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        const float4 half_way = below[r].lo + below[r].hi;
        dot[r][0] += sum[r][0] + sum[r][1];
        rest[r][0] += (half_way.x + half_way.y) + (half_way.z + half_way.w);
    }
}

/* Rows i to i + rows of y. */
INLINE void multiply_rows(const int rows, __global const void *x, const long4 x_at, __global const void *weight,
                          const long4 weight_at, __global const void *bias, const long4 bias_at,
                          __global const void *residual, const long4 residual_at, __global void *y,
                          const long4 y_at, const int i, const int out_dim, const int in_dim)
{
    const int o = get_group_id(0) * WIDTH, b = get_group_id(2), count = min(WIDTH, out_dim - o);
    vfloat dot[1 + GATED][ROWS][WIDTH];
    float rest[1 + GATED][ROWS][WIDTH], sums[SUMS];
    long at[ROWS];
    for (int r = 0; r < rows; r++) {
        at[r] = place(x_at, b, i + r, 0);
        for (int n = 0; n < (1 + GATED) * WIDTH; n++) {
            const int part = n / WIDTH, t = n % WIDTH;
            dot[part][r][t] = 0.0f;
            rest[part][r][t] = WITH_BIAS && t < count ? load(TYPE, bias, bias_at.x + part * out_dim + o + t) : 0.0f;
        }
    }
    for (int column = 0; column < in_dim; column += SPAN / rows * UNIT) {
        const int groups = min(SUMS / rows, (in_dim - column) / GROUP);
        for (int r = 0; r < rows && HAS_LEAST; r++) {
            sum_groups(x, at[r] + column, groups, sums + r * (SUMS / rows));
        }
        for (int part = 0; part < 1 + GATED; part++) {
            bytes unit = (bytes)weight + weight_at.x + (part * out_dim + o) * weight_at.z + column / UNIT * UNIT_BYTES;
            for (int t = 0; t < count; t++) {
                add_span(rows, x, at, column, unit + t * weight_at.z, groups, sums,
                         (vfloat(*)[WIDTH])(&dot[part][0][t]), (float(*)[WIDTH])(&rest[part][0][t]));
            }
        }
    }
    for (int r = 0; r < rows; r++) {
        vfloat total[1 + GATED];
        for (int part = 0; part < 1 + GATED; part++) {
            total[part] = sum_each(dot[part][r]) + *(const vfloat_at *)rest[part][r];
        }
        finish_wide(total[0], total[GATED], residual, place(residual_at, b, i + r, 0) + o, y,
                    place(y_at, b, i + r, 0) + o, count);
    }
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void gemm_gemv_blocks_wide(__global const void *x, const long4 x_at, __global const void *weight,
                           const long4 weight_at, __global const void *bias, const long4 bias_at,
                           __global const void *residual, const long4 residual_at, __global void *y,
                           const long4 y_at, const int rows, const int out_dim, const int in_dim)
{
    int i = 0;
    for (; i + ROWS <= rows; i += ROWS) {
        multiply_rows(ROWS, x, x_at, weight, weight_at, bias, bias_at, residual, residual_at, y, y_at, i,
                      out_dim, in_dim);
    }
    for (; i < rows; i++) {
        multiply_rows(1, x, x_at, weight, weight_at, bias, bias_at, residual, residual_at, y, y_at, i,
                      out_dim, in_dim);
    }
}
