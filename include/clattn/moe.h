/* Mixture of experts (Shazeer et al. 2017): a router sends each token through k of several
 * feed-forwards, whose results are added up by weight.
 *
 *   logits  = x router^T + bias, one for each expert, in f32
 *   chosen  = the k largest; of equal ones the lower expert first, NaN before all
 *   y       = sum over chosen, in that order, of weight * ffn of the expert (x)
 *
 * Tokens are put in the order of their experts on the device; none is dropped, however they
 * choose, and nothing is read back.  Results are the same every time.  NaN in a token stays in its
 * own row.  A call in which batch or rows are 0 has no work. */
#ifndef CLATTN_MOE_H
#define CLATTN_MOE_H

#include <clattn/block.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clattn_routing {
    CLATTN_ROUTE_SOFTMAX, /* weights are exp(logit) / their sum over all experts */
    CLATTN_ROUTE_SIGMOID  /* 1 / (1 + exp(-logit)) */
} clattn_routing;

typedef struct clattn_moe_desc {
    int32_t model_dim;    /* columns of x and y; required */
    int32_t hidden_dim;   /* of each expert; required */
    int32_t experts;      /* required, 1..65536 */
    int32_t k;            /* experts of a token; required, 1..experts and at most 64 */
    clattn_type type;     /* of x, biases and what lies between: F32, F16 or BF16 */
    clattn_type out_type; /* of y, the same */
    clattn_routing routing;
    bool renormalise; /* weights are divided by their sum over the k chosen; a sum of 0 gives 0 */
    clattn_activation activation; /* as in clattn_ffn_desc */
    bool gated;
    /* Weights are F32, F16, BF16 or in blocks, each its own, and used as create found them: it
     * keeps packed copies, or retains the buffers. */
    clattn_linear router;         /* weight {1, experts, 1, model_dim}, bias {1, 1, 1, experts} */
    clattn_linear up, gate, down; /* those of all experts: weight {experts, out, 1, in}, bias
                                   * {experts, 1, 1, out}; dims as in clattn_ffn_desc */
    const char *kernel;           /* force the experts' variant by name; NULL = best that fits */
} clattn_moe_desc;

typedef struct clattn_moe_args {
    clattn_tensor x; /* {batch, rows, 1, model_dim}: batch * rows tokens; times k at most 2^30 */
    clattn_tensor y; /* out, as x of out_type; or x itself */
    cl_mem scratch;  /* clattn_moe_scratch() bytes; NULL = taken for this call.  The router may
                      * take more for the call itself, as in clattn_mha_args. */
} clattn_moe_args;

CLATTN_API clattn_status clattn_moe_create(clattn_context *context, const clattn_moe_desc *desc,
                                           clattn_op **out);
CLATTN_API clattn_status clattn_moe_variants(clattn_context *context, const clattn_moe_desc *desc,
                                             clattn_variant_report *report, void *user);
CLATTN_API size_t clattn_moe_scratch(const clattn_op *op, const clattn_moe_args *args);
CLATTN_API clattn_status clattn_moe_run(const clattn_op *op, cl_command_queue queue,
                                        const clattn_moe_args *args, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_MOE_H */
