/* attention/tiled.h where the work-items that share a row are lanes of one sub-group: row maxima, sums
 * and P go from lane to lane, so local memory holds queries, keys and values alone, and a tile needs
 * two barriers per chunk of keys and two per step of values.
 *
 * Local:  CHUNK * (TILE_Q + TILE_K) words, or more for few keys of many columns.
 * Params: those of lanes.h (SUBGROUP a multiple of TILE_K / 4) and of tiles.h. */
#define UNROLLED 1
#include "base.h"
#include "lanes.h"
#include "attention/tiles.h"

struct join {
    int item, x, y;
    int first; /* the lane of x 0 */
};

static inline struct join begin_join(void)
{
    const int lane = lane_id(), item = team_id() * SUBGROUP + lane, x = item % LANES;
    const struct join join = {item, x, item / LANES, lane - x};
    return join;
}

/* Lanes ask each other when they join. */
INLINE void offer(const struct join *join, const int r, const float share) {}
INLINE void meet(const struct join *join, const enum of_row what) {}
INLINE void keep_weights(const struct join *join, const float4 weights[ROWS]) {}

INLINE float joined(const struct join *join, const int r, const float share, const enum of_row what)
{
    return what == LARGEST ? lanes_max(share, 1, LANES) : lanes_sum(share, 1, LANES);
}

/* Weights come from lanes that must be there. */
INLINE bool in_step(const struct join *join, const bool that) { return !any_lane(!that); }

INLINE float part_at(const float4 v, const int t, const int lane)
{
    return lane_at(t == 0 ? v.s0 : t == 1 ? v.s1 : t == 2 ? v.s2 : v.s3, lane);
}

/* Values j0 .. of the tile; the weights of key 4 * n + t are in lane join->first + n. */
INLINE void add_values(const struct join *join, struct result sum[ROWS], const float4 weights[ROWS],
                       __local const uint4 *values, const int j0)
{
    for (int j = 0; j < VALUES; j += 4) {
        const int lane = join->first + (j0 + j) / 4;
        EACH
        for (int t = 0; t < 4; t++) {
            float weight[ROWS];
            EACH
            for (int r = 0; r < ROWS; r++) {
                weight[r] = part_at(weights[r], t, lane);
            }
            add_value(sum, weight, values + (j + t) * VALUE_QUADS, join->x);
        }
    }
}

INLINE void add_seen_values(const struct join *join, struct result sum[ROWS], const float4 weights[ROWS],
                            __local const uint4 *values, const int j0)
{
    EACH
    for (int r = 0; r < ROWS; r++) {
        const float4 w = weights[r];
        ROLLED
        for (int j = 0; j < VALUES; j += 4) {
            const int lane = join->first + (j0 + j) / 4;
            ROLLED
            for (int t = 0; t < 4; t++) {
                add_if_seen(&sum[r], part_at(w, t, lane), values + (j + t) * VALUE_QUADS, join->x);
            }
        }
    }
}

#define TILED_KERNEL attention_subgroup
#define BEGIN_JOIN const struct join join = begin_join();
#include "attention/tiled.h"
