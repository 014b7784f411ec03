/* gemm/matrix on each engine: whether it fits, and with which tiles. */
#include "ops/common/engine.h"
#include "project.h"

#include <stdio.h>
#include <string.h>

enum { ENGINE, ROW_TEAMS, COLUMN_TEAMS, ROW_BLOCKS, COLUMN_BLOCKS, STEPS }; /* places in params */

enum {
    COPIES = 2,         /* of both tiles, in local memory */
    PADDING = 8,        /* halves more to a row there */
    MOST_RESULTS = 128, /* floats that a work-item keeps in registers */
    FEW = 16            /* rows: a block, or two of an engine with small ones */
};

/* Of the default tiles: teams and their blocks, as many as registers hold, and steps, so that
 * several work-groups share a core's local memory. */
static const struct shape {
    int row_teams, column_teams, row_blocks, column_blocks, steps;
    int few_teams, few_steps; /* of few rows */
} shapes[] = {
    [CLATTN_ENGINE_NV_MMA] = {2, 2, 4, 4, 2, 4, 8},
    [CLATTN_ENGINE_AMD_WMMA] = {2, 2, 4, 4, 2, 4, 4},
    [CLATTN_ENGINE_AMD_WMMA_GFX12] = {2, 2, 4, 4, 2, 4, 4},
    [CLATTN_ENGINE_AMD_MFMA] = {2, 2, 4, 4, 1, 4, 4},
    [CLATTN_ENGINE_INTEL_DPAS_8] = {4, 4, 4, 2, 2, 8, 1},
    [CLATTN_ENGINE_INTEL_DPAS_16] = {4, 4, 4, 2, 1, 8, 4},
};

static int tile_rows(const int *params)
{
    return params[ROW_TEAMS] * params[ROW_BLOCKS] * clattn__blocks[params[ENGINE]].rows;
}

static int tile_weights(const int *params)
{
    return params[COLUMN_TEAMS] * params[COLUMN_BLOCKS] * CLATTN__BLOCK_COLUMNS;
}

static size_t items(const int *params)
{
    return (size_t)(params[ROW_TEAMS] * params[COLUMN_TEAMS] *
                    clattn__blocks[params[ENGINE]].subgroup);
}

/* Stages, or results on their way to y. */
static size_t local_bytes(const int *params)
{
    const struct clattn__block *block = &clattn__blocks[params[ENGINE]];
    const size_t halves = (size_t)(COPIES * (tile_rows(params) + tile_weights(params)) *
                                   (params[STEPS] * CLATTN__BLOCK_COLUMNS + PADDING));
    const size_t floats = (size_t)(params[ROW_TEAMS] * params[COLUMN_TEAMS] * block->rows *
                                   (params[COLUMN_BLOCKS] * CLATTN__BLOCK_COLUMNS + 4));
    const size_t stages = halves * sizeof(cl_half), results = floats * sizeof(cl_float);
    return stages > results ? stages : results;
}

static bool fits(const clattn_project_desc *d, const int *params, char reason[CLATTN__REASON_BYTES])
{
    const struct clattn__block *block = &clattn__blocks[params[ENGINE]];
    const int results = params[ROW_BLOCKS] * params[COLUMN_BLOCKS] * block->rows *
                        CLATTN__BLOCK_COLUMNS / block->subgroup;
    if ((d->type != CLATTN_F16 && d->type != CLATTN_BF16) || d->weight_type != d->type) {
        snprintf(reason, CLATTN__REASON_BYTES,
                 "takes f16 or bf16 throughout, not %s with %s weights", clattn_type_name(d->type),
                 clattn_type_name(d->weight_type));
        return false;
    }
    if (d->gated && params[COLUMN_BLOCKS] % 2) {
        snprintf(reason, CLATTN__REASON_BYTES, "COLUMN_BLOCKS %d is odd, gated products share them",
                 params[COLUMN_BLOCKS]);
        return false;
    }
    if (results > MOST_RESULTS) {
        snprintf(reason, CLATTN__REASON_BYTES, "would keep %d results in registers, not 1..%d",
                 results, MOST_RESULTS);
        return false;
    }
    return true;
}

/* What an engine takes for 0, as MI200's does (AMD, "MI200 MFMA behavior specifics"), y shows if it
 * is finer than f16. */
static bool keeps_small_numbers(const clattn_device_facts *facts, const clattn_project_desc *d,
                                char reason[CLATTN__REASON_BYTES])
{
    if (d->type == CLATTN_F16 && d->out_type == CLATTN_F32 && !facts->engine_subnormals) {
        snprintf(reason, CLATTN__REASON_BYTES,
                 "this device takes the smallest numbers of f16 for 0, too far off for f32");
        return false;
    }
    return true;
}

bool clattn__project_matrix_fits(const clattn_device_facts *facts, const void *desc,
                                 const int *params, char reason[CLATTN__REASON_BYTES])
{
    return clattn__engine_fits(facts, reason) &&
           clattn__fits_group(facts, (size_t)items(params), local_bytes(params), reason) &&
           keeps_small_numbers(facts, desc, reason) && fits(desc, params, reason);
}

bool clattn__project_emulated_fits(const clattn_device_facts *facts, const void *desc,
                                   const int *params, char reason[CLATTN__REASON_BYTES])
{
    return clattn__emulation_fits(facts, params[ENGINE], reason) &&
           clattn__fits_group(facts, (size_t)items(params), local_bytes(params), reason) &&
           fits(desc, params, reason);
}

void clattn__project_matrix_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    const struct shape *shape = &shapes[clattn__engine_of(facts)];
    (void)desc;
    params[ENGINE] = clattn__engine_of(facts);
    params[ROW_TEAMS] = shape->row_teams;
    params[COLUMN_TEAMS] = shape->column_teams;
    params[ROW_BLOCKS] = shape->row_blocks;
    params[COLUMN_BLOCKS] = shape->column_blocks;
    params[STEPS] = shape->steps;
}

/* Few rows are bound by reading the weights: one tile of rows, small panels so that every core has
 * one, and as many columns on their way at once as registers and local memory allow. */
void clattn__project_matrix_few_adapt(const clattn_device_facts *facts, const void *desc,
                                      int *params)
{
    const clattn_project_desc *d = desc;
    const struct shape *shape = &shapes[clattn__engine_of(facts)];
    params[ENGINE] = clattn__engine_of(facts);
    params[COLUMN_TEAMS] = shape->few_teams;
    params[ROW_BLOCKS] = FEW / clattn__blocks[params[ENGINE]].rows;
    params[COLUMN_BLOCKS] = d->gated ? 2 : 1;
    params[STEPS] = shape->few_steps;
}

/* The extent is {rows, rows of weight, batch}. */
void clattn__project_matrix_geometry(const int *params, const int64_t extent[3], size_t global[3],
                                     size_t local[3])
{
    const size_t l[3] = {items(params), 1, 1};
    const size_t g[3] = {(size_t)clattn__divide_up(extent[1], tile_weights(params)) * items(params),
                         (size_t)clattn__divide_up(extent[0], tile_rows(params)),
                         (size_t)extent[2]};
    memcpy(global, g, sizeof g);
    memcpy(local, l, sizeof l);
}

/* The batch as one matrix, so that no tile is left half empty at the end of each entry. */
static void join_batch(struct project_problem *p, const clattn_project_desc *d)
{
    int64_t x, y, residual = 0;
    if (p->batch * p->rows <= INT32_MAX && clattn__is_matrix(&p->x, p, d->in_dim, &x) &&
        clattn__is_matrix(&p->y, p, d->out_dim, &y) &&
        (!d->residual || clattn__is_matrix(&p->residual, p, d->out_dim, &residual))) {
        p->x.at[2] = x;
        p->y.at[2] = y;
        p->residual.at[2] = residual;
        p->rows *= p->batch;
        p->batch = p->batch ? 1 : 0;
    }
}

static clattn_status run(const struct project_op *op, const struct clattn__variant *variant,
                         const int *params, cl_kernel kernel, cl_command_queue queue,
                         const struct project_problem *problem, cl_mem scratch)
{
    struct project_problem p = *problem;
    (void)scratch;
    join_batch(&p, &op->desc);
    return clattn__project_launch(op, variant, params, kernel, queue, &p,
                                  clattn__project_outputs(&op->desc));
}

const struct project_way clattn__project_matrix = {clattn__project_build,
                                                   clattn__project_no_scratch, run, FEW, false};
