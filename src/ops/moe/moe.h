/* What the files of the mixture of experts share. */
#ifndef CLATTN_OPS_MOE_H
#define CLATTN_OPS_MOE_H

#include "ops/project/linear.h"

#include <clattn/moe.h>

enum { MOE_UP, MOE_GATE, MOE_DOWN, MOE_MATRICES };

/* Kernels around the experts' matrices, in the order they run. */
enum { MOE_ROUTE, MOE_COUNT, MOE_PREFIX, MOE_PLACE, MOE_COMBINE, MOE_KERNELS };

enum { MOE_ENTRIES = 256 }; /* that a work-item of the sort takes */

/* A matrix for each expert. */
struct moe_matrix {
    cl_kernel kernel; /* NULL = there is none */
    int64_t in_dim, out_dim;
    struct clattn__view weight, bias; /* which the op keeps; weight packed where the kernel wants it
                                       */
};

struct moe_op {
    clattn_op base;
    clattn_moe_desc desc;
    struct clattn__linear router;
    struct moe_matrix matrix[MOE_MATRICES];
    cl_kernel kernel[MOE_KERNELS];
    size_t items; /* to a work-group, of the kernels around */
};

/* The views that a matrix's kernel gets. */
struct moe_product {
    struct clattn__view x, y, entries, choice, totals;
    int64_t count, batch_rows, experts; /* count: rows of all experts */
};

extern const struct clattn__family clattn__moe_family;
extern const struct clattn__variant clattn__moe_registry[];

clattn_status clattn__moe_build(clattn_op *op, const void *desc);
void clattn__moe_release(clattn_op *op);
struct clattn__binding clattn__moe_bind(const struct moe_matrix *matrix,
                                        const struct moe_product *product);

/* The descriptor's weights of a matrix. */
const clattn_linear *clattn__moe_weights(const clattn_moe_desc *d, int which);

/* Checks the weights of a matrix and makes views of them; absent ones give absent views. */
clattn_status clattn__moe_view(const clattn_moe_desc *d, int which, struct clattn__view *weight,
                               struct clattn__view *bias);

#endif /* CLATTN_OPS_MOE_H */
