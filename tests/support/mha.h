/* Multi-head attention layers of every kind, small, with random weights. */
#ifndef SUPPORT_MHA_H
#define SUPPORT_MHA_H

#include "tensors.h"

enum {
    B = 2,
    N_Q = 3,
    N_K = 4,
    MODEL = 12,
    CONTEXT = 10,
    HEADS = 4,
    KV = 2,
    D = 6,
    DV = 4,
    OUT = 8
};
enum { Q_COLUMNS = HEADS * D, K_COLUMNS = KV * D, V_COLUMNS = KV * DV, ATTENDED = HEADS * DV };

/* cross: keys and values come from a context of other width. */
clattn_mha_desc layer_desc(bool fused, bool biases, bool cross);
clattn_mha_args separate_args(bool biases, bool cross);

/* The same weights stacked, and an output of its own. */
clattn_mha_args fused_args(const clattn_mha_args *separate, bool biases);

clattn_op *mha_make(clattn_mha_desc desc);

/* Makes the op, runs it and waits. */
void mha_run(clattn_mha_desc desc, const clattn_mha_args *args);

#endif /* SUPPORT_MHA_H */
