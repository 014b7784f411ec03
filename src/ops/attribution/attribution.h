/* What the files of the attribution op share. */
#ifndef CLATTN_OPS_ATTRIBUTION_H
#define CLATTN_OPS_ATTRIBUTION_H

#include "ops/attention/attention.h"

#include <clattn/attribution.h>

struct attribution_op {
    clattn_op base;                            /* its kernel serves any number of queries */
    clattn_attribution_desc desc;              /* with every default filled in */
    const struct clattn__variant *few_variant; /* for few queries; NULL = base serves those too */
    int few_params[CLATTN__MAX_PARAMS];
    char few_label[CLATTN__LABEL_BYTES];
    cl_kernel few, reduce;
};

/* A call as kernels see it. */
struct attribution_problem {
    struct attention_problem attention; /* without out, weights and parts */
    struct clattn__view spans, row_weight, mass;
    struct clattn__view parts; /* of several work-items, and heads that are joined; absent where
                                * mass is written at once */
    int64_t span_count;
    int64_t mass_rows; /* of a batch entry */
    int64_t walkers;   /* work-items that share rows, or parts to add up */
    int64_t split_keys;
    bool accumulate;
};

extern const struct clattn__family clattn__attribution_family, clattn__rollout_family;

/* build.c: the registry rows, until a name is NULL */
extern const struct clattn__variant clattn__attribution_variants[];

/* desc.c: fills in what zero stands for, then checks */
clattn_status clattn__attribution_complete(const clattn_attribution_desc *desc,
                                           clattn_attribution_desc *full);

/* build.c: the order of arguments of kernels/attribution/ */
struct clattn__binding clattn__attribution_bind(cl_kernel kernel,
                                                const clattn_attribution_desc *desc,
                                                const struct attribution_problem *problem);

#endif /* CLATTN_OPS_ATTRIBUTION_H */
