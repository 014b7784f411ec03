/* The kernels over tiles in local memory (kernels/attention/tiles.h): which tiles fit a device. */
#include "attention.h"

#include <stdio.h>
#include <string.h>

enum { TILE_Q, TILE_K, CHUNK, ROWS, PER_WORD, UNROLLED }; /* places in attention/tiled's params */
enum { LANES_BY, SUBGROUP, TILE }; /* in attention/subgroup's; from TILE on as in tiled's */
enum { KB = 1024 };

/* Floats of scores and results that a work-item can keep in registers beside all else. */
enum { MOST_SUMS = 160 };

static int lesser(int a, int b) { return a < b ? a : b; }

static int greater(int a, int b) { return a > b ? a : b; }

static bool is_narrow(clattn_type type) { return type == CLATTN_F16 || type == CLATTN_BF16; }

/* Columns in 16 bytes. */
static int unit(clattn_type type) { return type == CLATTN_F32 ? 4 : type == CLATTN_I8 ? 16 : 8; }

static int work_items(const int *tile) { return tile[TILE_K] / 4 * tile[TILE_Q] / tile[ROWS]; }

/* Quads of value columns of a work-item. */
static int quads(const clattn_attention_desc *d, const int *tile)
{
    return (d->value_dim + tile[TILE_K] - 1) / tile[TILE_K];
}

/* 16-byte quads of local memory for queries, keys and values: TILE_QUADS. */
static int tile_quads(const clattn_attention_desc *d, const int *tile)
{
    const int most = greater(unit(d->type), unit(d->kv_type));
    const int words = (d->head_dim + most - 1) / most * most / tile[PER_WORD];
    const int step = lesser(tile[CHUNK], words);
    const int query_quads = step * tile[TILE_Q] / 4, key_quads = step * tile[TILE_K] / 4;
    const int value_quads = quads(d, tile) * tile[TILE_K] / 4 / tile[PER_WORD];
    const int values_at = words <= tile[CHUNK] ? query_quads : 0;
    return greater(query_quads + key_quads, values_at + 4 * value_quads);
}

static size_t subgroup_bytes(const clattn_attention_desc *d, const int *tile)
{
    return 16 * (size_t)tile_quads(d, tile);
}

static size_t tiled_bytes(const clattn_attention_desc *d, const int *tile)
{
    return subgroup_bytes(d, tile) + sizeof(float) * (size_t)(tile[TILE_K] * tile[TILE_Q]);
}

static bool fits(const clattn_device_facts *facts, const clattn_attention_desc *d, const int *tile,
                 size_t bytes, char reason[CLATTN__REASON_BYTES])
{
    const int items = work_items(tile), sums = tile[ROWS] * 4 * (1 + quads(d, tile));
    if (tile[PER_WORD] == 2 && !(is_narrow(d->type) && is_narrow(d->kv_type))) {
        snprintf(reason, CLATTN__REASON_BYTES,
                 "PER_WORD 2 needs queries and keys of 16 bits, they are %s and %s",
                 clattn_type_name(d->type), clattn_type_name(d->kv_type));
        return false;
    }
    if (sums > MOST_SUMS && tile[ROWS] > 4) {
        snprintf(reason, CLATTN__REASON_BYTES, "needs %d registers for sums, more than %d", sums,
                 MOST_SUMS);
        return false;
    }
    return clattn__fits_group(facts, (size_t)items, bytes, reason);
}

bool clattn__tiled_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                        char reason[CLATTN__REASON_BYTES])
{
    return fits(facts, desc, params, tiled_bytes(desc, params), reason);
}

/* Fewer queries where local memory or work-groups are small. */
static void shrink(const clattn_device_facts *facts, const clattn_attention_desc *d, int *tile,
                   size_t (*bytes)(const clattn_attention_desc *d, const int *tile))
{
    while (tile[TILE_Q] > 16 && (bytes(d, tile) > facts->local_bytes ||
                                 (size_t)work_items(tile) > facts->max_work_group)) {
        tile[TILE_Q] /= 2;
    }
}

/* A work-item's rows share keys and values: 8 of them, if their results stay in registers.  The
 * defaults need 32 KB of local memory; with 48 KB rows are in half as many chunks, but not where
 * two groups of 32 KB find room.  Where less is there, tiles are smaller. */
void clattn__tiled_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    const clattn_attention_desc *d = desc;
    params[ROWS] = d->value_dim > 2 * params[TILE_K] ? 4 : 8;
    params[CHUNK] = facts->local_bytes < 32 * KB                                    ? 16
                    : facts->local_bytes >= 48 * KB && facts->local_bytes < 64 * KB ? 64
                                                                                    : 32;
    shrink(facts, d, params, tiled_bytes);
    params[UNROLLED] = facts->vector_width == 1;
}

/* Sub-groups of `wanted` lanes if there are, else the nearest size. */
static int subgroup_size(uint32_t sizes, int wanted)
{
    for (int smaller = wanted, larger = wanted; larger <= 64; smaller /= 2, larger *= 2) {
        if (sizes & (uint32_t)(smaller | larger)) {
            return sizes & (uint32_t)smaller ? smaller : larger;
        }
    }
    return wanted;
}

bool clattn__lanes_fit(const clattn_device_facts *facts, int subgroup,
                       char reason[CLATTN__REASON_BYTES])
{
    if (facts->lanes == CLATTN_LANES_NONE) {
        snprintf(reason, CLATTN__REASON_BYTES, "needs sub-groups: %s", facts->lanes_reason);
        return false;
    }
    if (!(facts->subgroup_sizes & (uint32_t)subgroup)) {
        snprintf(reason, CLATTN__REASON_BYTES, "the device has no sub-groups of %d", subgroup);
        return false;
    }
    return true;
}

/* Intel's registers hold 16 lanes best; elsewhere a wave of 32, or AMD's of 64, is what there is.
 */
void clattn__lanes_adapt(const clattn_device_facts *facts, int *lanes_by, int *subgroup)
{
    *lanes_by = facts->lanes;
    *subgroup = subgroup_size(facts->subgroup_sizes, facts->lanes == CLATTN_LANES_INTEL ? 16 : 32);
}

bool clattn__subgroup_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                           char reason[CLATTN__REASON_BYTES])
{
    const int *tile = params + TILE, size = params[SUBGROUP], items = work_items(tile);
    if (!clattn__lanes_fit(facts, size, reason)) {
        return false;
    }
    if (size % (tile[TILE_K] / 4) || items % size) {
        snprintf(reason, CLATTN__REASON_BYTES,
                 "TILE_K / 4, %d, must divide SUBGROUP, %d, and this the %d work-items",
                 tile[TILE_K] / 4, size, items);
        return false;
    }
    return fits(facts, desc, tile, subgroup_bytes(desc, tile), reason);
}

/* Without P in local memory, rows are in chunks of 64 words where 32 KB is there.  Intel's
 * registers hold half as many numbers of a lane as others'. */
void clattn__subgroup_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    const clattn_attention_desc *d = desc;
    int *tile = params + TILE;
    clattn__lanes_adapt(facts, &params[LANES_BY], &params[SUBGROUP]);
    tile[TILE_K] = params[SUBGROUP] < 16 ? 32 : 64;
    tile[ROWS] = facts->lanes == CLATTN_LANES_INTEL || d->value_dim > 2 * tile[TILE_K] ? 4 : 8;
    tile[CHUNK] = facts->local_bytes >= 32 * KB ? 64 : 32;
    shrink(facts, d, tile, subgroup_bytes);
}

static void geometry(const int *tile, const int64_t extent[3], size_t global[3], size_t local[3])
{
    const size_t items = (size_t)work_items(tile);
    const int64_t tiles = (extent[0] + tile[TILE_Q] - 1) / tile[TILE_Q];
    const size_t l[3] = {items, 1, 1};
    const size_t g[3] = {(size_t)tiles * items, (size_t)extent[1], (size_t)extent[2]};
    memcpy(global, g, sizeof g);
    memcpy(local, l, sizeof l);
}

void clattn__subgroup_geometry(const int *params, const int64_t extent[3], size_t global[3],
                               size_t local[3])
{
    geometry(params + TILE, extent, global, local);
}

void clattn__tiled_geometry(const int *params, const int64_t extent[3], size_t global[3],
                            size_t local[3])
{
    geometry(params, extent, global, local);
}
