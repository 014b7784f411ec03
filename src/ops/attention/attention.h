/* What the files of the attention op share. */
#ifndef CLATTN_OPS_ATTENTION_H
#define CLATTN_OPS_ATTENTION_H

#include "registry/op.h"

#include <clattn/attention.h>

/* A call with at most this many queries takes the variant for few rows, if there is one. */
enum { CLATTN__FEW_QUERIES = 16 };

/* Most columns of a head. */
enum { CLATTN__MAX_HEAD_DIM = 512 };

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

extern const struct clattn__family clattn__attention_family;

/* variants.c: the registry rows, until a name is NULL */
extern const struct clattn__variant clattn__attention_variants[];

/* Of kernels that have a query per work-item: ROWS of them, the first parameter, in a group. */
bool clattn__rows_fit(const clattn_device_facts *facts, const void *desc, const int *params,
                      char reason[CLATTN__REASON_BYTES]);
void clattn__rows_adapt(const clattn_device_facts *facts, const void *desc, int *params);
void clattn__rows_geometry(const int *params, const int64_t extent[3], size_t global[3],
                           size_t local[3]);

/* matrix.c: of attention/matrix, and of its tests' form with emulated instructions */
bool clattn__matrix_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                         char reason[CLATTN__REASON_BYTES]);
void clattn__matrix_adapt(const clattn_device_facts *facts, const void *desc, int *params);
bool clattn__emulated_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                           char reason[CLATTN__REASON_BYTES]);
void clattn__emulated_adapt(const clattn_device_facts *facts, const void *desc, int *params);
void clattn__matrix_geometry(const int *params, const int64_t extent[3], size_t global[3],
                             size_t local[3]);

/* Of kernels for CPU devices that have queries in the lanes (params WIDTH, VECTORS, KEYS), and of
 * those that take few rows together (WIDTH, BLOCK, BLOCKS).  desc begins with attention's. */
bool clattn__queries_fit(const clattn_device_facts *facts, const void *desc, const int *params,
                         char reason[CLATTN__REASON_BYTES]);
void clattn__queries_adapt(const clattn_device_facts *facts, const void *desc, int *params);
void clattn__queries_geometry(const int *params, const int64_t extent[3], size_t global[3],
                              size_t local[3]);
void clattn__decode_adapt(const clattn_device_facts *facts, const void *desc, int *params);

/* tiles.c: of kernels that share kernels/attention/tiles.h */
bool clattn__tiled_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                        char reason[CLATTN__REASON_BYTES]);
void clattn__tiled_adapt(const clattn_device_facts *facts, const void *desc, int *params);
void clattn__tiled_geometry(const int *params, const int64_t extent[3], size_t global[3],
                            size_t local[3]);
bool clattn__subgroup_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                           char reason[CLATTN__REASON_BYTES]);
void clattn__subgroup_adapt(const clattn_device_facts *facts, const void *desc, int *params);
void clattn__subgroup_geometry(const int *params, const int64_t extent[3], size_t global[3],
                               size_t local[3]);

/* decode.c: of attention/decode */
bool clattn__decode_slots_fits(const clattn_device_facts *facts, const void *desc,
                               const int *params, char reason[CLATTN__REASON_BYTES]);
void clattn__decode_slots_adapt(const clattn_device_facts *facts, const void *desc, int *params);
void clattn__decode_slots_geometry(const int *params, const int64_t extent[3], size_t global[3],
                                   size_t local[3]);

/* Of kernels over kernels/lanes.h: whether the device has such sub-groups, and which suit it. */
bool clattn__lanes_fit(const clattn_device_facts *facts, int subgroup,
                       char reason[CLATTN__REASON_BYTES]);
void clattn__lanes_adapt(const clattn_device_facts *facts, int *lanes_by, int *subgroup);

/* desc.c: fills in what zero stands for, then checks */
clattn_status clattn__attention_complete(const clattn_attention_desc *desc, int32_t most_columns,
                                         clattn_attention_desc *full);

/* What a call is for: attention itself, or what reads its lse, then without out and weights, and
 * perhaps without values. */
enum attention_use { ATTENDS, EXPLAINS, EXPLAINS_VALUES };

/* args.c: sizes alone, and sizes with operands, checked; q and k may have types of their
 * own */
void clattn__attention_sizes(const clattn_attention_desc *desc, const clattn_attention_args *args,
                             struct attention_problem *problem);
clattn_status clattn__attention_problem(const clattn_attention_desc *desc, clattn_type q_type,
                                        clattn_type k_type, const clattn_attention_args *args,
                                        enum attention_use use, struct attention_problem *problem);

/* build.c: what every attention kernel is compiled for, and that for people */
struct clattn__options clattn__attention_options(const struct clattn__variant *variant,
                                                 const int *params,
                                                 const clattn_attention_desc *desc);
void clattn__attention_label(const struct clattn__variant *variant,
                             const clattn_attention_desc *desc, char text[CLATTN__LABEL_BYTES]);

/* build.c: the order of ATTENTION_ARGUMENTS in kernels/attention/arguments.h */
struct clattn__binding clattn__attention_bind(cl_kernel kernel, const clattn_attention_desc *desc,
                                              const struct attention_problem *problem);
struct clattn__binding clattn__attention_bind_few(cl_kernel kernel,
                                                  const clattn_attention_desc *desc,
                                                  const struct attention_problem *problem);
struct clattn__binding clattn__attention_bind_merge(cl_kernel kernel,
                                                    const clattn_attention_desc *desc,
                                                    const struct attention_problem *problem);

#endif /* CLATTN_OPS_ATTENTION_H */
