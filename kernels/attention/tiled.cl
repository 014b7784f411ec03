/* Attention in tiles through local memory (Dao et al. 2022), for any GPU.
 *
 * A work-group owns TILE_Q queries of one head and walks the keys TILE_K at a time:
 *   S = scale * Q K^T        each work-item 4 queries x 4 keys, head_dim in chunks
 *   P = exp(S - rowmax)      row maxima meet in local memory
 *   O = factor * O + P V     each work-item the same 4 queries x its value columns
 *
 * Launch: local {TILE_K / 4, TILE_Q / 4, 1}, one group per {query tile, head, batch}.
 * Local:  CHUNK * (TILE_Q + 1) + CHUNK * (TILE_K + 1) + TILE_Q * (TILE_K + 1) + TILE_Q * TILE_K / 4 floats.
 * Memory: VALUE_DIM * 16 / TILE_K floats of O per work-item.
 * Params: TYPE, OUT_TYPE, HEAD_DIM, VALUE_DIM, GROUP, TILE_Q, TILE_K, CHUNK, and those of score.h. */
#include "base.h"
#include "online_softmax.h"
#include "attention/arguments.h"
#include "attention/score.h"

#define LANES (TILE_K / 4)         /* work-items that share a query row */
#define GROUP_SIZE (LANES * TILE_Q / 4)
#define COLUMNS (CHUNK / LANES)    /* value columns of a work-item per chunk */
#define CHUNKS ((VALUE_DIM + CHUNK - 1) / CHUNK)
#define Q_PITCH (TILE_Q + 1)       /* odd pitches keep transposed stores off one bank */
#define K_PITCH (TILE_K + 1)

__kernel __attribute__((reqd_work_group_size(LANES, TILE_Q / 4, 1)))
void attention_tiled(ATTENTION_ARGUMENTS)
{
    __local float query_tile[CHUNK * Q_PITCH];  /* [column][query] */
    __local float key_tile[CHUNK * K_PITCH];    /* [column][key], then values [key][column] */
    __local float weight_tile[TILE_Q * K_PITCH];
    __local float partial[TILE_Q * LANES];

    const int x = get_local_id(0), y = get_local_id(1), item = y * LANES + x;
    const int h = get_group_id(1), b = get_group_id(2), g = h / GROUP;
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h);
    const struct rows_of all_keys = KEY_ROWS, all_values = VALUE_ROWS;
    const int i0 = get_group_id(0) * TILE_Q, i1 = min(i0 + TILE_Q, head.n_q) - 1;
    const struct span keys = visible_span(&a, &head, i0, i1);

    float sum[CHUNKS][4][COLUMNS];
    for (int n = 0; n < CHUNKS; n++) {
        for (int r = 0; r < 4; r++) {
            for (int c = 0; c < COLUMNS; c++) {
                sum[n][r][c] = 0.0f;
            }
        }
    }
    struct softmax softmax[4]; /* max is the row's, sum only this work-item's share */
    for (int r = 0; r < 4; r++) {
        softmax[r] = softmax_begin(sinks ? sinks[place(sinks_at, 0, 0, h)] : -INFINITY);
        softmax[r].sum = x == 0 ? softmax[r].sum : 0.0f;
    }

    for (int j0 = keys.first; j0 < keys.end; j0 += TILE_K) {
        const bool whole = wholly_visible(&a, &head, i0, i1, j0, j0 + TILE_K);

        float score[4][4] = {{0.0f}};
        for (int c0 = 0; c0 < HEAD_DIM; c0 += CHUNK) {
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int n = item; n < TILE_Q * CHUNK; n += GROUP_SIZE) {
                const int row = n / CHUNK, c = n % CHUNK;
                const bool inside = i0 + row < head.n_q && c0 + c < HEAD_DIM;
                query_tile[c * Q_PITCH + row] =
                    inside ? load(TYPE, q, place(q_at, b, head.q0 + i0 + row, h) + c0 + c) : 0.0f;
            }
            for (int n = item; n < TILE_K * CHUNK; n += GROUP_SIZE) {
                const int row = n / CHUNK, c = n % CHUNK;
                const bool inside = j0 + row < head.used && c0 + c < HEAD_DIM;
                key_tile[c * K_PITCH + row] =
                    inside ? load_of(&all_keys, row_place(&all_keys, &head.keys, j0 + row, g), c0 + c) : 0.0f;
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int c = 0; c < CHUNK; c++) {
                for (int r = 0; r < 4; r++) {
                    for (int t = 0; t < 4; t++) {
                        score[r][t] = fma(query_tile[c * Q_PITCH + y * 4 + r],
                                          key_tile[c * K_PITCH + x * 4 + t], score[r][t]);
                    }
                }
            }
        }

        bool seen[4][4];
        for (int r = 0; r < 4; r++) {
            const int i = i0 + y * 4 + r;
            float top = -INFINITY;
            for (int t = 0; t < 4; t++) {
                const int j = j0 + x * 4 + t;
                seen[r][t] = i < head.n_q && (whole || sees(&a, &head, i, j));
                score[r][t] = seen[r][t] ? finish_score(&a, &head, i, j, scale * score[r][t]) : -INFINITY;
                seen[r][t] = seen[r][t] && score[r][t] != -INFINITY;
                top = fmax(top, score[r][t]);
            }
            partial[(y * 4 + r) * LANES + x] = top;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        float factor[4];
        for (int r = 0; r < 4; r++) {
            float top = softmax[r].max;
            for (int n = 0; n < LANES; n++) {
                top = fmax(top, partial[(y * 4 + r) * LANES + n]);
            }
            factor[r] = softmax_weight(softmax[r].max, top);
            softmax[r].max = top;
            softmax[r].sum *= factor[r];
            for (int t = 0; t < 4; t++) {
                /* -0 marks a key that is not seen: it adds nothing to the sum, and below its
                 * value, which may be NaN, is left out. */
                const float weight = seen[r][t] ? softmax_weight(score[r][t], top) : -0.0f;
                softmax[r].sum += weight;
                weight_tile[(y * 4 + r) * K_PITCH + x * 4 + t] = weight;
            }
        }

        for (int n = 0; n < CHUNKS; n++) {
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int m = item; m < TILE_K * CHUNK; m += GROUP_SIZE) {
                const int row = m / CHUNK, c = m % CHUNK;
                const bool inside = j0 + row < head.used && n * CHUNK + c < VALUE_DIM;
                key_tile[row * CHUNK + c] =
                    inside ? load_of(&all_values, row_place(&all_values, &head.keys, j0 + row, g), n * CHUNK + c) : 0.0f;
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int r = 0; r < 4; r++) {
                for (int c = 0; c < COLUMNS; c++) {
                    sum[n][r][c] *= factor[r];
                }
            }
            for (int j = 0; j < TILE_K; j++) {
                for (int r = 0; r < 4; r++) {
                    const float weight = weight_tile[(y * 4 + r) * K_PITCH + j];
                    for (int c = 0; c < COLUMNS; c++) {
                        const float value = key_tile[j * CHUNK + x + c * LANES];
                        sum[n][r][c] = fma(weight, whole || !signbit(weight) ? value : 0.0f, sum[n][r][c]);
                    }
                }
            }
        }
    }

    for (int r = 0; r < 4; r++) {
        partial[(y * 4 + r) * LANES + x] = softmax[r].sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int r = 0; r < 4; r++) {
        const int i = i0 + y * 4 + r;
        softmax[r].sum = 0.0f;
        for (int n = 0; n < LANES; n++) {
            softmax[r].sum += partial[(y * 4 + r) * LANES + n];
        }
        if (i >= head.n_q) {
            continue;
        }
        const float normal = softmax_scale(softmax[r]);
        for (int n = 0; n < CHUNKS; n++) {
            for (int c = 0; c < COLUMNS; c++) {
                const int column = n * CHUNK + x + c * LANES;
                if (column < VALUE_DIM) {
                    store(OUT_TYPE, out, place(out_at, b, head.q0 + i, h) + column, sum[n][r][c] * normal);
                }
            }
        }
        if (lse && x == 0) {
            lse[place(lse_at, b, head.q0 + i, h)] = softmax_lse(softmax[r]);
        }
    }
}
