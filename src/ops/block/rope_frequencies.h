/* How fast each pair of rotary position embedding turns. */
#ifndef CLATTN_OPS_ROPE_FREQUENCIES_H
#define CLATTN_OPS_ROPE_FREQUENCIES_H

#include <clattn/block.h>

/* Fills in what zero stands for, then checks. */
clattn_status clattn__rope_complete(clattn_rope_desc *desc);

/* The buffer that kernels turn by (turns_of in kernels/block/rope.h); desc is complete, NULL: a
 * buffer of zeros. */
clattn_status clattn__rope_frequencies(clattn_context *context, const clattn_rope_desc *desc,
                                       cl_mem *out);

#endif /* CLATTN_OPS_ROPE_FREQUENCIES_H */
