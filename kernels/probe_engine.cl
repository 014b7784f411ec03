/* Do a matrix engine's fragments hold what its header in matrix/ says?
 *
 * Two products as attention chains them, S = Q K^T and O = S V, with whole numbers so small that
 * every rounding is exact: any difference from the host's result is a wrong layout or instruction.
 *
 * Launch: one work-group of one sub-group, or of a pair, each with QUERIES of its own.
 * data:   for each of TESTS, 16 queries, TILE_K keys and TILE_K values, of COLUMNS columns each; then
 *         for each of them floats: of 16 queries TILE_K scores and COLUMNS results, then 16 sums of
 *         the scores.  Rows behind the last sub-group's are neither read nor written.
 * Params: TYPE, PAIRS (0 or 1), and those of matrix/engine.h. */
#include "base.h"

#define TILE_K 32
#define HEAD_STEPS 2
#define VALUE_STEPS 2
#define STAGES 2 /* with one copy under way, all are waited for */
#include "matrix/engine.h"

#define TESTS 3
#define COLUMNS 32
#define INPUTS ((16 + 2 * TILE_K) * COLUMNS)
#define OUTPUTS (16 * (TILE_K + COLUMNS) + 16)
#define QUERY_PITCH (COLUMNS + 8)
#define TEAMS (1 + PAIRS)
#define ITEMS (SUBGROUP * TEAMS)

/* Rows to local memory: key_tile and value_tile, as the kernels do it on this device. */
static inline void copy_rows(__local ushort *key_tile, __local ushort *value_tile, __global const ushort *keys,
                             __global const ushort *values)
{
#if ASYNC_COPY
    for (int n = get_local_id(0); n < TILE_K * COLUMNS / 8; n += ITEMS) {
        const int row = n / (COLUMNS / 8), column = n % (COLUMNS / 8) * 8;
        copy_async(key_tile + KEY_AT(row, column), keys + n * 8, true);
        copy_async(value_tile + VALUE_AT(row, column), values + n * 8, true);
    }
    end_copies();
    wait_copies();
#else
    for (int n = get_local_id(0); n < TILE_K * COLUMNS; n += ITEMS) {
        key_tile[KEY_AT(n / COLUMNS, n % COLUMNS)] = keys[n];
        value_tile[VALUE_AT(n / COLUMNS, n % COLUMNS)] = values[n];
    }
#endif
}

/* A block's numbers to their rows, from a first column on. */
static inline void write_block(__global float *out, const int lane, const int column, const block part)
{
    for (int e = 0; e < SCORES; e++) {
        out[row_of(lane, slot_of(e)) * (TILE_K + COLUMNS) + column + inner_of(lane, e)] = SCORE(part, e);
    }
}

__kernel SUBGROUPS __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void probe_engine(__global ushort *data)
{
    __local ushort query_tile[TEAMS * QUERIES * QUERY_PITCH] __attribute__((aligned(16)));
    __local ushort key_tile[KEY_TILE] __attribute__((aligned(16)));
    __local ushort value_tile[VALUE_TILE] __attribute__((aligned(16)));
    __local float exchange[TEAMS * EXCHANGE];
    const int lane = lane_id(), team = PAIRS ? team_id() : 0;
    const struct engine engine = {lane, exchange + team * EXCHANGE, team};

    for (int test = 0; test < TESTS; test++) {
        __global const ushort *queries = data + test * INPUTS, *keys = queries + 16 * COLUMNS;
        __global float *sums = (__global float *)(data + TESTS * INPUTS) + test * OUTPUTS;
        __global float *out = sums + team * QUERIES * (TILE_K + COLUMNS);
        sums += 16 * (TILE_K + COLUMNS) + team * QUERIES;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int n = get_local_id(0); n < TEAMS * QUERIES * COLUMNS; n += ITEMS) {
            query_tile[n / COLUMNS * QUERY_PITCH + n % COLUMNS] = queries[n];
        }
        copy_rows(key_tile, value_tile, keys, keys + TILE_K * COLUMNS);
        barrier(CLK_LOCAL_MEM_FENCE);

        block score[2], result[2] = {no_scores(), no_scores()};
        for (int t = 0; t < 2; t++) {
            score[t] = no_scores();
            for (int s = 0; s < 2; s++) {
                const row_part part =
                    load_row_part(&engine, query_tile + team * QUERIES * QUERY_PITCH + s * 16, QUERY_PITCH);
                score[t] = multiply(&engine, load_key_part(&engine, key_tile, t * 16, s * 16), part, score[t]);
            }
            write_block(out, lane, t * 16, score[t]);
        }
        for (int slot = 0; slot < ROWS; slot++) {
            float sum = 0.0f;
            for (int e = 0; e < SCORES; e++) {
                sum += slot_of(e) == slot ? SCORE(score[0], e) + SCORE(score[1], e) : 0.0f;
            }
            sum = row_sum(sum);
            if (leads_row(lane)) {
                sums[row_of(lane, slot)] = sum;
            }
        }
        for (int t = 0; t < 2; t++) {
            const row_part weights = weights_part(&engine, score[t]);
            for (int c = 0; c < 2; c++) {
                result[c] = multiply(&engine, load_value_part(&engine, value_tile, t * 16, c * 16), weights, result[c]);
            }
        }
        for (int c = 0; c < 2; c++) {
            write_block(out, lane, TILE_K + c * 16, result[c]);
        }
    }
}
