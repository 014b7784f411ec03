/* Calls of classic attention of each kind, small, with random operands. */
#ifndef SUPPORT_CLASSIC_H
#define SUPPORT_CLASSIC_H

#include "tensors.h"

enum {
    B = 2,
    N_Q = 3,
    N_K = 5,
    HEADS = 4,
    KV = 2, /* but for concat: HEADS */
    D = 6,  /* hidden */
    DV = 4,
    QUERY = 7,
    KEY = 9
};

/* With every projection that the kind may have. */
clattn_classic_desc classic_desc(clattn_classic_kind kind, bool bias);
clattn_classic_args classic_args(clattn_classic_kind kind, bool bias);

clattn_op *classic_make(clattn_classic_desc desc);

/* Makes the op, runs it and waits. */
void classic_run(clattn_classic_desc desc, const clattn_classic_args *args);

#endif /* SUPPORT_CLASSIC_H */
