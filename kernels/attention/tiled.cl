/* attention/tiled.h for any GPU: row maxima, sums and P meet in local memory.
 *
 * Local:  CHUNK * (TILE_Q + TILE_K) + TILE_Q * TILE_K words, or more for few keys of many columns.
 * Params: those of tiles.h. */
#include "base.h"
#include "attention/tiles.h"

#define SUBGROUPS /* of any size */

/* The tile of P is also where rows meet before: shares of a row are SHARES apart, so that
 * neighbouring rows lie in other banks, and behind them is what was joined of each. */
#define SHARES (LANES + 4)

struct join {
    int item, x, y;
    __local float4 *weights;
    __local float *shares, *share; /* all, and those of this work-item */
    __local float *rows, *row;
};

static inline struct join begin_join(__local float4 *weights)
{
    const int item = get_local_id(0), x = item % LANES, y = item / LANES;
    __local float *shares = (__local float *)weights, *share = shares + y * ROWS * SHARES + x;
    __local float *rows = shares + TILE_Q * SHARES, *row = rows + y * ROWS;
    const struct join join = {item, x, y, weights, shares, share, rows, row};
    return join;
}

INLINE void offer(const struct join *join, const int r, const float share)
{
    join->share[r * SHARES] = share;
}

/* Of those that LANES work-items have left, by one of them. */
INLINE void meet(const struct join *join, const enum of_row what)
{
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int row = join->item; row < TILE_Q; row += ITEMS) {
        float4 all = vload4(0, join->shares + row * SHARES);
        for (int n = 1; n < LANES / 4; n++) {
            const float4 more = vload4(n, join->shares + row * SHARES);
            all = what == LARGEST ? (more > all ? more : all) : all + more;
        }
        join->rows[row] = what == LARGEST ? largest(all) : (all.s0 + all.s1) + (all.s2 + all.s3);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

INLINE float joined(const struct join *join, const int r, const float share, const enum of_row what)
{
    return join->row[r];
}

INLINE bool in_step(const struct join *join, const bool that) { return that; }

/* P as [key][query]; the quads of a key are permuted by key / 4, which is x where it is written. */
static inline int weight_quad(const int j, const int n)
{
    return j * (TILE_Q / 4) + (n ^ (j / 4 & (TILE_Q / 4 - 1)));
}

INLINE void keep_weights(const struct join *join, const float4 weight[ROWS])
{
    __local float4 *const weights = join->weights;
    barrier(CLK_LOCAL_MEM_FENCE); /* what was joined has been read */
    EACH
    for (int n = 0; n < ROWS / 4; n++) {
        const float4 a = weight[4 * n], b = weight[4 * n + 1], c = weight[4 * n + 2], d = weight[4 * n + 3];
        const int at = weight_quad(join->x * 4, join->y * (ROWS / 4) + n);
        weights[at] = (float4)(a.s0, b.s0, c.s0, d.s0);
        weights[at + TILE_Q / 4] = (float4)(a.s1, b.s1, c.s1, d.s1);
        weights[at + TILE_Q / 2] = (float4)(a.s2, b.s2, c.s2, d.s2);
        weights[at + TILE_Q / 4 * 3] = (float4)(a.s3, b.s3, c.s3, d.s3);
    }
}

/* Values j0 .. of the tile. */
INLINE void add_values(const struct join *join, struct result sum[ROWS], const float4 own[ROWS],
                       __local const uint4 *values, const int j0)
{
    __local const float4 *const weights = join->weights;
    for (int j = 0; j < VALUES; j += 4) {
        EACH
        for (int t = 0; t < 4; t++) {
            float weight[ROWS];
            EACH
            for (int n = 0; n < ROWS / 4; n++) {
                vstore4(weights[weight_quad(j0 + j, join->y * (ROWS / 4) + n) + t * (TILE_Q / 4)], n, weight);
            }
            add_value(sum, weight, values + (j + t) * VALUE_QUADS, join->x);
        }
    }
}

INLINE void add_seen_values(const struct join *join, struct result sum[ROWS], const float4 own[ROWS],
                            __local const uint4 *values, const int j0)
{
    __local const float4 *const weights = join->weights;
    EACH
    for (int r = 0; r < ROWS; r++) {
        ROLLED
        for (int j = 0; j < VALUES; j++) {
            __local const float4 *quad = weights + weight_quad(j0 + j, join->y * (ROWS / 4) + r / 4);
            add_if_seen(&sum[r], ((__local const float *)quad)[r % 4], values + j * VALUE_QUADS, join->x);
        }
    }
}

#define TILED_KERNEL attention_tiled
#define BEGIN_JOIN                                                                                 \
    __local float4 weights_tile[TILE_K * TILE_Q / 4];                                              \
    const struct join join = begin_join(weights_tile);
#include "attention/tiled.h"
