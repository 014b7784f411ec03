/* A block of rows times a panel of weights, x W^T + bias: outputs in the lanes, a register tile of
 * TILE rows x VECTORS vectors that needs one broadcast of x per row, in_dim in chunks that keep a
 * panel's part in the cache while all rows pass over it.
 *
 * gemm/pack_wide has put f32 weights of PANEL = VECTORS * WIDTH outputs side by side,
 * [panel][in_dim][PANEL], which are read in order.  f32 rows are read in place; narrower rows of x
 * are widened, TILE at a time; narrower weights, and those in blocks (gemm/blocks.h), are not packed
 * but widened and turned once for BLOCK rows.
 *
 * Memory: TILE * CHUNK floats; CHUNK * PANEL more where weights are widened.
 * Params: TYPE (of x and bias), WEIGHT_TYPE, WITH_BIAS, WIDTH, VECTORS, TILE, CHUNK, BLOCK. */
#include "gemm/blocks_wide.h"

#define PANEL (VECTORS * WIDTH)

/* Columns of TILE rows of x, side by side. */
static inline void load_tile(float tile[TILE * CHUNK], __global const void *x, const long at[TILE], const int count)
{
    for (int t = 0; t < TILE; t++) {
        const long row = at[t];
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

/* sum[i] = row i of x W^T + bias, x's rows beginning at x_row[i], for the columns of panel p: outputs
 * from o on.  Of the matrix: its weights begin at weight_at.x, its bias at bias_first. */
INLINE void multiply_panel(vfloat (*sum)[VECTORS], __global const void *x, const long x_row[BLOCK],
                           __global const void *weight, const long4 weight_at, __global const void *bias,
                           const long bias_first, const int rows, const int p, const int o, const int columns,
                           const int in_dim)
{
    vfloat panel[WEIGHT_TYPE == F32 ? 1 : CHUNK * VECTORS];
    float tile[TILE * CHUNK], start[PANEL];
    for (int c = 0; c < PANEL; c++) {
        start[c] = WITH_BIAS && c < columns ? load(TYPE, bias, bias_first + o + c) : 0.0f;
    }
    for (int i = 0; i < rows + TILE - 1 && i < BLOCK; i++) {
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
        for (int i = 0; i < rows; i += TILE) {
            long at[TILE]; /* rows from the last on repeat it */
            __global const float *row[TILE];
            UNROLL
            for (int t = 0; t < TILE; t++) {
                at[t] = x_row[min(i + t, rows - 1)] + k0;
                row[t] = (__global const float *)x + at[t];
            }
            if (TYPE != F32) {
                load_tile(tile, x, at, count);
            }
            multiply(sum + i, tile, row, weight, packed, panel, count);
        }
    }
}
