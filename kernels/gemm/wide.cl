/* y = act(x W^T + bias) [* (x U^T + bias)] [+ residual] for CPU devices: outputs in the lanes, weights packed.
 *
 * gemm/pack_wide has put f32 weights of PANEL = VECTORS * WIDTH outputs side by side,
 * [panel][in_dim][PANEL], so that a register tile of TILE rows x VECTORS vectors needs
 * one broadcast of x per row and reads the weights in order.  in_dim goes in chunks
 * that keep a panel's part in the cache while BLOCK rows pass over it.  f32 is read in
 * place; narrower rows of x are widened, TILE at a time; narrower weights, and those in
 * blocks (gemm/blocks.h), are not packed but widened and turned once for BLOCK rows.
 *
 * Launch: global {panels, rows / BLOCK rounded up, batch}, local {1, 1, 1}.
 * Memory: BLOCK * PANEL (twice where gated) + TILE * CHUNK floats; CHUNK * PANEL more where weights
 *         are widened.
 * Params: TYPE (of x and bias), WEIGHT_TYPE, OUT_TYPE, WITH_BIAS, WITH_RESIDUAL, GATED, ACTIVATION,
 *         WIDTH, VECTORS, TILE, CHUNK, BLOCK. */
#include "base.h"
#include "wide.h"
#include "gemm/blocks_wide.h"
#include "gemm/finish_wide.h"

#define PANEL (VECTORS * WIDTH)

/* TILE rows of x from column k0 on, side by side; rows from the last on repeat it. */
static inline void load_tile(float tile[TILE * CHUNK], __global const void *x, const long4 x_at, const int b,
                             const int i, const int rows, const int k0, const int count)
{
    for (int t = 0; t < TILE; t++) {
        const long row = place(x_at, b, min(i + t, rows - 1), 0) + k0;
        int c = 0;
        for (; c + WIDTH <= count; c += WIDTH) {
            *(vfloat_at *)(tile + t * CHUNK + c) = load_wide(TYPE, x, row + c);
        }
        for (; c < count; c++) {
            tile[t * CHUNK + c] = load(TYPE, x, row + c);
        }
    }
}

/* sum[t] += tile[t] W^T; weights lie in memory where they are f32, else widened in panel. */
static inline void multiply(vfloat (*sum)[VECTORS], const float tile[TILE * CHUNK], __global const float *const *row,
                            __global const void *packed, const long first, const vfloat *panel, const int count)
{
    vfloat part[TILE][VECTORS];
    UNROLL
    for (int t = 0; t < TILE; t++) {
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            part[t][n] = sum[t][n];
        }
    }
    for (int c = 0; c < count; c++) {
        vfloat weight[VECTORS];
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            weight[n] = WEIGHT_TYPE == F32 ? load_wide(F32, packed, first + (c * VECTORS + n) * WIDTH)
                                    : panel[c * VECTORS + n];
        }
        UNROLL
        for (int t = 0; t < TILE; t++) {
            const vfloat value = TYPE == F32 ? row[t][c] : tile[t * CHUNK + c];
            UNROLL
            for (int n = 0; n < VECTORS; n++) {
                part[t][n] = fma(value, weight[n], part[t][n]);
            }
        }
    }
    UNROLL
    for (int t = 0; t < TILE; t++) {
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            sum[t][n] = part[t][n];
        }
    }
}

/* Columns c to c + WIDTH of weight rows, turned: panel[c] has a column of WIDTH rows. */
static inline void turn(vfloat *panel, vfloat rows[WIDTH], const int c)
{
    transpose(rows);
    UNROLL
    for (int r = 0; r < WIDTH; r++) {
        panel[(c + r) * VECTORS] = rows[r];
    }
}

/* Narrow weights are not packed: columns k0 .. k0 + count of WIDTH rows, from row o on; those behind
 * the last repeat it. */
static inline void widen(vfloat *panel, __global const void *weight, const long4 weight_at, const int o,
                         const int last, const int k0, const int count)
{
    vfloat rows[WIDTH];
    int c = 0;
    for (; c + WIDTH <= count; c += WIDTH) {
        UNROLL
        for (int r = 0; r < WIDTH; r++) {
            rows[r] = load_wide(WEIGHT_TYPE, weight, place(weight_at, 0, min(o + r, last), 0) + k0 + c);
        }
        turn(panel, rows, c);
    }
    for (; c < count; c++) {
        float column[WIDTH];
        for (int r = 0; r < WIDTH; r++) {
            column[r] = load(WEIGHT_TYPE, weight, place(weight_at, 0, min(o + r, last), 0) + k0 + c);
        }
        panel[c * VECTORS] = *(vfloat_at *)column;
    }
}

/* The same from blocks. */
static inline void widen_blocks(vfloat *panel, bytes weights, const long row_step, const int o, const int last,
                                const int in_dim, const int k0, const int count)
{
    for (int c = 0; c < count; c += UNIT - (k0 + c) % UNIT) {
        const int column = (k0 + c) / UNIT * UNIT, first = (k0 + c - column) / GROUP;
        const int end = min(UNIT, min(in_dim, k0 + count) - column) / GROUP;
        float scale[WIDTH][SCALES], least[WIDTH][SCALES];
        bytes unit[WIDTH];
        for (int r = 0; r < WIDTH; r++) {
            unit[r] = weights + min(o + r, last) * row_step + column / UNIT * UNIT_BYTES;
            unit_scales(unit[r], end, scale[r], least[r]);
        }
        for (int g = first; g < end; g++) {
            for (int v = 0; v < GROUP_VECTORS; v++) {
                vfloat rows[WIDTH];
                UNROLL
                for (int r = 0; r < WIDTH; r++) {
                    rows[r] = group_numbers(unit[r], 0, g, v) * scale[r][g] + (HAS_LEAST ? least[r][g] : 0.0f);
                }
                turn(panel, rows, column + g * GROUP + v * WIDTH - k0);
            }
        }
    }
}

/* sum[i] = rows of x W^T + bias from i0 on, for the columns of a panel: outputs from o on. */
INLINE void multiply_panel(vfloat (*sum)[VECTORS], __global const void *x, const long4 x_at,
                                  __global const void *weight, const long4 weight_at, __global const void *bias,
                                  const long4 bias_at, const int b, const int i0, const int rows, const int p,
                                  const int o, const int columns, const int in_dim)
{
    const int count_rows = min(BLOCK, rows - i0);
    vfloat panel[WEIGHT_TYPE == F32 ? 1 : CHUNK * VECTORS];
    float tile[TILE * CHUNK], start[PANEL];
    for (int c = 0; c < PANEL; c++) {
        start[c] = WITH_BIAS && c < columns ? load(TYPE, bias, bias_at.x + o + c) : 0.0f;
    }
    for (int i = 0; i < count_rows + TILE - 1 && i < BLOCK; i++) {
        for (int n = 0; n < VECTORS; n++) {
            sum[i][n] = *(const vfloat_at *)(start + n * WIDTH);
        }
    }
    for (int k0 = 0; k0 < in_dim; k0 += CHUNK) {
        const int count = min(CHUNK, in_dim - k0);
        const long packed = weight_at.x + ((long)p * in_dim + k0) * PANEL;
        for (int n = 0; WEIGHT_TYPE != F32 && n < VECTORS; n++) {
            const int first = o + n * WIDTH, last = o + columns - 1;
            if (WEIGHT_TYPE < Q8_0) {
                widen(panel + n, weight, weight_at, first, last, k0, count);
            } else {
                widen_blocks(panel + n, (bytes)weight + weight_at.x, weight_at.z, first, last, in_dim, k0, count);
            }
        }
        for (int i = 0; i < count_rows; i += TILE) {
            __global const float *row[TILE];
            UNROLL
            for (int t = 0; t < TILE; t++) {
                row[t] = (__global const float *)x + place(x_at, b, min(i0 + i + t, rows - 1), 0) + k0;
            }
            if (TYPE != F32) {
                load_tile(tile, x, x_at, b, i0 + i, rows, k0, count);
            }
            multiply(sum + i, tile, row, weight, packed, panel, count);
        }
    }
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void gemm_wide(__global const void *x, const long4 x_at, __global const void *weight, const long4 weight_at,
               __global const void *bias, const long4 bias_at, __global const void *residual,
               const long4 residual_at, __global void *y, const long4 y_at, const int rows, const int out_dim,
               const int in_dim)
{
    const int p = get_group_id(0), b = get_group_id(2), i0 = get_group_id(1) * BLOCK, o = p * PANEL;
    const int columns = min(PANEL, out_dim - o), panels = (out_dim + PANEL - 1) / PANEL;
    vfloat sum[1 + GATED][BLOCK][VECTORS];
    if (i0 >= rows) {
        return;
    }
    for (int part = 0; part < 1 + GATED; part++) {
        multiply_panel(sum[part], x, x_at, weight, weight_at, bias, bias_at, b, i0, rows, part * panels + p,
                       part * out_dim + o, columns, in_dim);
    }
    for (int i = 0; i < min(BLOCK, rows - i0); i++) {
        const long from = place(residual_at, b, i0 + i, 0) + o, to = place(y_at, b, i0 + i, 0) + o;
        for (int n = 0; n * WIDTH < columns; n++) {
            finish_wide(sum[0][i][n], sum[GATED][i][n], residual, from + n * WIDTH, y, to + n * WIDTH,
                        columns - n * WIDTH);
        }
    }
}
