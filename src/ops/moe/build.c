/* The kernels of a mixture of experts: which there are, and how each is built. */
#include "moe.h"
#include "ops/block/activation.h"
#include "ops/project/project.h"

#include <stdio.h>

/* ---- Registry ----------------------------------------------------------------------- */

/* Every geometry gets the extent {rows of all experts, out_dim, experts}. */
static void wide_geometry(const int *params, const int64_t extent[3], size_t global[3],
                          size_t local[3])
{
    enum { WIDTH, VECTORS, TILE, CHUNK, BLOCK };
    /* Each expert has at most one tile that is not full. */
    const int64_t partly = extent[2] < extent[0] ? extent[2] : extent[0];
    const int64_t cells[3] = {clattn__divide_up(extent[1], params[WIDTH] * params[VECTORS]),
                              extent[0] / params[BLOCK] + partly, 1};
    clattn__cells(params, cells, global, local);
}

static void plain_geometry(const int *params, const int64_t extent[3], size_t global[3],
                           size_t local[3])
{
    const int64_t cells[3] = {extent[0], extent[1], 1};
    clattn__cells(params, cells, global, local);
}

const struct clattn__variant clattn__moe_registry[] = {
    {.name = "moe/experts_wide",
     .fits = clattn__panels_fit,
     .params = {{"WIDTH", 16}, {"VECTORS", 3}, {"TILE", 8}, {"CHUNK", 512}, {"BLOCK", 128}},
     .adapt = clattn__panels_adapt,
     .geometry = wide_geometry},
    {.name = "moe/experts", .geometry = plain_geometry},
    {0},
};

static bool is_wide(const clattn_op *op) { return op->variant == clattn__moe_registry; }

/* ---- The experts' matrices ----------------------------------------------------------- */

const clattn_linear *clattn__moe_weights(const clattn_moe_desc *d, int which)
{
    return which == MOE_UP ? &d->up : which == MOE_GATE ? &d->gate : &d->down;
}

clattn_status clattn__moe_view(const clattn_moe_desc *d, int which, struct clattn__view *weight,
                               struct clattn__view *bias)
{
    static const char *const names[MOE_MATRICES][2] = {
        {"up.weight", "up.bias"}, {"gate.weight", "gate.bias"}, {"down.weight", "down.bias"}};
    const clattn_linear *linear = clattn__moe_weights(d, which);
    const int64_t in = which == MOE_DOWN ? d->hidden_dim : d->model_dim;
    const int64_t out = which == MOE_DOWN ? d->model_dim : d->hidden_dim;
    const struct clattn__want ww = {
        "moe", names[which][0], {d->experts, out, 1, in}, 0, CLATTN__FLOATS | CLATTN__BLOCKS, false,
        true};
    const struct clattn__want wb = {
        "moe", names[which][1], {d->experts, 1, 1, out}, 0, 1u << d->type, false, true};
    TRY(clattn__of_desc("moe", clattn__view(&ww, &linear->weight, weight)));
    return clattn__of_desc("moe", clattn__view(&wb, &linear->bias, bias));
}

struct clattn__binding clattn__moe_bind(const struct moe_matrix *m, const struct moe_product *p)
{
    struct clattn__binding binding = {.kernel = m->kernel};
    clattn__bind_view(&binding, &p->x);
    clattn__bind_view(&binding, &m->weight);
    clattn__bind_view(&binding, &m->bias);
    clattn__bind_view(&binding, &p->y);
    clattn__bind_view(&binding, &p->entries);
    clattn__bind_view(&binding, &p->choice);
    clattn__bind_view(&binding, &p->totals);
    clattn__bind_int(&binding, p->count);
    clattn__bind_int(&binding, p->batch_rows);
    clattn__bind_int(&binding, p->experts);
    clattn__bind_int(&binding, m->out_dim);
    clattn__bind_int(&binding, m->in_dim);
    return binding;
}

/* Weights as they lie, or packed where the wide kernel wants that. */
static clattn_status keep_weight(struct moe_op *op, struct moe_matrix *m,
                                 const struct clattn__view *weight, clattn_type type)
{
    clattn_context *context = op->base.context;
    if (!is_wide(&op->base) || type != CLATTN_F32) {
        TRY(CL(clRetainMemObject, weight->mem));
        m->weight = *weight;
        return CLATTN_OK;
    }
    const struct clattn__panels panels = {op->base.params, op->desc.experts, m->out_dim, m->in_dim,
                                          false};
    cl_kernel pack = NULL;
    cl_int code;
    struct clattn__view packed = clattn__panels_view(&panels, NULL);
    packed.mem = clCreateBuffer(context->device.cl, CL_MEM_READ_WRITE,
                                (size_t)packed.extent * sizeof(float), NULL, &code);
    TRY(clattn__opencl(code, "clCreateBuffer"));
    m->weight = packed; /* released with the op */
    TRY(clattn__panels_build(context, op->base.params, &pack));
    clattn_status status =
        clattn__panels_pack(&panels, pack, context->device.queue, weight, &packed);
    if (status == CLATTN_OK) {
        status = CL(clFinish, context->device.queue);
    }
    clReleaseKernel(pack);
    return status;
}

static clattn_status build_matrix(struct moe_op *op, int which)
{
    const clattn_moe_desc *d = &op->desc;
    const bool down = which == MOE_DOWN;
    struct moe_matrix *m = &op->matrix[which];
    struct clattn__view weight, bias;
    m->in_dim = down ? d->hidden_dim : d->model_dim;
    m->out_dim = down ? d->model_dim : d->hidden_dim;
    TRY(clattn__moe_view(d, which, &weight, &bias));
    const clattn_type type = clattn__moe_weights(d, which)->weight.type;
    struct clattn__options options = clattn__options_begin();
    clattn__option(&options, "TYPE", d->type);
    clattn__option(&options, "WEIGHT_TYPE", type);
    clattn__option(&options, "OUT_TYPE", down ? CLATTN_F32 : d->type);
    clattn__option(&options, "WITH_BIAS", bias.mem != NULL);
    clattn__option(&options, "ACTIVATION",
                   which == (d->gated ? MOE_GATE : MOE_UP) ? d->activation : CLATTN_IDENTITY);
    clattn__option(&options, "WITH_RESIDUAL", false);
    clattn__option(&options, "GATED", which == MOE_GATE);
    clattn__option(&options, "K", d->k);
    clattn__option(&options, "GATHER", !down);
    clattn__options_of(&options, op->base.variant, op->base.params);
    TRY(clattn__build_kernel(op->base.context, op->base.variant->name, &options, &m->kernel));
    const struct moe_product nothing = {0};
    const struct moe_matrix empty = {.kernel = m->kernel};
    const size_t single[3] = {1, 1, 1};
    const struct clattn__binding binding = clattn__moe_bind(&empty, &nothing);
    TRY(clattn__first_launch(op->base.context, &binding, single));
    if (bias.mem) {
        TRY(CL(clRetainMemObject, bias.mem));
        m->bias = bias;
    }
    return weight.mem ? keep_weight(op, m, &weight, type) : CLATTN_OK;
}

/* ---- What is around them --------------------------------------------------------------- */

static clattn_status build_kernels(struct moe_op *op)
{
    const clattn_moe_desc *d = &op->desc;
    const bool wide = is_wide(&op->base);
    const struct {
        const char *file, *name;
        int views, ints;
    } kernels[MOE_KERNELS] = {
        [MOE_ROUTE] = {"moe/route", "moe/route", 3, 2},
        [MOE_COUNT] = {"moe/group", "moe/count", 2, 2},
        [MOE_PREFIX] = {"moe/group", "moe/prefix", 2, 2},
        [MOE_PLACE] = {"moe/group", "moe/place", 5, 2},
        [MOE_COMBINE] = {wide ? "moe/combine_wide" : "moe/combine",
                         wide ? "moe/combine_wide" : "moe/combine", 4, 3},
    };
    struct clattn__options options = clattn__options_begin();
    clattn__option(&options, "K", d->k);
    clattn__option(&options, "SIGMOID", d->routing == CLATTN_ROUTE_SIGMOID);
    clattn__option(&options, "RENORMALISE", d->renormalise);
    clattn__option(&options, "ENTRIES", MOE_ENTRIES);
    clattn__option(&options, "OUT_TYPE", d->out_type);
    if (wide) {
        clattn__option(&options, "WIDTH", op->base.params[0]);
    }
    op->items = op->base.context->device.facts.max_work_group < 64
                    ? (size_t)op->base.context->device.facts.max_work_group
                    : 64;
    for (int i = 0; i < MOE_KERNELS; i++) {
        const size_t local[3] = {i == MOE_COMBINE && wide ? 1 : op->items, 1, 1};
        const struct clattn__view none = {0};
        TRY(clattn__build_kernel_in(op->base.context, kernels[i].file, kernels[i].name, &options,
                                    &op->kernel[i]));
        struct clattn__binding binding = {.kernel = op->kernel[i]};
        for (int n = 0; n < kernels[i].views; n++) {
            clattn__bind_view(&binding, &none);
        }
        for (int n = 0; n < kernels[i].ints; n++) {
            clattn__bind_int(&binding, 0);
        }
        TRY(clattn__first_launch(op->base.context, &binding, local));
    }
    return CLATTN_OK;
}

clattn_status clattn__moe_build(clattn_op *base, const void *desc)
{
    struct moe_op *op = (struct moe_op *)base;
    op->desc = *(const clattn_moe_desc *)desc;
    op->desc.kernel = NULL; /* the caller's string does not outlive the call */
    const clattn_moe_desc *d = &op->desc;
    const clattn_project_desc router = {
        .in_dim = d->model_dim, .out_dim = d->experts, .type = d->type, .out_type = CLATTN_F32};
    if (d->router.weight.mem) {
        TRY(clattn__linear_create(base->context, "moe", "router", &router, &d->router,
                                  &op->router));
    }
    TRY(build_matrix(op, MOE_UP));
    TRY(CL(clRetainKernel, op->matrix[MOE_UP].kernel));
    base->kernel = op->matrix[MOE_UP].kernel; /* whose build is reported */
    if (d->gated) {
        TRY(build_matrix(op, MOE_GATE));
    }
    TRY(build_matrix(op, MOE_DOWN));
    TRY(build_kernels(op));
    snprintf(base->label, sizeof base->label, "%s %s%s%s %d of %d%s %s%s", base->variant->name,
             clattn_type_name(d->type), d->up.weight.type == d->type ? "" : "*",
             d->up.weight.type == d->type ? "" : clattn_type_name(d->up.weight.type), d->k,
             d->experts, d->routing == CLATTN_ROUTE_SIGMOID ? " sigmoid" : "",
             clattn__activation_name(d->activation), d->gated ? " gated" : "");
    return CLATTN_OK;
}

void clattn__moe_release(clattn_op *base)
{
    struct moe_op *op = (struct moe_op *)base;
    clattn__linear_release(&op->router);
    for (int i = 0; i < MOE_MATRICES; i++) {
        const struct moe_matrix *m = &op->matrix[i];
        const cl_mem kept[] = {m->weight.mem, m->bias.mem};
        for (int n = 0; n < 2; n++) {
            if (kept[n]) {
                clReleaseMemObject(kept[n]);
            }
        }
        if (m->kernel) {
            clReleaseKernel(m->kernel);
        }
    }
    for (int i = 0; i < MOE_KERNELS; i++) {
        if (op->kernel[i]) {
            clReleaseKernel(op->kernel[i]);
        }
    }
}
