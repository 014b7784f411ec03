/* The inputs as the library takes them: a descriptor, and tensors over buffers. */
#ifndef TOOLS_ATTEND_CALL_H
#define TOOLS_ATTEND_CALL_H

#include "attend.h"
#include "shared/session.h"

/* A layer's structs hold attention's, which are all that is used without one. */
typedef struct call {
    const session *session;
    const attend_options *options;
    const attend_inputs *inputs;
    clattn_mha_desc desc;
    clattn_mha_args args;
    cl_mem in[OPERANDS], out[RESULTS]; /* NULL = absent */
    cl_mem offset;
    cl_mem lse, scratch; /* not asked for, but needed to explain; NULL = not */
    clattn_op *op;
} call;

void call_describe(call *c);

/* To the buffers of in and offset, and of out. */
void call_bind_inputs(call *c);
void call_bind_outputs(call *c);

/* [batch, head, row, column] in memory, as the library's {batch, row, head, column}. */
clattn_tensor call_heads_first(cl_mem mem, clattn_type type, const int64_t shape[4]);

#endif /* TOOLS_ATTEND_CALL_H */
