#include "classic.h"

#include "fixture.h"

static int kv_heads(clattn_classic_kind kind) { return kind == CLATTN_LUONG_CONCAT ? HEADS : KV; }

clattn_classic_desc classic_desc(clattn_classic_kind kind, bool bias)
{
    const bool additive = kind == CLATTN_ADDITIVE || kind == CLATTN_LUONG_CONCAT;
    const clattn_classic_desc desc = {
        .attention = {.head_dim = D,
                      .value_dim = DV,
                      .query_heads = HEADS,
                      .kv_heads = kv_heads(kind)},
        .kind = kind,
        .query_dim = additive ? QUERY : 0,
        .key_dim = kind == CLATTN_LUONG_DOT ? 0 : KEY,
        .bias = bias,
    };
    return desc;
}

clattn_classic_args classic_args(clattn_classic_kind kind, bool bias)
{
    const clattn_classic_desc d = classic_desc(kind, bias);
    const int64_t kv = kv_heads(kind);
    const bool concat = kind == CLATTN_LUONG_CONCAT;
    clattn_classic_args args = {0};
    args.attention.q =
        d.query_dim ? tensor_random(1, B, N_Q, 1, QUERY) : tensor_random(1, B, N_Q, HEADS, D);
    args.attention.k =
        d.key_dim ? tensor_random(2, B, N_K, 1, KEY) : tensor_random(2, B, N_K, kv, D);
    args.attention.v = tensor_random(3, B, N_K, kv, DV);
    args.attention.out = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, DV);
    if (concat) {
        args.w_concat = tensor_random(4, 1, HEADS * D, 1, QUERY + KEY);
    } else if (d.query_dim) {
        args.wq = tensor_random(5, 1, HEADS * D, 1, QUERY);
    }
    if (!concat && d.key_dim) {
        args.wk = tensor_random(6, 1, kv * D, 1, KEY);
    }
    if (d.query_dim) {
        args.w = tensor_random(7, 1, 1, HEADS, D);
    }
    if (bias) {
        args.b = tensor_random(8, 1, 1, 1, HEADS * D);
    }
    return args;
}

clattn_op *classic_make(clattn_classic_desc desc)
{
    clattn_op *op = NULL;
    assert_ok(clattn_classic_create(fixture.context, &desc, &op));
    return op;
}

void classic_run(clattn_classic_desc desc, const clattn_classic_args *args)
{
    clattn_op *op = classic_make(desc);
    assert_ok(clattn_classic_run(op, fixture.queue, args, NULL));
    ck_assert_int_eq(clFinish(fixture.queue), CL_SUCCESS);
    clattn_op_destroy(op);
}
