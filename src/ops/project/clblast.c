/* gemm/clblast: a library's f32 product, and what stands before and after it. */
#include "project.h"

#include "registry/gemm.h"

#include <stdio.h>

bool clattn__project_clblast_fits(const clattn_device_facts *facts, const void *desc,
                                  const int *params, char reason[CLATTN__REASON_BYTES])
{
    const clattn_project_desc *d = desc;
    (void)params;
    if (facts->type & CL_DEVICE_TYPE_CPU && !d->kernel) {
        snprintf(reason, CLATTN__REASON_BYTES, "is for GPUs; on a CPU it must be forced");
        return false;
    }
    return d->weight_type == d->type || clattn__refuse_weights(d, reason);
}

bool clattn__project_clblast_trusted(clattn_context *context, const void *desc,
                                     char reason[CLATTN__REASON_BYTES])
{
    const clattn_project_desc *d = desc;
    return clattn__gemm_trusted(&context->trials, clattn__project_outputs(d), d->in_dim, reason,
                                CLATTN__REASON_BYTES);
}

/* ---- Building ------------------------------------------------------------------------ */

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
    return clattn__gemm_try(&op->base.context->trials, clattn__project_outputs(d), d->in_dim);
}

/* ---- Running ------------------------------------------------------------------------- */

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

/* One product for the whole batch where that is a matrix, else one per batch entry. */
static clattn_status multiply(cl_command_queue queue, const struct project_problem *p,
                              const clattn_project_desc *d)
{
    int64_t x_pitch, y_pitch;
    const bool x_whole = clattn__is_matrix(&p->x, p, d->in_dim, &x_pitch);
    const int64_t outputs = clattn__project_outputs(d);
    const bool y_whole = clattn__is_matrix(&p->y, p, outputs, &y_pitch);
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

const struct project_way clattn__project_clblast = {build_clblast, clblast_scratch, run_clblast, 6,
                                                    false};
