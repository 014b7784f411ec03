/* A linear layer of an op that is made of others: a projection with the weights of a descriptor. */
#ifndef CLATTN_OPS_LINEAR_H
#define CLATTN_OPS_LINEAR_H

#include "registry/op.h"

#include <clattn/block.h>

struct clattn__linear {
    clattn_op *op; /* NULL = there is none */
    clattn_tensor bias;
};

/* Of desc, whose weight and bias are those of weights.  What fails is said to be the field of op:
 * "layer: self_attention.q: ...". */
clattn_status clattn__linear_create(clattn_context *context, const char *op, const char *field,
                                    const clattn_project_desc *desc, const clattn_linear *weights,
                                    struct clattn__linear *out);
void clattn__linear_release(struct clattn__linear *linear);
/* residual: with that of desc; else NULL. */
clattn_status clattn__linear_run(const struct clattn__linear *linear, cl_command_queue queue,
                                 const clattn_tensor *x, const clattn_tensor *residual,
                                 const clattn_tensor *y);

/* An operand of a descriptor that its op keeps; absent ones too. */
clattn_status clattn__hold(const clattn_tensor *tensor);
void clattn__let_go(const clattn_tensor *tensor);

/* The same failure, whose text says first where it was. */
clattn_status clattn__fail_in(const char *where, clattn_status status);

#endif /* CLATTN_OPS_LINEAR_H */
