/* What the files of classic attention share. */
#ifndef CLATTN_OPS_CLASSIC_H
#define CLATTN_OPS_CLASSIC_H

#include "ops/attention/attention.h"

#include <clattn/block.h>
#include <clattn/classic.h>

struct classic_op {
    clattn_op base;           /* its kernel computes additive scores; NULL for dot products */
    clattn_classic_desc desc; /* with every default filled in; without weights */
    clattn_op *query, *key;   /* projections; NULL = comes projected */
    bool constant_query, constant_key; /* whose weights never change */
    clattn_op *attention;              /* of dot products */
};

/* Whether scores are w . tanh(...) rather than dot products. */
bool clattn__is_additive(clattn_classic_kind kind);

/* The weights of queries and keys that a call or a descriptor gives: two of concat's one. */
struct classic_weights {
    clattn_tensor query, key;
};
struct classic_weights clattn__classic_weights(const clattn_classic_desc *desc,
                                               const clattn_tensor *wq, const clattn_tensor *wk,
                                               const clattn_tensor *w_concat);

/* classic.c: the weights of descriptor or call, by these places, against what desc says */
enum { CLASSIC_WQ, CLASSIC_WK, CLASSIC_CONCAT };
clattn_status clattn__classic_check_weights(const clattn_classic_desc *desc,
                                            const clattn_tensor weights[3], const bool optional[3],
                                            struct clattn__view views[3]);

/* build.c: additive scores have kernels of their own, dot products are attention's */
extern const struct clattn__family clattn__additive_family, clattn__dot_family;

/* build.c: the order of arguments of kernels/classic/ */
struct clattn__binding clattn__classic_bind(cl_kernel kernel, const clattn_attention_desc *desc,
                                            const struct attention_problem *problem,
                                            const struct clattn__view *w);

#endif /* CLATTN_OPS_CLASSIC_H */
