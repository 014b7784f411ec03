/* What the files of the projection op, and the layer made of it, share. */
#ifndef CLATTN_OPS_PROJECT_H
#define CLATTN_OPS_PROJECT_H

#include "registry/op.h"

#include <clattn/block.h>

/* A call as kernels see it. */
struct project_problem {
    int64_t batch, rows;
    struct clattn__view x, weight, bias, residual, y;
};

struct project_way;

struct project_op {
    clattn_op base;
    clattn_project_desc desc;
    const struct project_way *way, *few_way; /* few_way: for few rows; NULL = way serves those too
                                              */
    const struct clattn__variant *few_variant;
    int few_params[CLATTN__MAX_PARAMS];
    char few_label[CLATTN__LABEL_BYTES];
    cl_kernel few;
    cl_kernel pack;   /* weights into the kernel's own order */
    cl_kernel widen;  /* x or weight to f32, for CLBlast; NULL if they are */
    cl_kernel finish; /* after CLBlast: adds the bias, applies the activation, narrows; NULL if
                         there is nothing to do */
    struct clattn__view weight; /* constant weights, packed where the kernel wants that; absent =
                                   args give them */
};

extern const struct clattn__family clattn__project_family;

/* How a variant is built and run; own of its row in the registry. */
struct project_way {
    clattn_status (*build)(struct project_op *op, const struct clattn__variant *variant,
                           const int *params, cl_kernel *kernel);
    /* Bytes of scratch for a call. */
    size_t (*scratch)(const struct project_op *op, int64_t rows);
    clattn_status (*run)(const struct project_op *op, const struct clattn__variant *variant,
                         const int *params, cl_kernel kernel, cl_command_queue queue,
                         const struct project_problem *problem, cl_mem scratch);
    int few;    /* where it stands beside another way, calls of at most so many rows take it */
    bool packs; /* f32 weights that are constant are kept in its own order */
};

/* Rows of weight. */
static inline int64_t clattn__project_outputs(const clattn_project_desc *d)
{
    return d->gated ? 2 * (int64_t)d->out_dim : d->out_dim;
}

extern const struct clattn__variant clattn__project_registry[];
const struct project_way *clattn__project_way(const struct clattn__variant *variant);

/* Of a call: whether all rows of the batch are one matrix, and the distance of its rows. */
bool clattn__is_matrix(const struct clattn__view *view, const struct project_problem *p,
                       int64_t columns, int64_t *pitch);

/* False, with that as the reason. */
bool clattn__refuse_weights(const clattn_project_desc *desc, char reason[CLATTN__REASON_BYTES]);

/* product.c, what ways are made of: a kernel with the arguments of gemm/plain.  outputs is what
 * geometry gets as the second extent. */
clattn_status clattn__project_build(struct project_op *op, const struct clattn__variant *variant,
                                    const int *params, cl_kernel *kernel);
size_t clattn__project_no_scratch(const struct project_op *op, int64_t rows);
clattn_status clattn__project_launch(const struct project_op *op,
                                     const struct clattn__variant *variant, const int *params,
                                     cl_kernel kernel, cl_command_queue queue,
                                     const struct project_problem *problem, int64_t outputs);

/* clblast.c */
extern const struct project_way clattn__project_clblast;
bool clattn__project_clblast_fits(const clattn_device_facts *facts, const void *desc,
                                  const int *params, char reason[CLATTN__REASON_BYTES]);
bool clattn__project_clblast_trusted(clattn_context *context, const void *desc,
                                     char reason[CLATTN__REASON_BYTES]);

/* matrix.c: of gemm/matrix, for many rows and for few, and of its tests' form with emulated
 * instructions */
extern const struct project_way clattn__project_matrix;
bool clattn__project_matrix_fits(const clattn_device_facts *facts, const void *desc,
                                 const int *params, char reason[CLATTN__REASON_BYTES]);
bool clattn__project_emulated_fits(const clattn_device_facts *facts, const void *desc,
                                   const int *params, char reason[CLATTN__REASON_BYTES]);
void clattn__project_matrix_adapt(const clattn_device_facts *facts, const void *desc, int *params);
void clattn__project_matrix_few_adapt(const clattn_device_facts *facts, const void *desc,
                                      int *params);
void clattn__project_matrix_geometry(const int *params, const int64_t extent[3], size_t global[3],
                                     size_t local[3]);

/* Copies constant weights into the op: packed, or as they lie. */
clattn_status clattn__project_keep(struct project_op *op, const struct clattn__view *weight);

/* ---- panels.c: for kernels that multiply panels, gemm/panel_wide.h -------------- */

/* Of a variant whose first params are WIDTH, VECTORS, TILE, CHUNK, BLOCK. */
bool clattn__panels_fit(const clattn_device_facts *facts, const void *desc, const int *params,
                        char reason[CLATTN__REASON_BYTES]);
void clattn__panels_adapt(const clattn_device_facts *facts, const void *desc, int *params);

/* Weights {batch, out_dim, 1, in_dim} that are to be packed; gated: twice as many rows. */
struct clattn__panels {
    const int *params; /* of the variant */
    int64_t batch, out_dim, in_dim;
    bool gated;
};

/* Whole panels of every column. */
struct clattn__view clattn__panels_view(const struct clattn__panels *panels, cl_mem mem);
clattn_status clattn__panels_build(clattn_context *context, const int *params, cl_kernel *pack);
clattn_status clattn__panels_pack(const struct clattn__panels *panels, cl_kernel pack,
                                  cl_command_queue queue, const struct clattn__view *weight,
                                  const struct clattn__view *packed);

/* The tensor with each row's heads joined: {batch, rows, 1, heads * columns}.
 * False if the heads of a row do not lie side by side. */
bool clattn__join_heads(const clattn_tensor *tensor, clattn_tensor *joined);

#endif /* CLATTN_OPS_PROJECT_H */
