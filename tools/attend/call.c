#include "call.h"

/* ---- Views ------------------------------------------------------------------------- */

static int64_t at_least_one(int64_t x) { return x > 1 ? x : 1; }

clattn_tensor call_heads_first(cl_mem mem, clattn_type type, const int64_t shape[4])
{
    const int64_t column = at_least_one(shape[3]), row = at_least_one(shape[2]);
    return (clattn_tensor){
        .mem = mem,
        .size = {shape[0], shape[2], shape[1], shape[3]},
        .stride = {at_least_one(shape[1]) * row * column, column, row * column, 1},
        .type = type};
}

static clattn_tensor dense(cl_mem mem, clattn_type type, int64_t batch, int64_t rows, int64_t heads,
                           int64_t columns)
{
    return (clattn_tensor){.mem = mem, .size = {batch, rows, heads, columns}, .type = type};
}

static clattn_tensor per_head(const call *c, cl_mem mem, int64_t rows, int64_t heads,
                              int64_t columns)
{
    const int64_t shape[4] = {c->inputs->batch, heads, rows, columns};
    const clattn_type type = c->inputs->type;
    return c->inputs->heads_first ? call_heads_first(mem, type, shape)
                                  : dense(mem, type, shape[0], rows, heads, columns);
}

/* Rows of a stacked weight, or all of one: {1, rows, 1, columns}. */
static clattn_tensor weight_view(const call *c, operand slot, int64_t first, int64_t rows)
{
    const clattn_array *a = &c->inputs->in[slot];
    clattn_tensor view = dense(c->in[slot], c->inputs->type, 1, rows, 1, a->shape[1]);
    view.offset = first * a->shape[1];
    return view;
}

static clattn_tensor bias_view(const call *c, operand slot, int64_t first, int64_t columns)
{
    clattn_tensor view = dense(c->in[slot], c->inputs->type, 1, 1, 1, columns);
    view.offset = first;
    return view;
}

/* ---- Descriptor and arguments --------------------------------------------------------- */

void call_describe(call *c)
{
    const attend_options *options = c->options;
    static const clattn_stage stages[] = {CLATTN_STAGE_SCORES, CLATTN_STAGE_SOFTCAP,
                                          CLATTN_STAGE_MASKED, CLATTN_STAGE_SOFTMAX};
    const attend_inputs *in = c->inputs;
    const clattn_array_type bias = in->in[IN_BIAS].type;
    const bool cross = in->in[IN_CONTEXT].data != NULL;
    c->desc = (clattn_mha_desc){
        .attention = {.head_dim = in->head_dim,
                      .value_dim = in->value_dim,
                      .query_heads = in->query_heads,
                      .kv_heads = in->kv_heads,
                      .type = in->type,
                      .out_type = in->type,
                      .causal = options->causal,
                      .align = options->offset.align,
                      .window = options->window,
                      .scale = options->scale,
                      .softcap = options->softcap,
                      .with = (in->in[IN_BIAS].data ? CLATTN_WITH_BIAS : 0u) |
                              (in->in[IN_MASK].data ? CLATTN_WITH_MASK : 0u) |
                              (in->in[IN_ALIBI].data ? CLATTN_WITH_ALIBI : 0u) |
                              (options->out[OUT_WEIGHTS] ? CLATTN_WITH_WEIGHTS : 0u),
                      .kernel = options->kernel,
                      .weights_stage = options->weights_stage < 0 ? CLATTN_STAGE_SOFTMAX
                                                                  : stages[options->weights_stage],
                      .bias_type = bias == CLATTN_ARRAY_F16    ? CLATTN_F16
                                   : bias == CLATTN_ARRAY_BF16 ? CLATTN_BF16
                                                               : CLATTN_F32},
        .model_dim = in->model_dim,
        .context_dim = in->context_dim,
        .out_dim = in->out_dim,
        .fused = in->in[IN_WQKV].data && !cross,
        .qkv_bias = in->in[IN_BQ].data || in->in[IN_BQKV].data,
        .out_bias = in->in[IN_BO].data != NULL};
}

static void bind_optional(call *c)
{
    const attend_inputs *in = c->inputs;
    clattn_attention_args *args = &c->args.attention;
    const int64_t heads = in->query_heads;
    if (in->in[IN_BIAS].data) {
        args->bias =
            call_heads_first(c->in[IN_BIAS], c->desc.attention.bias_type, in->in[IN_BIAS].shape);
    }
    if (in->in[IN_MASK].data) {
        args->mask = call_heads_first(c->in[IN_MASK], CLATTN_U8, in->in[IN_MASK].shape);
    }
    if (in->in[IN_ALIBI].data) {
        args->alibi = dense(c->in[IN_ALIBI], CLATTN_F32, 1, 1, heads, 1);
    }
    if (in->in[IN_SINKS].data) {
        args->sinks = dense(c->in[IN_SINKS], CLATTN_F32, 1, 1, heads, 1);
    }
    if (in->in[IN_KV_LENGTH].data) {
        args->kv_length = dense(c->in[IN_KV_LENGTH], CLATTN_I32, in->batch, 1, 1, 1);
    }
    if (c->offset) {
        args->offset = dense(c->offset, CLATTN_I32, 1, 1, 1, 1);
    }
}

static void bind_layer(call *c)
{
    const attend_inputs *in = c->inputs;
    const clattn_array *a = in->in;
    clattn_mha_args *args = &c->args;
    const int64_t q = (int64_t)in->query_heads * in->head_dim;
    const int64_t k = (int64_t)in->kv_heads * in->head_dim;
    const int64_t v = (int64_t)in->kv_heads * in->value_dim;
    const bool stacked = a[IN_WQKV].data && !c->desc.fused; /* cross attention cuts it in three */
    args->x = dense(c->in[IN_X], in->type, in->batch, in->n_q, 1, in->model_dim);
    if (c->in[IN_CONTEXT]) {
        args->context = dense(c->in[IN_CONTEXT], in->type, in->batch, in->n_k, 1, in->context_dim);
    }
    if (c->desc.fused) {
        args->wqkv = weight_view(c, IN_WQKV, 0, q + k + v);
        if (c->desc.qkv_bias) {
            args->bqkv = bias_view(c, IN_BQKV, 0, q + k + v);
        }
    } else {
        args->wq = weight_view(c, stacked ? IN_WQKV : IN_WQ, 0, q);
        args->wk = weight_view(c, stacked ? IN_WQKV : IN_WK, stacked ? q : 0, k);
        args->wv = weight_view(c, stacked ? IN_WQKV : IN_WV, stacked ? q + k : 0, v);
        if (c->desc.qkv_bias) {
            args->bq = bias_view(c, stacked ? IN_BQKV : IN_BQ, 0, q);
            args->bk = bias_view(c, stacked ? IN_BQKV : IN_BK, stacked ? q : 0, k);
            args->bv = bias_view(c, stacked ? IN_BQKV : IN_BV, stacked ? q + k : 0, v);
        }
    }
    if (in->out_dim) {
        args->wo = weight_view(c, IN_WO, 0, in->out_dim);
    }
    if (c->desc.out_bias) {
        args->bo = bias_view(c, IN_BO, 0, in->out_dim);
    }
}

void call_bind_inputs(call *c)
{
    const attend_inputs *in = c->inputs;
    clattn_attention_args *args = &c->args.attention;
    bind_optional(c);
    if (in->layer) {
        bind_layer(c);
        return;
    }
    args->q = per_head(c, c->in[IN_Q], in->n_q, in->query_heads, in->head_dim);
    args->k = per_head(c, c->in[IN_K], in->n_k, in->kv_heads, in->head_dim);
    args->v = per_head(c, c->in[IN_V], in->n_k, in->kv_heads, in->value_dim);
}

void call_bind_outputs(call *c)
{
    const attend_inputs *in = c->inputs;
    clattn_attention_args *args = &c->args.attention;
    const int64_t scores[4] = {in->batch, in->query_heads, in->n_q, in->n_k};
    const int64_t rows[4] = {in->batch, in->query_heads, in->n_q, 1};
    const int64_t columns = in->out_dim ? in->out_dim : (int64_t)in->query_heads * in->value_dim;
    c->args.scratch = c->scratch;
    if (in->layer) {
        c->args.out = dense(c->out[OUT_OUT], in->type, in->batch, in->n_q, 1, columns);
    } else {
        args->out = per_head(c, c->out[OUT_OUT], in->n_q, in->query_heads, in->value_dim);
    }
    const cl_mem lse = c->out[OUT_LSE] ? c->out[OUT_LSE] : c->lse;
    if (lse) {
        args->lse = c->options->layout_bnhd
                        ? dense(lse, CLATTN_F32, in->batch, in->n_q, in->query_heads, 1)
                        : call_heads_first(lse, CLATTN_F32, rows);
    }
    if (c->out[OUT_WEIGHTS]) {
        args->weights = call_heads_first(c->out[OUT_WEIGHTS], CLATTN_F32, scores);
    }
}
