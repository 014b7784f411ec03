/* One layer of attention rollout (Abnar and Zuidema 2020) over spans: (M + identity) / 2 times what
 * there is, one work-item a number of it.
 *
 * Launch: global {columns rounded up to ITEMS, spans, batch}, local {ITEMS, 1, 1}.
 * Params: ITEMS. */
#include "base.h"

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void attribution_rollout(__global const float *mass, const long4 mass_at, __global const float *previous,
                         const long4 previous_at, __global float *rollout, const long4 rollout_at, const int spans,
                         const int heads, const int columns)
{
    const int t = get_global_id(0), s = get_global_id(1), b = get_global_id(2);
    if (t >= columns) {
        return;
    }
    float total = 0.0f, through = 0.0f; /* the row's sum; what comes to t through others */
    for (int u = 0; u < columns; u++) {
        float m = 0.0f;
        for (int h = 0; h < heads; h++) {
            m += mass[place(mass_at, b, s, h) + u];
        }
        total += m;
        /* What went to a sink stays there. */
        const bool stays = !previous || u >= spans;
        const float reached = stays ? (u == t ? 1.0f : 0.0f) : previous[place(previous_at, b, u, 0) + t];
        through = fma(m, reached, through);
    }
    const float own = previous ? previous[place(previous_at, b, s, 0) + t] : s == t ? 1.0f : 0.0f;
    rollout[place(rollout_at, b, s, 0) + t] = total == 0.0f ? own : 0.5f * (through / total + own);
}
