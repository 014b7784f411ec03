/* The kernels of projection: which fit, and how each is built and run.  Best first. */
#include "project.h"

#include "../gemm.h"
#include "../program.h"

#include <stdio.h>
#include <string.h>

/* ---- Registry ---------------------------------------------------------------- */

/* Every geometry gets the extent {rows, out_dim, batch}. */
enum { WIDTH, VECTORS, TILE, CHUNK, BLOCK }; /* places in gemm/wide's params */

void clattn__panels_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    (void)desc;
    params[WIDTH] = facts->vector_width;
    params[TILE] = facts->vector_width == 8 ? 4 : 8;
}

static void wide_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    const clattn_project_desc *d = desc;
    clattn__panels_adapt(facts, desc, params);
    if (d->weight_type != CLATTN_F32 && facts->compute_units <= 8) {
        params[BLOCK] = 512; /* weights are widened for each block anew, and few cores are busy
                                anyway */
    }
}

bool clattn__panels_fit(const clattn_device_facts *facts, const void *desc, const int *params,
                        char reason[CLATTN__REASON_BYTES])
{
    if (!clattn__fits_wide(facts, desc, params, reason)) {
        return false;
    }
    if (params[BLOCK] % params[TILE]) {
        snprintf(reason, CLATTN__REASON_BYTES, "BLOCK %d is no multiple of TILE %d", params[BLOCK],
                 params[TILE]);
        return false;
    }
    return clattn__fits_registers(facts, params[TILE], params[VECTORS], reason);
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

static bool refuse_weights(const clattn_project_desc *d, char reason[CLATTN__REASON_BYTES])
{
    snprintf(reason, CLATTN__REASON_BYTES, "does not take %s weights for %s",
             clattn_type_name(d->weight_type), clattn_type_name(d->type));
    return false;
}

static bool gemv_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                      char reason[CLATTN__REASON_BYTES])
{
    const clattn_project_desc *d = desc;
    return clattn__in_blocks(d->weight_type) ? refuse_weights(d, reason)
                                             : clattn__fits_wide(facts, desc, params, reason);
}

static bool gemv_blocks_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                             char reason[CLATTN__REASON_BYTES])
{
    const clattn_project_desc *d = desc;
    return clattn__in_blocks(d->weight_type) ? clattn__fits_wide(facts, desc, params, reason)
                                             : refuse_weights(d, reason);
}

static bool clblast_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                         char reason[CLATTN__REASON_BYTES])
{
    const clattn_project_desc *d = desc;
    (void)facts;
    (void)params;
    return d->weight_type == d->type || refuse_weights(d, reason);
}

const struct clattn__variant clattn__project_registry[] = {
    {.name = "gemm/wide",
     .fits = clattn__panels_fit,
     .params = {{"WIDTH", 16},
                {"VECTORS", 3, {1, 2, 3, 4}},
                {"TILE", 8, {2, 4, 6, 8, 12}},
                {"CHUNK", 512, {128, 256, 512, 1024}},
                {"BLOCK", 128, {24, 48, 64, 96, 128, 192, 256, 512}}},
     .adapt = wide_adapt,
     .geometry = wide_geometry},
    {.name = "gemm/gemv_wide",
     .few_rows = true,
     .fits = gemv_fits,
     .params = {{"WIDTH", 16}, {"ROWS", 8, {2, 4, 8}}},
     .adapt = gemv_adapt,
     .geometry = gemv_geometry},
    {.name = "gemm/gemv_blocks_wide",
     .few_rows = true,
     .fits = gemv_blocks_fits,
     .params = {{"WIDTH", 16}, {"ROWS", 4, {2, 4, 8}}},
     .adapt = gemv_adapt,
     .geometry = gemv_geometry},
    {.name = "gemm/clblast", .library = true, .fits = clblast_fits},
    {.name = "gemm/plain", .geometry = clattn__cells},
    {0},
};

/* ---- Building and running a kernel -------------------------------------------- */

static struct clattn__binding bind_product(cl_kernel kernel, const clattn_project_desc *d,
                                           const struct project_problem *p)
{
    struct clattn__binding binding = {.kernel = kernel};
    clattn__bind_view(&binding, &p->x);
    clattn__bind_view(&binding, &p->weight);
    clattn__bind_view(&binding, &p->bias);
    clattn__bind_view(&binding, &p->residual);
    clattn__bind_view(&binding, &p->y);
    clattn__bind_int(&binding, p->rows);
    clattn__bind_int(&binding, d->out_dim);
    clattn__bind_int(&binding, d->in_dim);
    return binding;
}

static clattn_status build_product(struct project_op *op, const struct clattn__variant *variant,
                                   const int *params, cl_kernel *kernel)
{
    const struct project_problem nothing = {0};
    const size_t single[3] = {1, 1, 1};
    struct clattn__options options = clattn__options_begin();
    clattn__option(&options, "TYPE", op->desc.type);
    clattn__option(&options, "WEIGHT_TYPE", op->desc.weight_type);
    clattn__option(&options, "OUT_TYPE", op->desc.out_type);
    clattn__option(&options, "WITH_BIAS", op->desc.bias);
    clattn__option(&options, "WITH_RESIDUAL", op->desc.residual);
    clattn__option(&options, "GATED", op->desc.gated);
    clattn__option(&options, "ACTIVATION", op->desc.activation);
    clattn__options_of(&options, variant, params);
    TRY(clattn__build_kernel(op->base.context, variant->name, &options, kernel));
    const clattn_project_desc none = {0};
    const struct clattn__binding binding = bind_product(*kernel, &none, &nothing);
    return clattn__first_launch(op->base.context, &binding, single);
}

static size_t no_scratch(const struct project_op *op, int64_t rows)
{
    (void)op;
    (void)rows;
    return 0;
}

static clattn_status run_product(const struct project_op *op, const struct clattn__variant *variant,
                                 const int *params, cl_kernel kernel, cl_command_queue queue,
                                 const struct project_problem *p, cl_mem scratch)
{
    const int64_t extent[3] = {p->rows, op->desc.out_dim, p->batch};
    size_t global[3], local[3];
    (void)scratch;
    variant->geometry(params, extent, global, local);
    const struct clattn__binding binding = bind_product(kernel, &op->desc, p);
    return clattn__launch(&binding, queue, global, local);
}

/* ---- Packed weights ------------------------------------------------------------ */

static struct clattn__binding bind_pack(cl_kernel kernel, int64_t out_dim, int64_t in_dim,
                                        const struct clattn__view *weight,
                                        const struct clattn__view *packed)
{
    struct clattn__binding binding = {.kernel = kernel};
    clattn__bind_view(&binding, weight);
    clattn__bind_view(&binding, packed);
    clattn__bind_int(&binding, out_dim);
    clattn__bind_int(&binding, in_dim);
    return binding;
}

clattn_status clattn__panels_build(clattn_context *context, const int *params, cl_kernel *kernel)
{
    const struct clattn__view nothing = {0};
    const size_t single[3] = {1, 1, 1};
    struct clattn__options options = clattn__options_begin();
    clattn__option(&options, "WIDTH", params[WIDTH]);
    clattn__option(&options, "VECTORS", params[VECTORS]);
    TRY(clattn__build_kernel(context, "gemm/pack_wide", &options, kernel));
    const struct clattn__binding binding = bind_pack(*kernel, 0, 0, &nothing, &nothing);
    return clattn__first_launch(context, &binding, single);
}

static int64_t panels_of(const struct clattn__panels *p)
{
    return (p->gated ? 2 : 1) *
           clattn__divide_up(p->out_dim, p->params[WIDTH] * p->params[VECTORS]);
}

struct clattn__view clattn__panels_view(const struct clattn__panels *p, cl_mem mem)
{
    const int64_t panel = (int64_t)p->params[WIDTH] * p->params[VECTORS];
    const int64_t size[4] = {p->batch, panels_of(p), p->in_dim, panel};
    return clattn__dense_view(mem, 0, size, CLATTN_F32);
}

clattn_status clattn__panels_pack(const struct clattn__panels *p, cl_kernel kernel,
                                  cl_command_queue queue, const struct clattn__view *weight,
                                  const struct clattn__view *packed)
{
    enum { COLUMNS = 256 }; /* as in kernels/gemm/pack_wide.cl */
    const size_t global[3] = {(size_t)panels_of(p), (size_t)clattn__divide_up(p->in_dim, COLUMNS),
                              (size_t)p->batch};
    const size_t local[3] = {1, 1, 1};
    const struct clattn__binding binding = bind_pack(kernel, p->out_dim, p->in_dim, weight, packed);
    return clattn__launch(&binding, queue, global, local);
}

static clattn_status build_packed(struct project_op *op, const struct clattn__variant *variant,
                                  const int *params, cl_kernel *kernel)
{
    TRY(build_product(op, variant, params, kernel));
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
    cl_mem mem = clCreateBuffer(op->base.context->cl, CL_MEM_READ_WRITE,
                                (size_t)packed.extent * sizeof(float), NULL, &code);
    TRY(clattn__opencl(code, "clCreateBuffer"));
    op->weight = packed;
    op->weight.mem = mem;
    TRY(clattn__panels_pack(&panels, op->pack, op->base.context->queue, weight, &op->weight));
    return CL(clFinish, op->base.context->queue);
}

/* ---- CLBlast -------------------------------------------------------------------- */

static struct clattn__binding bind_convert(cl_kernel kernel, const struct clattn__view *x,
                                           const struct clattn__view *bias,
                                           const struct clattn__view *residual,
                                           const struct clattn__view *y, int64_t columns,
                                           int64_t rows)
{
    struct clattn__binding binding = {.kernel = kernel};
    clattn__bind_view(&binding, x);
    clattn__bind_view(&binding, bias);
    clattn__bind_view(&binding, residual);
    clattn__bind_view(&binding, y);
    clattn__bind_int(&binding, columns);
    clattn__bind_int(&binding, rows);
    return binding;
}

/* From one type to another; as says what comes on top, NULL = nothing. */
static clattn_status build_convert(struct project_op *op, clattn_type from, clattn_type to,
                                   const clattn_project_desc *as, cl_kernel *out)
{
    struct clattn__options options = clattn__options_begin();
    const size_t single[3] = {1, 1, 1};
    const struct clattn__view none = {0};
    clattn__option(&options, "TYPE", from);
    clattn__option(&options, "OUT_TYPE", to);
    clattn__option(&options, "WITH_BIAS", as && as->bias);
    clattn__option(&options, "BIAS_TYPE", op->desc.type);
    clattn__option(&options, "WITH_RESIDUAL", as && as->residual);
    clattn__option(&options, "GATED", as && as->gated);
    clattn__option(&options, "ACTIVATION", as ? as->activation : CLATTN_IDENTITY);
    TRY(clattn__build_kernel(op->base.context, "gemm/convert", &options, out));
    const struct clattn__binding binding = bind_convert(*out, &none, &none, &none, &none, 0, 0);
    return clattn__first_launch(op->base.context, &binding, single);
}

/* Whether the product cannot lie where y does. */
static bool product_apart(const clattn_project_desc *d)
{
    return d->out_type != CLATTN_F32 || d->gated || d->residual;
}

static clattn_status build_clblast(struct project_op *op, const struct clattn__variant *variant,
                                   const int *params, cl_kernel *kernel)
{
    const clattn_project_desc *d = &op->desc;
    (void)variant;
    (void)params;
    (void)kernel;
    if (d->type != CLATTN_F32) {
        TRY(build_convert(op, d->type, CLATTN_F32, NULL, &op->widen));
    }
    if (d->bias || d->activation || product_apart(d)) {
        TRY(build_convert(op, CLATTN_F32, d->out_type, d, &op->finish));
    }
    return clattn__gemm_prepare(op->base.context, clattn__project_outputs(d), d->in_dim);
}

/* Where in the scratch the f32 copies of x, weight and y lie. */
struct copies {
    int64_t x, weight, y; /* offsets */
    int64_t total;        /* elements */
};

static struct copies plan_copies(const clattn_project_desc *d, int64_t rows)
{
    struct copies c = {0};
    if (d->type != CLATTN_F32) {
        c.weight = rows * d->in_dim;
        c.total = c.weight + clattn__project_outputs(d) * d->in_dim;
    }
    if (product_apart(d)) {
        c.y = c.total;
        c.total += rows * clattn__project_outputs(d);
    }
    return c;
}

static size_t clblast_scratch(const struct project_op *op, int64_t rows)
{
    return (size_t)plan_copies(&op->desc, rows).total * sizeof(float);
}

static clattn_status convert(cl_kernel kernel, cl_command_queue queue, const struct clattn__view *x,
                             const struct clattn__view *bias, const struct clattn__view *residual,
                             const struct clattn__view *y, int64_t columns, int64_t rows,
                             int64_t batch)
{
    const struct clattn__binding binding =
        bind_convert(kernel, x, bias, residual, y, columns, rows);
    const size_t global[3] = {(size_t)columns, (size_t)rows, (size_t)batch};
    return clattn__launch(&binding, queue, global, NULL);
}

/* Whether all rows of the batch are one matrix, and the distance of its rows. */
static bool is_matrix(const struct clattn__view *view, const struct project_problem *p,
                      int64_t columns, int64_t *pitch)
{
    /* Single rows may be repeated or overlap: no library takes that for a matrix. */
    const bool whole = p->batch == 1 || (p->rows == 1 ? view->at[1] >= columns
                                                      : view->at[1] == p->rows * view->at[2]);
    *pitch = p->rows > 1 ? view->at[2] : p->batch > 1 && whole ? view->at[1] : columns;
    return whole;
}

/* One product for the whole batch where that is a matrix, else one per batch entry. */
static clattn_status multiply(cl_command_queue queue, const struct project_problem *p,
                              const clattn_project_desc *d)
{
    int64_t x_pitch, y_pitch;
    const bool x_whole = is_matrix(&p->x, p, d->in_dim, &x_pitch);
    const int64_t outputs = clattn__project_outputs(d);
    const bool y_whole = is_matrix(&p->y, p, outputs, &y_pitch);
    const int64_t products = x_whole && y_whole ? 1 : p->batch;
    const int64_t rows = p->batch * p->rows / (products ? products : 1);
    const struct clattn__matrix weight = {p->weight.mem, p->weight.at[0],
                                          outputs > 1 ? p->weight.at[2] : d->in_dim};
    for (int64_t b = 0; b < products; b++) {
        const struct clattn__matrix x = {p->x.mem, p->x.at[0] + b * p->x.at[1], x_pitch};
        const struct clattn__matrix y = {p->y.mem, p->y.at[0] + b * p->y.at[1], y_pitch};
        TRY(clattn__gemm(queue, rows, outputs, d->in_dim, &x, &weight, &y));
    }
    return CLATTN_OK;
}

static clattn_status run_clblast(const struct project_op *op, const struct clattn__variant *variant,
                                 const int *params, cl_kernel kernel, cl_command_queue queue,
                                 const struct project_problem *p, cl_mem scratch)
{
    const clattn_project_desc *d = &op->desc;
    const int64_t outputs = clattn__project_outputs(d);
    const struct copies copies = plan_copies(d, p->batch * p->rows);
    const struct clattn__view none = {0};
    struct project_problem f32 = *p;
    (void)variant;
    (void)params;
    (void)kernel;
    if (op->widen) {
        const int64_t x_size[4] = {p->batch, p->rows, 1, d->in_dim},
                      w_size[4] = {1, outputs, 1, d->in_dim};
        f32.x = clattn__dense_view(scratch, copies.x, x_size, CLATTN_F32);
        f32.weight = clattn__dense_view(scratch, copies.weight, w_size, CLATTN_F32);
        TRY(convert(op->widen, queue, &p->x, &none, &none, &f32.x, d->in_dim, p->rows, p->batch));
        TRY(convert(op->widen, queue, &p->weight, &none, &none, &f32.weight, d->in_dim, outputs,
                    1));
    }
    if (product_apart(d)) {
        const int64_t y_size[4] = {p->batch, p->rows, 1, outputs};
        f32.y = clattn__dense_view(scratch, copies.y, y_size, CLATTN_F32);
    }
    TRY(multiply(queue, &f32, d));
    return op->finish ? convert(op->finish, queue, &f32.y, &p->bias, &p->residual, &p->y,
                                d->out_dim, p->rows, p->batch)
                      : CLATTN_OK;
}

/* ---- Ways, in the order of the registry ------------------------------------------ */

const struct project_way *clattn__project_way(const struct clattn__variant *variant)
{
    static const struct project_way ways[] = {
        {build_packed, packed_scratch, run_packed}, {build_product, no_scratch, run_product},
        {build_product, no_scratch, run_product},   {build_clblast, clblast_scratch, run_clblast},
        {build_product, no_scratch, run_product},
    };
    return &ways[variant - clattn__project_registry];
}
