/* What the workloads of attention and of ops that are attention with other scores share. */
#ifndef TOOLS_WORKLOAD_ATTENTION_H
#define TOOLS_WORKLOAD_ATTENTION_H

#include "workload.h"

/* The places of its operands. */
enum {
    Q,
    K,
    V,
    OUT,
    BIAS,
    MASK,
    ALIBI,
    SINKS,
    KV_LENGTH,
    OFFSET,
    LSE,
    WEIGHTS,
    ATTENTION_OPERANDS
};

void operands_of_attention(const struct test_case *c, operand operands[ATTENTION_OPERANDS]);

/* With their views, and without scratch. */
clattn_attention_args args_of_attention(const operand operands[ATTENTION_OPERANDS]);

/* Query heads times keys that lengths, causality and window let their rows see. */
double attention_pairs(const struct test_case *c);

#endif /* TOOLS_WORKLOAD_ATTENTION_H */
