/* The kernels of attention: which fit, with which parameters, launched how.  Best first. */
#include "attention.h"
#include "ops/common/engine.h"

#include <string.h>

static size_t round_up(int64_t n, int multiple)
{
    return (size_t)((n + multiple - 1) / multiple * multiple);
}

bool clattn__rows_fit(const clattn_device_facts *facts, const void *desc, const int *params,
                      char reason[CLATTN__REASON_BYTES])
{
    (void)desc;
    return clattn__fits_group(facts, (size_t)params[0], 0, reason);
}

/* OpenCL promises no more than work-groups of one. */
void clattn__rows_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    (void)desc;
    params[0] = facts->max_work_group < (size_t)params[0] ? 1 : params[0];
}

void clattn__rows_geometry(const int *params, const int64_t extent[3], size_t global[3],
                           size_t local[3])
{
    const int rows = params[0];
    const size_t g[3] = {round_up(extent[0], rows), (size_t)extent[1], (size_t)extent[2]};
    const size_t l[3] = {(size_t)rows, 1, 1};
    memcpy(global, g, sizeof g);
    memcpy(local, l, sizeof l);
}

enum { WIDTH, VECTORS, KEYS }; /* places in attention/wide's params */

/* KEYS * VECTORS accumulators, VECTORS queries and a broadcast value fit the registers: 32 of
 * them on AVX-512 and ARM, 16 on AVX2.  Blocks of 32 queries are enough with vectors of 16: they
 * leave less of a last block empty than 48 and are as fast. */
void clattn__queries_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    (void)desc;
    params[WIDTH] = facts->vector_width;
    params[KEYS] = facts->vector_width == 8 ? 4 : 8;
    params[VECTORS] = facts->vector_width == 16 ? 2 : 3;
}

bool clattn__queries_fit(const clattn_device_facts *facts, const void *desc, const int *params,
                         char reason[CLATTN__REASON_BYTES])
{
    return clattn__fits_wide(facts, desc, params, reason) &&
           clattn__fits_registers(facts, params[KEYS], params[VECTORS], reason);
}

void clattn__queries_geometry(const int *params, const int64_t extent[3], size_t global[3],
                              size_t local[3])
{
    const int rows = params[WIDTH] * params[VECTORS];
    const size_t g[3] = {round_up(extent[0], rows) / (size_t)rows, (size_t)extent[1],
                         (size_t)extent[2]};
    const size_t l[3] = {1, 1, 1};
    memcpy(global, g, sizeof g);
    memcpy(local, l, sizeof l);
}

enum { DECODE_WIDTH, DECODE_BLOCK, DECODE_BLOCKS }; /* places in attention/decode_wide's params */

/* BLOCK rows share a key that is in a register: query heads of one kv head.  16 rows or a few less
 * go through memory together. */
void clattn__decode_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    const clattn_attention_desc *d = desc;
    const int group = d->query_heads / d->kv_heads;
    int block = facts->vector_width == 8 ? 4 : 8;
    while (group % block) {
        block--;
    }
    params[DECODE_WIDTH] = facts->vector_width;
    params[DECODE_BLOCK] = block;
    params[DECODE_BLOCKS] = block == 1 ? 16 : block == 2 ? 8 : block <= 4 ? 4 : 2;
}

/* attention/emulated with the layouts of one engine. */
#define EMULATED(engine, number)                                                                   \
    {                                                                                              \
        .name = "attention/emulated_" engine, .forced_only = true, .file = "attention/emulated",   \
        .fits = clattn__emulated_fits,                                                             \
        .params = {{"ENGINE", number}, {"PACK", 1},    {"TEAMS", 4},                               \
                   {"BLOCKS", 1},      {"TILE_K", 32}, {"STAGES", 1}},                             \
        .adapt = clattn__emulated_adapt, .flags = clattn__emulated_flags,                          \
        .geometry = clattn__matrix_geometry                                                        \
    }

const struct clattn__variant clattn__attention_variants[] = {
    {.name = "attention/wide",
     .fits = clattn__queries_fit,
     .params = {{"WIDTH", 16},
                {"VECTORS", 2, {1, 2, 3, 4}},
                {"KEYS", 8, {2, 4, 8, 16}},
                {"TILE_K", 128, {48, 64, 96, 128, 192, 256}}},
     .adapt = clattn__queries_adapt,
     .geometry = clattn__queries_geometry},
    {.name = "attention/decode_wide",
     .few_rows = true,
     .fits = clattn__fits_wide,
     .params = {{"WIDTH", 16}, {"BLOCK", 1}, {"BLOCKS", 16, {1, 2, 4, 8, 16}}},
     .adapt = clattn__decode_adapt,
     .geometry = clattn__cells},
    {.name = "attention/matrix",
     .fits = clattn__matrix_fits,
     .params = {{"ENGINE", CLATTN_ENGINE_NV_MMA},
                {"PACK", 1},
                {"TEAMS", 4, {2, 4, 8, 16}},
                {"BLOCKS", 1, {1, 2}},
                {"TILE_K", 32, {16, 32, 64, 128}},
                {"STAGES", 1}},
     .adapt = clattn__matrix_adapt,
     .flags = clattn__matrix_flags,
     .geometry = clattn__matrix_geometry},
    EMULATED("nv_mma", CLATTN_ENGINE_NV_MMA),
    EMULATED("amd_wmma", CLATTN_ENGINE_AMD_WMMA),
    EMULATED("amd_wmma_gfx12", CLATTN_ENGINE_AMD_WMMA_GFX12),
    EMULATED("amd_mfma", CLATTN_ENGINE_AMD_MFMA),
    EMULATED("intel_dpas_8", CLATTN_ENGINE_INTEL_DPAS_8),
    EMULATED("intel_dpas_16", CLATTN_ENGINE_INTEL_DPAS_16),
    {.name = "attention/decode",
     .few_rows = true,
     .fits = clattn__decode_slots_fits,
     .params = {{"LANES_BY", 0},
                {"SUBGROUP", 32, {8, 16, 32, 64}},
                {"LANES", 16, {8, 16, 32}},
                {"ROWS", 1, {1, 2, 4, 8}},
                {"KEYS", 8, {1, 2, 4, 8}},
                {"ITEMS", 128, {64, 128, 256}}},
     .adapt = clattn__decode_slots_adapt,
     .geometry = clattn__decode_slots_geometry},
    {.name = "attention/subgroup",
     .fits = clattn__subgroup_fits,
     .params = {{"LANES_BY", 0},
                {"SUBGROUP", 32, {8, 16, 32, 64}},
                {"TILE_Q", 64, {16, 32, 64}},
                {"TILE_K", 64, {32, 64}},
                {"CHUNK", 64, {32, 64}},
                {"ROWS", 8, {4, 8}},
                {"PER_WORD", 1, {1, 2}}},
     .adapt = clattn__subgroup_adapt,
     .geometry = clattn__subgroup_geometry},
    {.name = "attention/tiled",
     .fits = clattn__tiled_fits,
     .params = {{"TILE_Q", 64, {16, 32, 64}},
                {"TILE_K", 64, {16, 32, 64}},
                {"CHUNK", 32, {16, 32, 64}},
                {"ROWS", 8, {4, 8}},
                {"PER_WORD", 1, {1, 2}},
                {"UNROLLED", 1}},
     .adapt = clattn__tiled_adapt,
     .geometry = clattn__tiled_geometry},
    {.name = "attention/row",
     .fits = clattn__rows_fit,
     .params = {{"ROWS", 8, {1, 4, 8, 16, 32, 64}}},
     .adapt = clattn__rows_adapt,
     .geometry = clattn__rows_geometry},
    {0},
};
