/* The kernels of projection: which fit, and how each is built and run. */
#include "project.h"

#include "ops/common/engine.h"

/* ---- Fitting ------------------------------------------------------------------ */

/* Every geometry gets the extent {rows, out_dim, batch}. */
enum { WIDTH, VECTORS, TILE, CHUNK, BLOCK }; /* places in gemm/wide's params */

static void wide_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    const clattn_project_desc *d = desc;
    clattn__panels_adapt(facts, desc, params);
    if (d->weight_type != CLATTN_F32 && facts->compute_units <= 8) {
        params[BLOCK] = 512; /* weights are widened for each block anew, and few cores are busy
                                anyway */
    }
}

static void wide_geometry(const int *params, const int64_t extent[3], size_t global[3],
                          size_t local[3])
{
    const int64_t cells[3] = {clattn__divide_up(extent[1], params[WIDTH] * params[VECTORS]),
                              clattn__divide_up(extent[0], params[BLOCK]), extent[2]};
    clattn__cells(params, cells, global, local);
}

static void gemv_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    (void)desc;
    params[WIDTH] = facts->vector_width;
}

static void gemv_geometry(const int *params, const int64_t extent[3], size_t global[3],
                          size_t local[3])
{
    const int64_t cells[3] = {clattn__divide_up(extent[1], params[WIDTH]), 1, extent[2]};
    clattn__cells(params, cells, global, local);
}

static bool gemv_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                      char reason[CLATTN__REASON_BYTES])
{
    const clattn_project_desc *d = desc;
    return clattn__in_blocks(d->weight_type) ? clattn__refuse_weights(d, reason)
                                             : clattn__fits_wide(facts, desc, params, reason);
}

static bool gemv_blocks_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                             char reason[CLATTN__REASON_BYTES])
{
    const clattn_project_desc *d = desc;
    return clattn__in_blocks(d->weight_type) ? clattn__fits_wide(facts, desc, params, reason)
                                             : clattn__refuse_weights(d, reason);
}

/* ---- As it is, and with packed weights ----------------------------------------- */

static clattn_status run_product(const struct project_op *op, const struct clattn__variant *variant,
                                 const int *params, cl_kernel kernel, cl_command_queue queue,
                                 const struct project_problem *p, cl_mem scratch)
{
    (void)scratch;
    return clattn__project_launch(op, variant, params, kernel, queue, p, op->desc.out_dim);
}

static clattn_status build_packed(struct project_op *op, const struct clattn__variant *variant,
                                  const int *params, cl_kernel *kernel)
{
    TRY(clattn__project_build(op, variant, params, kernel));
    return op->desc.weight_type == CLATTN_F32
               ? clattn__panels_build(op->base.context, params, &op->pack)
               : CLATTN_OK; /* read as they lie */
}

static struct clattn__panels panels_in(const struct project_op *op, const int *params)
{
    return (struct clattn__panels){params, 1, op->desc.out_dim, op->desc.in_dim, op->desc.gated};
}

static size_t packed_scratch(const struct project_op *op, int64_t rows)
{
    const struct clattn__panels panels = panels_in(op, op->base.params);
    (void)rows;
    return op->weight.mem || !op->pack
               ? 0
               : (size_t)clattn__panels_view(&panels, NULL).extent * sizeof(float);
}

static clattn_status run_packed(const struct project_op *op, const struct clattn__variant *variant,
                                const int *params, cl_kernel kernel, cl_command_queue queue,
                                const struct project_problem *p, cl_mem scratch)
{
    struct project_problem packed = *p;
    if (!op->weight.mem && op->pack) {
        const struct clattn__panels panels = panels_in(op, params);
        packed.weight = clattn__panels_view(&panels, scratch);
        TRY(clattn__panels_pack(&panels, op->pack, queue, &p->weight, &packed.weight));
    }
    return run_product(op, variant, params, kernel, queue, &packed, NULL);
}

clattn_status clattn__project_keep(struct project_op *op, const struct clattn__view *weight)
{
    if (!op->pack) {
        TRY(CL(clRetainMemObject, weight->mem));
        op->weight = *weight;
        return CLATTN_OK;
    }
    cl_int code;
    const struct clattn__panels panels = panels_in(op, op->base.params);
    const struct clattn__view packed = clattn__panels_view(&panels, NULL);
    cl_mem mem = clCreateBuffer(op->base.context->device.cl, CL_MEM_READ_WRITE,
                                (size_t)packed.extent * sizeof(float), NULL, &code);
    TRY(clattn__opencl(code, "clCreateBuffer"));
    op->weight = packed;
    op->weight.mem = mem;
    TRY(clattn__panels_pack(&panels, op->pack, op->base.context->device.queue, weight,
                            &op->weight));
    return CL(clFinish, op->base.context->device.queue);
}

/* ---- Registry: best first ---------------------------------------------------------- */

enum { FEW = 6 }; /* rows up to which kernels for few of them are faster, measured on CPUs */

static const struct project_way packed = {build_packed, packed_scratch, run_packed, FEW, true};
static const struct project_way product = {clattn__project_build, clattn__project_no_scratch,
                                           run_product, FEW, false};

/* gemm/emulated with the layouts of one engine. */
#define EMULATED(engine, number)                                                                   \
    {                                                                                              \
        .name = "gemm/emulated_" engine, .own = &clattn__project_matrix, .forced_only = true,      \
        .file = "gemm/emulated", .fits = clattn__project_emulated_fits,                            \
        .params = {{"ENGINE", number},                                                             \
                   {"ROW_TEAMS", 2, {1, 2, 4}},                                                    \
                   {"COLUMN_TEAMS", 2, {1, 2, 4}},                                                 \
                   {"ROW_BLOCKS", 2, {1, 2, 4}},                                                   \
                   {"COLUMN_BLOCKS", 2, {1, 2, 4}},                                                \
                   {"STEPS", 2, {1, 2, 4, 8}}},                                                    \
        .flags = clattn__emulated_flags, .geometry = clattn__project_matrix_geometry               \
    }

const struct clattn__variant clattn__project_registry[] = {
    {.name = "gemm/wide",
     .own = &packed,
     .fits = clattn__panels_fit,
     .params = {{"WIDTH", 16},
                {"VECTORS", 3, {1, 2, 3, 4}},
                {"TILE", 8, {2, 4, 6, 8, 12}},
                {"CHUNK", 512, {128, 256, 512, 1024}},
                {"BLOCK", 128, {24, 48, 64, 96, 128, 192, 256, 512}}},
     .adapt = wide_adapt,
     .geometry = wide_geometry},
    {.name = "gemm/gemv_wide",
     .own = &product,
     .few_rows = true,
     .fits = gemv_fits,
     .params = {{"WIDTH", 16}, {"ROWS", 8, {2, 4, 8}}},
     .adapt = gemv_adapt,
     .geometry = gemv_geometry},
    {.name = "gemm/gemv_blocks_wide",
     .own = &product,
     .few_rows = true,
     .fits = gemv_blocks_fits,
     .params = {{"WIDTH", 16}, {"ROWS", 4, {2, 4, 8}}},
     .adapt = gemv_adapt,
     .geometry = gemv_geometry},
    {.name = "gemm/matrix",
     .own = &clattn__project_matrix,
     .fits = clattn__project_matrix_fits,
     .params = {{"ENGINE", CLATTN_ENGINE_NV_MMA},
                {"ROW_TEAMS", 2, {1, 2, 4}},
                {"COLUMN_TEAMS", 2, {1, 2, 4}},
                {"ROW_BLOCKS", 4, {1, 2, 4}},
                {"COLUMN_BLOCKS", 4, {1, 2, 4}},
                {"STEPS", 2, {1, 2, 4}}},
     .adapt = clattn__project_matrix_adapt,
     .flags = clattn__matrix_flags,
     .geometry = clattn__project_matrix_geometry},
    {.name = "gemm/matrix_few",
     .own = &clattn__project_matrix,
     .few_rows = true,
     .file = "gemm/matrix",
     .fits = clattn__project_matrix_fits,
     .params = {{"ENGINE", CLATTN_ENGINE_NV_MMA},
                {"ROW_TEAMS", 1},
                {"COLUMN_TEAMS", 4, {1, 2, 4, 8}},
                {"ROW_BLOCKS", 1, {1, 2}},
                {"COLUMN_BLOCKS", 1, {1, 2, 4}},
                {"STEPS", 8, {1, 2, 4, 8}}},
     .adapt = clattn__project_matrix_few_adapt,
     .flags = clattn__matrix_flags,
     .geometry = clattn__project_matrix_geometry},
    EMULATED("nv_mma", CLATTN_ENGINE_NV_MMA),
    EMULATED("amd_wmma", CLATTN_ENGINE_AMD_WMMA),
    EMULATED("amd_wmma_gfx12", CLATTN_ENGINE_AMD_WMMA_GFX12),
    EMULATED("amd_mfma", CLATTN_ENGINE_AMD_MFMA),
    EMULATED("intel_dpas_8", CLATTN_ENGINE_INTEL_DPAS_8),
    EMULATED("intel_dpas_16", CLATTN_ENGINE_INTEL_DPAS_16),
    {.name = "gemm/clblast",
     .own = &clattn__project_clblast,
     .library = true,
     .fits = clattn__project_clblast_fits,
     .trusted = clattn__project_clblast_trusted},
    {.name = "gemm/plain", .own = &product, .geometry = clattn__cells},
    {0},
};

const struct project_way *clattn__project_way(const struct clattn__variant *variant)
{
    return variant->own;
}
