#include "linear.h"

#include <stdio.h>

clattn_status clattn__hold(const clattn_tensor *tensor)
{
    return tensor->mem ? CL(clRetainMemObject, tensor->mem) : CLATTN_OK;
}

void clattn__let_go(const clattn_tensor *tensor)
{
    if (tensor->mem) {
        clReleaseMemObject(tensor->mem);
    }
}

clattn_status clattn__fail_in(const char *where, clattn_status status)
{
    char why[3900];
    snprintf(why, sizeof why, "%s", clattn_error());
    return clattn__fail(status, "%s: %s", where, why);
}

clattn_status clattn__linear_create(clattn_context *context, const char *op, const char *field,
                                    const clattn_project_desc *desc, const clattn_linear *weights,
                                    struct clattn__linear *out)
{
    if (!weights->weight.mem) {
        return clattn__refuse("%s: %s.weight is absent", op, field);
    }
    clattn_project_desc full = *desc;
    full.weight = weights->weight;
    full.bias = weights->bias.mem;
    const clattn_status status = clattn_project_create(context, &full, &out->op);
    if (status != CLATTN_OK) {
        char where[64];
        snprintf(where, sizeof where, "%s: %s", op, field);
        return clattn__fail_in(where, status);
    }
    TRY(clattn__hold(&weights->bias));
    out->bias = weights->bias;
    return CLATTN_OK;
}

void clattn__linear_release(struct clattn__linear *linear)
{
    clattn_op_destroy(linear->op);
    clattn__let_go(&linear->bias);
}

clattn_status clattn__linear_run(const struct clattn__linear *linear, cl_command_queue queue,
                                 const clattn_tensor *x, const clattn_tensor *residual,
                                 const clattn_tensor *y)
{
    clattn_project_args args = {.x = *x, .bias = linear->bias, .y = *y};
    if (residual) {
        args.residual = *residual;
    }
    return clattn_project_run(linear->op, queue, &args, NULL);
}
