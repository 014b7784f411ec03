#include "mha.h"

#include "fixture.h"

clattn_mha_desc layer_desc(bool fused, bool biases, bool cross)
{
    const clattn_mha_desc desc = {
        .attention = {.head_dim = D,
                      .value_dim = DV,
                      .query_heads = HEADS,
                      .kv_heads = KV,
                      .causal = !cross},
        .model_dim = MODEL,
        .context_dim = cross ? CONTEXT : 0,
        .out_dim = OUT,
        .fused = fused,
        .qkv_bias = biases,
        .out_bias = biases,
    };
    return desc;
}

clattn_mha_args separate_args(bool biases, bool cross)
{
    const int64_t source = cross ? CONTEXT : MODEL;
    clattn_mha_args args = {
        .x = tensor_random(1, B, N_Q, 1, MODEL),
        .wq = tensor_random(3, 1, Q_COLUMNS, 1, MODEL),
        .wk = tensor_random(4, 1, K_COLUMNS, 1, source),
        .wv = tensor_random(5, 1, V_COLUMNS, 1, source),
        .wo = tensor_random(6, 1, OUT, 1, ATTENDED),
        .out = tensor_zeros(CLATTN_F32, B, N_Q, 1, OUT),
    };
    if (cross) {
        args.context = tensor_random(2, B, N_K, 1, CONTEXT);
    }
    if (biases) {
        args.bq = tensor_random(7, 1, 1, 1, Q_COLUMNS);
        args.bk = tensor_random(8, 1, 1, 1, K_COLUMNS);
        args.bv = tensor_random(9, 1, 1, 1, V_COLUMNS);
        args.bo = tensor_random(10, 1, 1, 1, OUT);
    }
    return args;
}

/* The three stacked in one buffer. */
static clattn_tensor stacked(const clattn_tensor *const parts[3], int64_t rows, int64_t columns)
{
    float values[2048];
    int64_t used = 0;
    for (int i = 0; i < 3; i++) {
        tensor_read(parts[i], values + used, 2048 - (size_t)used);
        used += tensor_elements(parts[i]);
    }
    return tensor_of(values, 1, rows, 1, columns);
}

clattn_mha_args fused_args(const clattn_mha_args *separate, bool biases)
{
    enum { ROWS = Q_COLUMNS + K_COLUMNS + V_COLUMNS };
    const clattn_tensor *const weights[3] = {&separate->wq, &separate->wk, &separate->wv};
    const clattn_tensor *const bias[3] = {&separate->bq, &separate->bk, &separate->bv};
    clattn_mha_args args = {
        .x = separate->x,
        .wqkv = stacked(weights, ROWS, MODEL),
        .wo = separate->wo,
        .bo = separate->bo,
        .out = tensor_zeros(CLATTN_F32, B, N_Q, 1, OUT),
    };
    if (biases) {
        args.bqkv = stacked(bias, 1, ROWS);
    }
    return args;
}

clattn_op *mha_make(clattn_mha_desc desc)
{
    clattn_op *op = NULL;
    assert_ok(clattn_mha_create(fixture.context, &desc, &op));
    return op;
}

void mha_run(clattn_mha_desc desc, const clattn_mha_args *args)
{
    clattn_op *op = mha_make(desc);
    assert_ok(clattn_mha_run(op, fixture.queue, args, NULL));
    ck_assert_int_eq(clFinish(fixture.queue), CL_SUCCESS);
    clattn_op_destroy(op);
}
