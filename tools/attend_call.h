/* The inputs as the library takes them: a descriptor, and tensors over buffers. */
#ifndef TOOLS_ATTEND_CALL_H
#define TOOLS_ATTEND_CALL_H

#include "attend.h"
#include "session.h"

/* A layer's structs hold attention's, which are all that is used without one. */
typedef struct call {
    const session *session;
    const attend_options *options;
    const attend_inputs *inputs;
    clattn_mha_desc desc;
    clattn_mha_args args;
    cl_mem in[OPERANDS], out[RESULTS]; /* NULL = absent */
    cl_mem offset;
    clattn_op *op;
} call;

void call_describe(call *c);

/* To the buffers of in and offset, and of out. */
void call_bind_inputs(call *c);
void call_bind_outputs(call *c);

/* Changes descriptor and arguments to compute batch 0 alone, for its softmax weights. */
void call_only_first_batch(call *c, cl_mem weights);

#endif /* TOOLS_ATTEND_CALL_H */
