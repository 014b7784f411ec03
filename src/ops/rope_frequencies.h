/* How fast each pair of rotary position embedding turns. */
#ifndef CLATTN_OPS_ROPE_FREQUENCIES_H
#define CLATTN_OPS_ROPE_FREQUENCIES_H

#include <clattn/block.h>

/* Fills in what zero stands for among the fields from base to divisors, then checks them. */
clattn_status clattn__rope_complete_scaling(clattn_rope_desc *desc);

/* Radians per position of pair c, 0 <= c < rotary_dim / 2; desc is complete. */
double clattn__rope_frequency(const clattn_rope_desc *desc, int c);

#endif /* CLATTN_OPS_ROPE_FREQUENCIES_H */
