/* The op handle, argument binding and launch. */
#ifndef CLATTN_OP_H
#define CLATTN_OP_H

#include "context.h"
#include "runtime/tensor.h"
#include "variant.h"

/* A compiled kernel.  Its cl_kernel holds argument state, so a run takes the op's lock. */
struct clattn_op {
    clattn_context *context;
    const struct clattn__family *family;
    const struct clattn__variant *variant;
    int params[CLATTN__MAX_PARAMS];
    bool built_in; /* params are what the device gets without tuning */
    char label[CLATTN__LABEL_BYTES];
    char shape_class[CLATTN__CLASS_BYTES]; /* "" = its kind has none */
    bool usual[2]; /* variant is what it gets without tuning: for many rows, for few */
    char params_text[CLATTN__PARAMS_BYTES];
    clattn__mutex lock;
    cl_kernel kernel; /* NULL where a library computes */
};

/* Refuses a NULL op and one of another family. */
clattn_status clattn__op_check(const clattn_op *op, const struct clattn__family *family);

/* ---- Building --------------------------------------------------------------- */

/* A kernel's Params as compiler options. */
struct clattn__options {
    char text[640];
    size_t params, params_end; /* where the variant's parameters stand; the rest is what the
                                * descriptor says */
};

struct clattn__options clattn__options_begin(void);
void clattn__option(struct clattn__options *options, const char *name, int value);
/* The tunable ones. */
void clattn__options_of(struct clattn__options *options, const struct clattn__variant *variant,
                        const int *params);

/* The kernel of that name: "attention/merge" is attention_merge in attention/merge.cl. */
clattn_status clattn__build_kernel(clattn_context *context, const char *name,
                                   const struct clattn__options *options, cl_kernel *out);

/* One of several kernels in a file: attention_merge in attention/decode_wide.cl. */
clattn_status clattn__build_kernel_in(clattn_context *context, const char *file, const char *name,
                                      const struct clattn__options *options, cl_kernel *out);

/* ---- Binding: arguments in order; the first failure is kept --------------- */

struct clattn__binding {
    cl_kernel kernel;
    cl_uint next;
    cl_int code;
};

void clattn__bind_int(struct clattn__binding *binding, int64_t value); /* int */
void clattn__bind_float(struct clattn__binding *binding, float value);
/* pointer and long4 {offset, batch, row, head} */
void clattn__bind_view(struct clattn__binding *binding, const struct clattn__view *view);

/* Enqueues; an empty global size enqueues nothing. */
clattn_status clattn__launch(const struct clattn__binding *binding, cl_command_queue queue,
                             const size_t global[3], const size_t local[3]);

/* One launch of a newly made kernel with arguments that give it no work, so that
 * drivers which compile at first launch do it now; then its binary is stored. */
clattn_status clattn__first_launch(clattn_context *context, const struct clattn__binding *binding,
                                   const size_t local[3]);

/* An event for all that was enqueued so far; event NULL: none is asked for. */
clattn_status clattn__mark(cl_command_queue queue, cl_event *event);

/* The caller's scratch if it is large enough, else a buffer that the caller of this
 * function releases after enqueuing (*taken).  bytes 0: none. */
clattn_status clattn__scratch(const clattn_context *context, const char *op, cl_mem given,
                              size_t bytes, cl_mem *scratch, cl_mem *taken);

#endif /* CLATTN_OP_H */
