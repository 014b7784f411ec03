/* What ways are made of. */
#include "project.h"

#include <stdio.h>

bool clattn__refuse_weights(const clattn_project_desc *d, char reason[CLATTN__REASON_BYTES])
{
    snprintf(reason, CLATTN__REASON_BYTES, "does not take %s weights for %s",
             clattn_type_name(d->weight_type), clattn_type_name(d->type));
    return false;
}

bool clattn__is_matrix(const struct clattn__view *view, const struct project_problem *p,
                       int64_t columns, int64_t *pitch)
{
    /* Single rows may be repeated or overlap: no library takes that for a matrix. */
    const bool whole = p->batch == 1 || (p->rows == 1 ? view->at[1] >= columns
                                                      : view->at[1] == p->rows * view->at[2]);
    *pitch = p->rows > 1 ? view->at[2] : p->batch > 1 && whole ? view->at[1] : columns;
    return whole;
}

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

clattn_status clattn__project_build(struct project_op *op, const struct clattn__variant *variant,
                                    const int *params, cl_kernel *kernel)
{
    const struct project_problem nothing = {0};
    const int64_t one[3] = {1, 1, 1};
    size_t global[3], local[3];
    struct clattn__options options = clattn__options_begin();
    clattn__option(&options, "TYPE", op->desc.type);
    clattn__option(&options, "WEIGHT_TYPE", op->desc.weight_type);
    clattn__option(&options, "OUT_TYPE", op->desc.out_type);
    clattn__option(&options, "WITH_BIAS", op->desc.bias);
    clattn__option(&options, "WITH_RESIDUAL", op->desc.residual);
    clattn__option(&options, "GATED", op->desc.gated);
    clattn__option(&options, "ACTIVATION", op->desc.activation);
    clattn__options_of(&options, variant, params);
    TRY(clattn__build_kernel(op->base.context, clattn__variant_file(variant), &options, kernel));
    const clattn_project_desc none = {0};
    const struct clattn__binding binding = bind_product(*kernel, &none, &nothing);
    variant->geometry(params, one, global, local);
    return clattn__first_launch(op->base.context, &binding, local);
}

size_t clattn__project_no_scratch(const struct project_op *op, int64_t rows)
{
    (void)op;
    (void)rows;
    return 0;
}

clattn_status clattn__project_launch(const struct project_op *op,
                                     const struct clattn__variant *variant, const int *params,
                                     cl_kernel kernel, cl_command_queue queue,
                                     const struct project_problem *p, int64_t outputs)
{
    const int64_t extent[3] = {p->rows, outputs, p->batch};
    size_t global[3], local[3];
    variant->geometry(params, extent, global, local);
    const struct clattn__binding binding = bind_product(kernel, &op->desc, p);
    return clattn__launch(&binding, queue, global, local);
}
