/* y = act(x W^T + bias) [* (x U^T + bias)] [+ residual] on matrix engines, over the fragment layer of
 * matrix/engine.h: rows of x are its queries, rows of weight its keys.
 *
 * A work-group owns TILE_ROWS x PANEL of y and goes through in_dim STEPS * 16 columns at a time.  Both
 * tiles of these columns are in local memory, twice: the next are fetched into the other stage while
 * the present ones are multiplied, so that one barrier a round is enough.  Its sub-groups (teams) are
 * a grid of ROW_TEAMS x COLUMN_TEAMS; each keeps ROW_BLOCKS x COLUMN_BLOCKS blocks of results in
 * registers.  Gated, half of a team's weight rows are W's and half U's, of the same outputs.
 * Results go through local memory, so that they are finished and stored in the order of y's rows.
 *
 * Launch: local {SUBGROUP * TEAMS, 1, 1}, one group per {panel of outputs, tile of rows, batch}.
 * Local:  2 * (TILE_ROWS + TILE_WEIGHTS) * (STEPS * 16 + 8) halves, or TEAMS * QUERIES rows of results.
 * Memory: ROW_BLOCKS * COLUMN_BLOCKS * SCORES floats per work-item, and operands.
 * Params: TYPE (of x, weight and bias: F16 or BF16), OUT_TYPE (of residual, too), WITH_BIAS,
 *         WITH_RESIDUAL, GATED, ACTIVATION, ROW_TEAMS, COLUMN_TEAMS, ROW_BLOCKS, COLUMN_BLOCKS (gated:
 *         even), STEPS, and those of matrix/engine.h. */
#include "base.h"
#include "gemm/finish.h"

#define TEAM_WEIGHTS (COLUMN_BLOCKS * 16)
#define TILE_WEIGHTS (COLUMN_TEAMS * TEAM_WEIGHTS)

#define HEAD_STEPS STEPS
#define VALUE_STEPS STEPS
#define KEY_BLOCKS (TILE_WEIGHTS / 16)
#define TILE_K TILE_WEIGHTS
#define STAGES 2
#define PAIRS 0 /* with few rows no two teams have the same weights */
#include "matrix/engine.h"

#define TEAMS (ROW_TEAMS * COLUMN_TEAMS)
#define ITEMS (SUBGROUP * TEAMS)
#include "matrix/chunk.h"

#define TEAM_ROWS (ROW_BLOCKS * QUERIES)
#define TEAM_OUTPUTS (TEAM_WEIGHTS / (1 + GATED))
#define TILE_ROWS (ROW_TEAMS * TEAM_ROWS)
#define PANEL (COLUMN_TEAMS * TEAM_OUTPUTS)

/* Rows of x lie as those of weight do, or 16 bytes longer than they are where these are not apart. */
#define ROW_PITCH (KEY_AT(16, 0) / 16 > STEPS * 16 ? KEY_AT(16, 0) / 16 : STEPS * 16 + 8)
#define ROW_TILE (TILE_ROWS * ROW_PITCH)
#define STAGE (ROW_TILE + KEY_TILE)
#define RESULT_PITCH (TEAM_WEIGHTS + 4)
#define RESULTS (2 * TEAMS * QUERIES * RESULT_PITCH) /* in halves */
#define LOCAL_HALVES (STAGES * STAGE > RESULTS ? STAGES * STAGE : RESULTS)

/* ---- Tiles ------------------------------------------------------------------------------------ */

#define CHUNKS (STEPS * 2) /* of a row */
#define ROW_SHARE SHARE(TILE_ROWS * CHUNKS)
#define WEIGHT_SHARE SHARE(TILE_WEIGHTS * CHUNKS)

/* Row and column of a work-item's n-th chunk of a tile, and whether there is one: where all have as
 * many, there is. */
INLINE int2 chunk_of(const int n, const int rows)
{
    const struct spot spot = spot_of(n, CHUNKS, rows);
    return spot.own + spot.common;
}
INLINE bool is_chunk(const int2 at, const int rows) { return rows * CHUNKS % ITEMS == 0 || at.y < CHUNKS * 8; }

/* What a work-item brings: where its rows begin.  Rows behind the last one repeat it; what becomes of
 * them is not stored. */
struct share {
    __global const void *x, *weight;
    long x_row[ROW_SHARE], weight_row[WEIGHT_SHARE];
    bool aligned;
};

/* Chunks on their way: in registers, where ASYNC_COPY is 0. */
struct fetch {
    uint4 x[ASYNC_COPY ? 1 : ROW_SHARE];
    uint4 weight[ASYNC_COPY ? 1 : WEIGHT_SHARE];
};

/* The row of weight that is row t of the tile whose first output is o0. */
static inline int weight_row_of(const int t, const int o0, const int out_dim)
{
    const int o = min(o0 + t / TEAM_WEIGHTS * TEAM_OUTPUTS + t % TEAM_OUTPUTS, out_dim - 1);
    return t % TEAM_WEIGHTS < TEAM_OUTPUTS ? o : out_dim + o;
}

INLINE void find_share(struct share *share, const long4 x_at, const int b, const int i0, const int rows,
                       const long4 weight_at, const int o0, const int out_dim)
{
    UNROLL
    for (int n = 0; n < ROW_SHARE; n++) {
        share->x_row[n] = place(x_at, b, min(i0 + chunk_of(n, TILE_ROWS).x, rows - 1), 0);
    }
    UNROLL
    for (int n = 0; n < WEIGHT_SHARE; n++) {
        share->weight_row[n] = place(weight_at, 0, weight_row_of(chunk_of(n, TILE_WEIGHTS).x, o0, out_dim), 0);
    }
}

/* Of both tiles, the columns from column0 on. */
INLINE void fetch_tiles(struct fetch *fetch, __local ushort *stage, const struct share *share, const int column0,
                        const int in_dim, const bool aligned)
{
    UNROLL
    for (int n = 0; n < ROW_SHARE; n++) {
        const int2 at = chunk_of(n, TILE_ROWS);
        const int column = column0 + at.y;
        if (is_chunk(at, TILE_ROWS)) {
            fetch_chunk(&fetch->x[ASYNC_COPY ? 0 : n], stage + at.x * ROW_PITCH + at.y, share->x, share->x_row[n],
                        column < in_dim, column, in_dim, aligned);
        }
    }
    UNROLL
    for (int n = 0; n < WEIGHT_SHARE; n++) {
        const int2 at = chunk_of(n, TILE_WEIGHTS);
        const int column = column0 + at.y;
        if (is_chunk(at, TILE_WEIGHTS)) {
            fetch_chunk(&fetch->weight[ASYNC_COPY ? 0 : n], stage + ROW_TILE + KEY_AT(at.x, at.y), share->weight,
                        share->weight_row[n], column < in_dim, column, in_dim, aligned);
        }
    }
    end_copies();
}

/* One branch for all. */
INLINE void fetch_columns(struct fetch *fetch, __local ushort *stage, const struct share *share, const int column0,
                          const int in_dim)
{
    if (share->aligned) {
        fetch_tiles(fetch, stage, share, column0, in_dim, true);
    } else {
        fetch_tiles(fetch, stage, share, column0, in_dim, false);
    }
}

/* What was fetched is in its place after this and a barrier. */
INLINE void place_tiles(const struct fetch *fetch, __local ushort *stage)
{
    wait_copies();
#if !ASYNC_COPY
    UNROLL
    for (int n = 0; n < ROW_SHARE; n++) {
        const int2 at = chunk_of(n, TILE_ROWS);
        if (is_chunk(at, TILE_ROWS)) {
            put_chunk(stage + at.x * ROW_PITCH + at.y, fetch->x[n]);
        }
    }
    UNROLL
    for (int n = 0; n < WEIGHT_SHARE; n++) {
        const int2 at = chunk_of(n, TILE_WEIGHTS);
        if (is_chunk(at, TILE_WEIGHTS)) {
            put_chunk(stage + ROW_TILE + KEY_AT(at.x, at.y), fetch->weight[n]);
        }
    }
#endif
}

INLINE void multiply_tiles(const struct engine *engine, block sum[ROW_BLOCKS][COLUMN_BLOCKS],
                           __local const ushort *stage, const int team_row, const int team_column)
{
    UNROLL
    for (int s = 0; s < STEPS; s++) {
        row_part x[ROW_BLOCKS];
        UNROLL
        for (int n = 0; n < ROW_BLOCKS; n++) {
            x[n] = load_row_part(engine, stage + (team_row * TEAM_ROWS + n * QUERIES) * ROW_PITCH + s * 16, ROW_PITCH);
        }
        UNROLL
        for (int t = 0; t < COLUMN_BLOCKS; t++) {
            const column_part weight =
                load_key_part(engine, stage + ROW_TILE, team_column * TEAM_WEIGHTS + t * 16, s * 16);
            UNROLL
            for (int n = 0; n < ROW_BLOCKS; n++) {
                sum[n][t] = multiply(engine, weight, x[n], sum[n][t]);
            }
        }
    }
}

/* ---- The kernel ------------------------------------------------------------------------------- */

__kernel SUBGROUPS OCCUPANCY __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void MATRIX_KERNEL(__global const void *x, const long4 x_at, __global const void *weight, const long4 weight_at,
                   __global const void *bias, const long4 bias_at, __global const void *residual,
                   const long4 residual_at, __global void *y, const long4 y_at, const int rows, const int out_dim,
                   const int in_dim)
{
    __local ushort tile[LOCAL_HALVES] __attribute__((aligned(16)));
    __local float exchange[TEAMS * EXCHANGE];
    const int team = team_id(), lane = lane_id(), team_row = team / COLUMN_TEAMS, team_column = team % COLUMN_TEAMS;
    const struct engine engine = {lane, exchange + team * EXCHANGE};
    const int b = get_group_id(2), i0 = get_group_id(1) * TILE_ROWS, o0 = get_group_id(0) * PANEL;
    struct share share = {.x = x, .weight = weight, .aligned = rows_aligned(x_at, in_dim) && rows_aligned(weight_at, in_dim)};
    struct fetch fetch;
    if (i0 >= rows) {
        return;
    }
    find_share(&share, x_at, b, i0, rows, weight_at, o0, out_dim);

    block sum[ROW_BLOCKS][COLUMN_BLOCKS];
    UNROLL
    for (int n = 0; n < ROW_BLOCKS; n++) {
        UNROLL
        for (int t = 0; t < COLUMN_BLOCKS; t++) {
            sum[n][t] = no_scores();
        }
    }

    fetch_columns(&fetch, tile, &share, 0, in_dim);
    for (int round = 0; round * STEPS * 16 < in_dim; round++) {
        __local ushort *const present = tile + round % 2 * STAGE, *const other = tile + (1 - round % 2) * STAGE;
        place_tiles(&fetch, present);
        barrier(CLK_LOCAL_MEM_FENCE);
        if ((round + 1) * STEPS * 16 < in_dim) {
            fetch_columns(&fetch, other, &share, (round + 1) * STEPS * 16, in_dim);
        }
        multiply_tiles(&engine, sum, present, team_row, team_column);
    }

    __local float *const results = (__local float *)tile + team * QUERIES * RESULT_PITCH;
    UNROLL
    for (int n = 0; n < ROW_BLOCKS; n++) {
        barrier(CLK_LOCAL_MEM_FENCE);
        UNROLL
        for (int t = 0; t < COLUMN_BLOCKS; t++) {
            UNROLL
            for (int e = 0; e < SCORES; e++) {
                results[row_of(lane, slot_of(e)) * RESULT_PITCH + t * 16 + inner_of(lane, e)] = SCORE(sum[n][t], e);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        const int first_row = i0 + team_row * TEAM_ROWS + n * QUERIES, first_output = o0 + team_column * TEAM_OUTPUTS;
        for (int m = lane; m < QUERIES * TEAM_OUTPUTS; m += SUBGROUP) {
            const int i = first_row + m / TEAM_OUTPUTS, o = first_output + m % TEAM_OUTPUTS;
            __local const float *const result = results + m / TEAM_OUTPUTS * RESULT_PITCH + m % TEAM_OUTPUTS;
            if (i < rows && o < out_dim) {
                const float shift = WITH_BIAS ? load(TYPE, bias, bias_at.x + o) : 0.0f;
                const float up_shift = GATED && WITH_BIAS ? load(TYPE, bias, bias_at.x + out_dim + o) : 0.0f;
                const float up = GATED ? result[TEAM_OUTPUTS] + up_shift : 1.0f;
                finish(result[0] + shift, up, residual, place(residual_at, b, i, 0) + o, y,
                       place(y_at, b, i, 0) + o);
            }
        }
    }
}
