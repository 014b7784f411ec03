#include "attention.h"

#include "fixture.h"

clattn_attention_desc plain_desc(void)
{
    const clattn_attention_desc desc = {
        .head_dim = HEAD_DIM, .value_dim = VALUE_DIM, .query_heads = HEADS, .kv_heads = KV_HEADS};
    return desc;
}

clattn_attention_args plain_args(void)
{
    const clattn_attention_args args = {
        .q = tensor_random(1, BATCH, N_Q, HEADS, HEAD_DIM),
        .k = tensor_random(2, BATCH, N_K, KV_HEADS, HEAD_DIM),
        .v = tensor_random(3, BATCH, N_K, KV_HEADS, VALUE_DIM),
        .out = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, VALUE_DIM),
    };
    return args;
}

clattn_attention_desc full_desc(void)
{
    clattn_attention_desc desc = plain_desc();
    desc.with = CLATTN_WITH_BIAS | CLATTN_WITH_MASK | CLATTN_WITH_ALIBI | CLATTN_WITH_WEIGHTS;
    desc.align = CLATTN_OFFSET;
    return desc;
}

static clattn_tensor ints(int32_t value)
{
    int32_t values[BATCH];
    for (int b = 0; b < BATCH; b++) {
        values[b] = value;
    }
    const clattn_tensor tensor = tensor_zeros(CLATTN_I32, BATCH, 1, 1, 1);
    tensor_write(&tensor, values);
    return tensor;
}

static clattn_tensor all_visible(void)
{
    uint8_t ones[BATCH * N_Q * HEADS * N_K];
    memset(ones, 1, sizeof ones);
    const clattn_tensor tensor = tensor_zeros(CLATTN_U8, BATCH, N_Q, HEADS, N_K);
    tensor_write(&tensor, ones);
    return tensor;
}

clattn_attention_args full_args(void)
{
    clattn_attention_args args = plain_args();
    args.bias = tensor_random(4, BATCH, N_Q, HEADS, N_K);
    args.mask = all_visible();
    args.alibi = tensor_random(5, BATCH, 1, HEADS, 1);
    args.sinks = tensor_random(6, 1, 1, HEADS, 1);
    args.kv_length = ints(N_K);
    args.offset = ints(2);
    args.lse = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, 1);
    args.weights = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, N_K);
    return args;
}

clattn_op *attention_make(clattn_attention_desc desc)
{
    clattn_op *op = NULL;
    assert_ok(clattn_attention_create(fixture.context, &desc, &op));
    return op;
}

void attention_run(const clattn_op *op, const clattn_attention_args *args)
{
    assert_ok(clattn_attention_run(op, fixture.queue, args, NULL));
    ck_assert_int_eq(clFinish(fixture.queue), CL_SUCCESS);
}
