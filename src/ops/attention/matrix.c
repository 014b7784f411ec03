/* attention/matrix on each engine: whether it fits, and with which tiles. */
#include "attention.h"
#include "ops/common/engine.h"

#include <stdio.h>
#include <string.h>

enum { ENGINE, PACK, TEAMS, BLOCKS, TILE_K, STAGES }; /* places in params */

enum { MOST_COLUMNS = 256, QUERY_PADDING = 8, MOST_KEPT = 64 };

/* Of tiles made of an engine's blocks: at most so many blocks of queries to a sub-group, whose
 * results stay in registers. */
static const struct shape {
    int teams, blocks, tile_k;
    int wide_tile_k; /* of heads of more than 64 columns, which leave registers for fewer scores */
    int stages;      /* tiles of keys and values in local memory */
    int padding;     /* halves more to a row there */
    bool pairs;      /* values lie there by columns, a row of these having TILE_K halves */
    int columns;     /* of a head at most; more leave no registers.  0 = MOST_COLUMNS */
    bool stay;       /* queries of more than MOST_KEPT columns stay there, beside the tiles */
    bool masks_cost; /* with wide_tile_k, masks leave registers for one block, and more teams */
} shapes[] = {
    [CLATTN_ENGINE_NV_MMA] = {4, 2, 32, 16, 3, 8, .masks_cost = true},
    [CLATTN_ENGINE_AMD_WMMA] = {8, 1, 32, 32, 1, 8, true, 128},
    [CLATTN_ENGINE_AMD_WMMA_GFX12] = {8, 1, 64, 32, 1, 8, true, 160},
    [CLATTN_ENGINE_AMD_MFMA] = {4, 2, 32, 32, 1, 4, true},
    [CLATTN_ENGINE_INTEL_DPAS_8] = {16, 1, 32, 16, 1, 8, false, 128, true},
    [CLATTN_ENGINE_INTEL_DPAS_16] = {16, 1, 32, 16, 1, 8, false, 128, true},
};

static int padded(int columns, int step) { return (columns + step - 1) / step * step; }

static size_t work_items(const int *params)
{
    return (size_t)(params[TEAMS] * clattn__blocks[params[ENGINE]].subgroup);
}

static size_t local_bytes(const clattn_attention_desc *d, const int *params)
{
    const struct shape *shape = &shapes[params[ENGINE]];
    const int rows = clattn__blocks[params[ENGINE]].rows;
    const int head = padded(d->head_dim, CLATTN__BLOCK_COLUMNS) + shape->padding;
    const int value = padded(d->value_dim, CLATTN__BLOCK_COLUMNS);
    const int values = shape->pairs ? value * (params[TILE_K] + shape->padding)
                                    : params[TILE_K] * (value + shape->padding);
    const int tiles = params[STAGES] * (params[TILE_K] * head + values);
    const int queries = params[TEAMS] * rows * (head - shape->padding + QUERY_PADDING);
    if (shape->stay && d->head_dim > MOST_KEPT) {
        return sizeof(cl_half) * (size_t)(tiles + params[BLOCKS] * queries);
    }
    return sizeof(cl_half) * (size_t)(tiles > queries ? tiles : queries);
}

static bool fits_tiles(const clattn_device_facts *facts, const clattn_attention_desc *d,
                       const int *params, char reason[CLATTN__REASON_BYTES])
{
    return clattn__fits_group(facts, work_items(params), local_bytes(d, params), reason);
}

static bool fits_desc(const clattn_attention_desc *d, const int *params,
                      char reason[CLATTN__REASON_BYTES])
{
    const int columns = shapes[params[ENGINE]].columns, most = columns ? columns : MOST_COLUMNS;
    if ((d->type != CLATTN_F16 && d->type != CLATTN_BF16) || d->kv_type != d->type) {
        snprintf(reason, CLATTN__REASON_BYTES, "takes f16 or bf16 throughout, not %s with %s keys",
                 clattn_type_name(d->type), clattn_type_name(d->kv_type));
        return false;
    }
    if (d->head_dim > most || d->value_dim > most) {
        snprintf(reason, CLATTN__REASON_BYTES, "takes heads of at most %d columns", most);
        return false;
    }
    return true;
}

bool clattn__matrix_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                         char reason[CLATTN__REASON_BYTES])
{
    return clattn__engine_fits(facts, reason) && fits_desc(desc, params, reason) &&
           fits_tiles(facts, desc, params, reason);
}

bool clattn__emulated_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                           char reason[CLATTN__REASON_BYTES])
{
    return clattn__emulation_fits(facts, params[ENGINE], reason) &&
           fits_desc(desc, params, reason) && fits_tiles(facts, desc, params, reason);
}

/* Whether a query may not see keys that are there. */
static bool hides_keys(const clattn_attention_desc *d)
{
    return d->causal || d->window.on || d->with & (CLATTN_WITH_MASK | CLATTN_WITH_BIAS);
}

/* The widest heads leave registers for one block alone. */
static void adapt(const clattn_attention_desc *d, int engine, int *params)
{
    const int columns = d->head_dim > d->value_dim ? d->head_dim : d->value_dim;
    const struct shape *shape = &shapes[engine];
    params[ENGINE] = engine;
    params[PACK] = d->query_heads / d->kv_heads;
    const bool one = columns > 128 || (columns > 64 && shape->masks_cost && hides_keys(d));
    params[BLOCKS] = one ? 1 : shape->blocks;
    params[TEAMS] = one && columns <= 128 ? shape->teams * shape->blocks : shape->teams;
    params[STAGES] = columns > 128 && shape->stages > 2 ? 2 : shape->stages;
    params[TILE_K] = columns > 64 ? shape->wide_tile_k : shape->tile_k;
}

void clattn__matrix_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    adapt(desc, clattn__engine_of(facts), params);
}

/* The row says which engine. */
void clattn__emulated_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    (void)facts;
    adapt(desc, params[ENGINE], params);
}

void clattn__matrix_geometry(const int *params, const int64_t extent[3], size_t global[3],
                             size_t local[3])
{
    const int64_t tile = params[TEAMS] * params[BLOCKS] * clattn__blocks[params[ENGINE]].rows;
    const size_t items = work_items(params);
    const size_t l[3] = {items, 1, 1};
    const size_t g[3] = {(size_t)clattn__divide_up(extent[0] * params[PACK], tile) * items,
                         (size_t)(extent[1] / params[PACK]), (size_t)extent[2]};
    memcpy(global, g, sizeof g);
    memcpy(local, l, sizeof l);
}
