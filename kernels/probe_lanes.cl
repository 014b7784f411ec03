/* Do the lanes of a sub-group exchange values as lanes.h says?
 *
 * Launch: one work-group of two sub-groups.  Each work-item writes ANSWERS numbers; the host knows
 * what they must be.  A lane's own value, 64 * team + lane, is that of no other.
 *
 * Params: LANES_BY, SUBGROUP. */
#include "lanes.h"

#define ANSWERS 17

SUBGROUPS __kernel void probe_lanes(__global float *answers)
{
    const int lane = lane_id(), team = team_id();
    const float own = (float)(64 * team + lane);
    __global float *to = answers + get_local_id(0) * ANSWERS;
    to[0] = (float)lane;
    to[1] = (float)team;
    to[2] = lane_at(own, (5 * lane + 3) % SUBGROUP); /* each from another */
    to[3] = lane_at(own, SUBGROUP - 1);              /* all from one */
    to[4] = lanes_sum(own, 1, SUBGROUP);
    to[5] = lanes_sum(own, 2, 8);
    to[6] = lanes_max(-own, 1, SUBGROUP);
    to[7] = lanes_max(own, 1, 4);
    to[8] = any_lane(own < 0) ? 1.0f : 0.0f;   /* no lane */
    to[9] = any_lane(own == 67) ? 1.0f : 0.0f; /* lane 3 of the second */
    to[10] = any_lane(own >= 0) ? 1.0f : 0.0f; /* every lane */
    for (int bit = 0; bit < 6; bit++) {
        to[11 + bit] = 1 << bit < SUBGROUP ? lane_xor(own, 1 << bit & SUBGROUP - 1) : 0.0f;
    }
}
