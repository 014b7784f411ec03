/* What the files of the transformer layer share. */
#ifndef CLATTN_OPS_LAYER_H
#define CLATTN_OPS_LAYER_H

#include "ops/project/linear.h"

#include <clattn/layer.h>

enum { LAYER_SELF, LAYER_CROSS, LAYER_FFN, LAYER_PARTS };
enum {
    LAYER_Q,
    LAYER_K,
    LAYER_V,
    LAYER_O,
    LAYER_ATTENTION_LINEARS
}; /* LAYER_Q stands for all three where they are joined */
enum { LAYER_LINEARS = 2 * LAYER_ATTENTION_LINEARS };

struct layer_norm {
    clattn_op *op;
    clattn_norm_weights weights;
};

struct layer_op {
    clattn_op base;
    clattn_layer_desc desc;
    struct clattn__linear linear[LAYER_LINEARS]; /* of self-attention, of cross-attention */
    struct layer_norm norm[LAYER_PARTS];         /* before or after each part */
    clattn_op *attention[2];                     /* self, cross */
    clattn_op *rope, *append, *ffn;
};

clattn_status clattn__layer_build(clattn_op *op, const void *desc);
void clattn__layer_release(clattn_op *op);

/* Queries, keys and values of the self-attention come of one product. */
bool clattn__layer_is_joined(const clattn_layer_desc *desc);

/* Parts in their order; cross-attention may be absent. */
bool clattn__layer_has_part(const clattn_layer_desc *desc, int part);

#endif /* CLATTN_OPS_LAYER_H */
