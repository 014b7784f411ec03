/* What the files of the attention op share. */
#ifndef CLATTN_OPS_ATTENTION_H
#define CLATTN_OPS_ATTENTION_H

#include "../op.h"

#include <clattn/attention.h>

/* A call with at most this many queries takes the variant for few rows, if there is one. */
enum { CLATTN__FEW_QUERIES = 16 };

struct attention_op {
    clattn_op base;                            /* its kernel serves any number of queries */
    clattn_attention_desc desc;                /* with every default filled in */
    const struct clattn__variant *few_variant; /* for few queries; NULL = base serves those too */
    int few_params[CLATTN__MAX_PARAMS];
    char few_label[CLATTN__LABEL_BYTES];
    cl_kernel few, merge;
    cl_kernel weights; /* NULL unless asked for */
};

/* Every tensor of a call as kernels see it, and its sizes. */
struct attention_problem {
    int64_t batch, n_q;    /* entries or sequences, and the rows of the longest */
    int64_t n_k, key_span; /* where lengths end; keys that can be there at once */
    struct clattn__view q, k, v, out, bias, mask, alibi, sinks, kv_length, offset, lse, weights;
    struct clattn__view q_start, k_start, page_table, k_scale, v_scale;
    struct clattn__view parts; /* results per split of the keys, f32; absent if they are not split
                                */
    int64_t splits, split_keys;
    int64_t q_rows, k_rows; /* of the tensors, where sequences are packed */
    int64_t capacity, pages;
};

/* attention_variants.c: the registry rows, until a name is NULL */
extern const struct clattn__variant clattn__attention_variants[];

/* attention.c: fills in what zero stands for, then checks */
clattn_status clattn__attention_complete(const clattn_attention_desc *desc,
                                         clattn_attention_desc *full);

/* attention_args.c: sizes alone, and sizes with operands, checked */
void clattn__attention_sizes(const clattn_attention_desc *desc, const clattn_attention_args *args,
                             struct attention_problem *problem);
clattn_status clattn__attention_problem(const clattn_attention_desc *desc,
                                        const clattn_attention_args *args,
                                        struct attention_problem *problem);

/* attention_build.c: the order of ATTENTION_ARGUMENTS in kernels/attention/arguments.h */
struct clattn__binding clattn__attention_bind(cl_kernel kernel, const clattn_attention_desc *desc,
                                              const struct attention_problem *problem);
struct clattn__binding clattn__attention_bind_few(cl_kernel kernel,
                                                  const clattn_attention_desc *desc,
                                                  const struct attention_problem *problem);
struct clattn__binding clattn__attention_bind_merge(cl_kernel kernel,
                                                    const clattn_attention_desc *desc,
                                                    const struct attention_problem *problem);

#endif /* CLATTN_OPS_ATTENTION_H */
