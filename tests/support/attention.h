/* An attention call in which every operand is given: the start of most refusals. */
#ifndef SUPPORT_ATTENTION_H
#define SUPPORT_ATTENTION_H

#include "tensors.h"

enum { BATCH = 2, N_Q = 3, N_K = 5, HEADS = 4, KV_HEADS = 2, HEAD_DIM = 8, VALUE_DIM = 6 };

/* With every optional operand announced and offsets per batch entry. */
clattn_attention_desc full_desc(void);

/* Each operand in a buffer just as large as it needs, not broadcast; values random,
 * masks all visible, lengths N_K and offsets 2. */
clattn_attention_args full_args(void);

/* q, k, v and out alone. */
clattn_attention_desc plain_desc(void);
clattn_attention_args plain_args(void);

/* Makes the op, failing the test where that fails. */
clattn_op *attention_make(clattn_attention_desc desc);

/* Runs and waits. */
void attention_run(const clattn_op *op, const clattn_attention_args *args);

#endif /* SUPPORT_ATTENTION_H */
