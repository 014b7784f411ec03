/* Tensor views, checked and made uniform: what kernels receive. */
#ifndef CLATTN_TENSOR_H
#define CLATTN_TENSOR_H

#include "error.h"

/* A tensor as kernels see it: a pointer and long4 {offset, batch, row, head}, in
 * elements; strides of repeated axes are 0.  mem NULL = absent. */
struct clattn__view {
    cl_mem mem;
    int64_t at[4];
    int64_t extent; /* elements from at[0] to the last one used, plus one; 0 = empty */
    clattn_type type;
};

/* What an operand must look like. */
struct clattn__want {
    const char *op, *field; /* for the error text: "attention: args.q ..." */
    int64_t size[4];
    unsigned repeat; /* bit a: axis a may have size 1 and is then repeated */
    unsigned types;  /* bit t: clattn_type t is accepted */
    bool output;     /* elements must be distinct */
    bool optional;   /* may be absent */
};

enum {
    CLATTN__FLOATS = 1u << CLATTN_F32 | 1u << CLATTN_F16 | 1u << CLATTN_BF16,
    CLATTN__BLOCKS = 1u << CLATTN_Q8_0 | 1u << CLATTN_Q4_0 | 1u << CLATTN_Q4_1 | 1u << CLATTN_Q4_K |
                     1u << CLATTN_Q6_K,
    CLATTN__BATCH = 1,
    CLATTN__ROW = 2,
    CLATTN__HEAD = 4
};

/* Checks tensor against want: type, sizes, strides, overflow, and that its buffer
 * is large enough.  Names the field in every refusal.  Weights in blocks become
 * views of bytes, type U8. */
clattn_status clattn__view(const struct clattn__want *want, const clattn_tensor *tensor,
                           struct clattn__view *out);

/* The status of a check of a descriptor's tensor: a refusal of args.X becomes one of desc.X. */
clattn_status clattn__of_desc(const char *op, clattn_status status);

/* The strides in use: dense ones where all are zero. */
void clattn__strides(const clattn_tensor *tensor, int64_t stride[4]);

/* Whether both are the same elements of one buffer. */
bool clattn__same_view(const struct clattn__view *a, const struct clattn__view *b);

/* Refuses an output that shares elements with an input. */
clattn_status clattn__no_overlap(const char *op, const char *output_name,
                                 const struct clattn__view *output, const char *input_name,
                                 const struct clattn__view *input);

/* A dense view of part of a buffer, for scratch. */
struct clattn__view clattn__dense_view(cl_mem mem, int64_t offset, const int64_t size[4],
                                       clattn_type type);

/* F32, F16 or BF16 */
bool clattn__is_float(clattn_type type);

static inline bool clattn__in_blocks(clattn_type type) { return clattn_type_block(type) > 1; }

static inline int64_t clattn__divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* a * b + c for non-negative numbers; false if it does not fit. */
bool clattn__mul_add(int64_t a, int64_t b, int64_t c, int64_t *out);

#endif /* CLATTN_TENSOR_H */
