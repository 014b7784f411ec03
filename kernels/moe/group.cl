/* Entries (choices of tokens) in the order of their experts, those of an expert in their own order:
 * a counting sort, without atomics, so that it is the same every time.
 *
 *   moe_count   counts[b][e]: how many entries of block b chose expert e
 *   moe_prefix  of each expert, counts[b][e]: how many in the blocks before b; totals[e]: in all
 *   moe_place   entries[n]: the entry at place n; places[entry] = n
 *
 * Launch: global {blocks, experts, blocks, each rounded up; 1, 1}; any local size.
 * Params: ENTRIES (of a block). */
#include "base.h"
#include "block/arguments.h"

__kernel void moe_count(IN(choice), OUT(counts), const int count, const int experts)
{
    const int b = get_global_id(0);
    if ((long)b * ENTRIES >= count) {
        return;
    }
    __global const int *expert = (__global const int *)choice + choice_at.x;
    __global int *mine = (__global int *)counts + counts_at.x + (long)b * experts;
    for (int e = 0; e < experts; e++) {
        mine[e] = 0;
    }
    for (int n = b * ENTRIES; n < min((b + 1) * ENTRIES, count); n++) {
        mine[expert[n]]++;
    }
}

__kernel void moe_prefix(OUT(counts), OUT(totals), const int blocks, const int experts)
{
    const int e = get_global_id(0);
    if (e >= experts) {
        return;
    }
    __global int *number = (__global int *)counts + counts_at.x + e;
    int before = 0;
    for (int b = 0; b < blocks; b++) {
        const int here = number[(long)b * experts];
        number[(long)b * experts] = before;
        before += here;
    }
    ((__global int *)totals)[totals_at.x + e] = before;
}

__kernel void moe_place(IN(choice), IN(totals), OUT(counts), OUT(entries), OUT(places), const int count,
                        const int experts)
{
    const int b = get_global_id(0);
    if ((long)b * ENTRIES >= count) {
        return;
    }
    __global const int *expert = (__global const int *)choice + choice_at.x;
    __global const int *total = (__global const int *)totals + totals_at.x;
    __global int *next = (__global int *)counts + counts_at.x + (long)b * experts;
    int first = 0; /* of an expert's places */
    for (int e = 0; e < experts; e++) {
        next[e] += first;
        first += total[e];
    }
    for (int n = b * ENTRIES; n < min((b + 1) * ENTRIES, count); n++) {
        const int at = next[expert[n]]++;
        ((__global int *)entries)[entries_at.x + at] = n;
        ((__global int *)places)[places_at.x + n] = at;
    }
}
