/* The multi-head attention layer: projections, attention, output projection. */
#include "ops/project/project.h"
#include "registry/create.h"
#include "registry/op.h"

#include <stdio.h>
#include <string.h>

enum { Q, K, V, O, PROJECTIONS };
enum { QKV = Q }; /* the fused projection stands in q's place */

struct mha_op {
    clattn_op base;
    clattn_mha_desc desc;
    int64_t heads, kv_heads, head_dim, value_dim;
    int64_t columns[PROJECTIONS]; /* of q, k, v for all heads, and of out */
    clattn_op *attention;
    clattn_op *project[PROJECTIONS];
};

static clattn_status build(clattn_op *op, const void *desc);
static void release(clattn_op *op);

static const struct clattn__variant composite[] = {{.name = "mha/composite", .library = true}, {0}};

static const struct clattn__family family = {
    .op = "mha",
    .variants = composite,
    .op_bytes = sizeof(struct mha_op),
    .build = build,
    .release = release,
};

/* ---- Creating -------------------------------------------------------------- */

static clattn_status create_projection(struct mha_op *mha, int which, int64_t in, int64_t out,
                                       bool bias, clattn_type out_type)
{
    const clattn_project_desc desc = {.in_dim = (int32_t)in,
                                      .out_dim = (int32_t)out,
                                      .type = mha->desc.attention.type,
                                      .out_type = out_type,
                                      .bias = bias};
    return clattn_project_create(mha->base.context, &desc, &mha->project[which]);
}

static clattn_status build(clattn_op *op, const void *desc)
{
    struct mha_op *mha = (struct mha_op *)op;
    mha->desc = *(const clattn_mha_desc *)desc;
    const clattn_mha_desc *d = &mha->desc;
    const clattn_type type = d->attention.type;

    /* What lies between attention and the output projection keeps the storage type. */
    clattn_attention_desc attention = d->attention;
    attention.out_type = d->out_dim ? type : d->attention.out_type;
    TRY(clattn_attention_create(op->context, &attention, &mha->attention));

    mha->heads = attention.query_heads;
    mha->kv_heads = attention.kv_heads ? attention.kv_heads : mha->heads;
    mha->head_dim = attention.head_dim;
    mha->value_dim = attention.value_dim ? attention.value_dim : attention.head_dim;
    const int64_t attended = mha->heads * mha->value_dim;
    int64_t *const columns = mha->columns;
    columns[Q] = mha->heads * mha->head_dim;
    columns[K] = mha->kv_heads * mha->head_dim;
    columns[V] = mha->kv_heads * mha->value_dim;
    columns[O] = d->out_dim ? d->out_dim : attended;
    if (columns[Q] + columns[K] + columns[V] > INT32_MAX) {
        return clattn__refuse("mha: attention.query_heads times head_dim is too large");
    }
    if (d->fused) {
        TRY(create_projection(mha, QKV, d->model_dim, columns[Q] + columns[K] + columns[V],
                              d->qkv_bias, type));
    } else {
        TRY(create_projection(mha, Q, d->model_dim, columns[Q], d->qkv_bias, type));
        TRY(create_projection(mha, K, d->context_dim, columns[K], d->qkv_bias, type));
        TRY(create_projection(mha, V, d->context_dim, columns[V], d->qkv_bias, type));
    }
    if (d->out_dim) {
        TRY(create_projection(mha, O, attended, d->out_dim, d->out_bias, d->attention.out_type));
    }
    snprintf(op->label, sizeof op->label, "%s + %s", clattn_op_kernel(mha->attention),
             clattn_op_kernel(mha->project[Q]));
    return CLATTN_OK;
}

static void release(clattn_op *op)
{
    struct mha_op *mha = (struct mha_op *)op;
    for (int i = 0; i < PROJECTIONS; i++) {
        clattn_op_destroy(mha->project[i]);
    }
    clattn_op_destroy(mha->attention);
}

clattn_status clattn_mha_create(clattn_context *context, const clattn_mha_desc *desc,
                                clattn_op **out)
{
    if (!context || !desc || !out) {
        return clattn__refuse("mha: %s is NULL", !context ? "context" : !desc ? "desc" : "out");
    }
    clattn_mha_desc d = *desc;
    d.context_dim = d.context_dim ? d.context_dim : d.model_dim;
    if (d.model_dim < 1) {
        return clattn__refuse("mha: model_dim is %d, must be at least 1", d.model_dim);
    }
    if (d.context_dim < 1) {
        return clattn__refuse("mha: context_dim is %d, must be at least 1", d.context_dim);
    }
    if (d.out_dim < 0) {
        return clattn__refuse("mha: out_dim is %d, must not be negative", d.out_dim);
    }
    if (d.fused && d.context_dim != d.model_dim) {
        return clattn__refuse("mha: fused needs context_dim equal to model_dim");
    }
    /* A refused part is refused for good: no other variant would take it. */
    return clattn__op_create(context, &family, &d, NULL, NULL, out);
}

/* ---- Running ---------------------------------------------------------------- */

/* Where q, k, v (side by side in one row if fused) and what attention gives to the
 * output projection lie in the scratch, in elements of the storage type. */
struct plan {
    int64_t batch, n_q, n_k;
    int64_t offset[PROJECTIONS], pitch[PROJECTIONS];
    int64_t elements;
};

static struct plan make_plan(const struct mha_op *mha, const clattn_mha_args *args)
{
    const clattn_tensor *source = args->context.mem ? &args->context : &args->x;
    const int64_t *columns = mha->columns;
    struct plan p = {.batch = args->x.size[0], .n_q = args->x.size[1], .n_k = source->size[1]};
    const int64_t q_rows = p.batch * p.n_q, k_rows = p.batch * p.n_k;
    if (mha->desc.fused) {
        p.pitch[Q] = p.pitch[K] = p.pitch[V] = columns[Q] + columns[K] + columns[V];
        p.offset[K] = columns[Q];
        p.offset[V] = columns[Q] + columns[K];
        p.offset[O] = q_rows * p.pitch[QKV];
    } else {
        for (int i = Q; i <= V; i++) {
            p.pitch[i] = columns[i];
        }
        p.offset[K] = q_rows * columns[Q];
        p.offset[V] = p.offset[K] + k_rows * columns[K];
        p.offset[O] = p.offset[V] + k_rows * columns[V];
    }
    p.pitch[O] = mha->heads * mha->value_dim;
    p.elements = p.offset[O] + (mha->desc.out_dim ? q_rows * p.pitch[O] : 0);
    return p;
}

/* A tensor in the scratch: heads of one width side by side in rows of pitch elements. */
static clattn_tensor scratch_tensor(cl_mem scratch, int64_t offset, int64_t batch, int64_t rows,
                                    int64_t heads, int64_t width, int64_t pitch, clattn_type type)
{
    const clattn_tensor tensor = {.mem = scratch,
                                  .offset = offset,
                                  .size = {batch, rows, heads, width},
                                  .stride = {rows * pitch, pitch, width, 1},
                                  .type = type};
    return tensor;
}

struct layer {
    clattn_attention_args attention;
    clattn_project_args project[PROJECTIONS];
};

static void wire_attention(const struct mha_op *mha, const clattn_mha_args *args,
                           const struct plan *p, cl_mem scratch, clattn_attention_args *a)
{
    const clattn_type type = mha->desc.attention.type;
    const int64_t heads = mha->heads, kv = mha->kv_heads, head_dim = mha->head_dim,
                  value_dim = mha->value_dim;
    *a = args->attention;
    a->q =
        scratch_tensor(scratch, p->offset[Q], p->batch, p->n_q, heads, head_dim, p->pitch[Q], type);
    a->k = scratch_tensor(scratch, p->offset[K], p->batch, p->n_k, kv, head_dim, p->pitch[K], type);
    a->v =
        scratch_tensor(scratch, p->offset[V], p->batch, p->n_k, kv, value_dim, p->pitch[V], type);
    if (mha->desc.out_dim) {
        a->out = scratch_tensor(scratch, p->offset[O], p->batch, p->n_q, heads, value_dim,
                                p->pitch[O], type);
        return;
    }
    /* The caller's rows, split in heads. */
    a->out = args->out;
    clattn__strides(&args->out, a->out.stride);
    a->out.size[2] = heads;
    a->out.size[3] = value_dim;
    a->out.stride[2] = value_dim;
    a->out.stride[3] = 1;
}

static void wire(const struct mha_op *mha, const clattn_mha_args *args, const struct plan *p,
                 cl_mem scratch, struct layer *layer)
{
    const clattn_tensor *source = args->context.mem ? &args->context : &args->x;
    clattn_project_args *project = layer->project;
    memset(layer, 0, sizeof *layer);
    clattn_attention_args *a = &layer->attention;
    wire_attention(mha, args, p, scratch, a);
    if (mha->desc.fused) {
        const clattn_tensor all = scratch_tensor(scratch, 0, p->batch, p->n_q, 1, p->pitch[QKV],
                                                 p->pitch[QKV], mha->desc.attention.type);
        project[QKV] =
            (clattn_project_args){.x = args->x, .weight = args->wqkv, .bias = args->bqkv, .y = all};
    } else {
        project[Q] =
            (clattn_project_args){.x = args->x, .weight = args->wq, .bias = args->bq, .y = a->q};
        project[K] =
            (clattn_project_args){.x = *source, .weight = args->wk, .bias = args->bk, .y = a->k};
        project[V] =
            (clattn_project_args){.x = *source, .weight = args->wv, .bias = args->bv, .y = a->v};
    }
    project[O] =
        (clattn_project_args){.x = a->out, .weight = args->wo, .bias = args->bo, .y = args->out};
}

size_t clattn_mha_scratch(const clattn_op *op, const clattn_mha_args *args)
{
    if (clattn__op_check(op, &family) != CLATTN_OK || !args) {
        return 0;
    }
    const struct mha_op *mha = (const struct mha_op *)op;
    return (size_t)make_plan(mha, args).elements * clattn_type_size(mha->desc.attention.type);
}

/* A tensor that the descriptor did not announce would be ignored: refuse it. */
static clattn_status check_announced(const clattn_mha_desc *d, const clattn_mha_args *args)
{
    const clattn_attention_args *a = &args->attention;
    const struct {
        const char *field;
        cl_mem mem;
        bool allowed;
    } fields[] = {
        {"attention.q", a->q.mem, false},
        {"attention.k", a->k.mem, false},
        {"attention.v", a->v.mem, false},
        {"attention.out", a->out.mem, false},
        {"attention.scratch", a->scratch, false},
        {"context", args->context.mem, !d->fused},
        {"wq", args->wq.mem, !d->fused},
        {"wk", args->wk.mem, !d->fused},
        {"wv", args->wv.mem, !d->fused},
        {"wqkv", args->wqkv.mem, d->fused},
        {"bq", args->bq.mem, !d->fused && d->qkv_bias},
        {"bk", args->bk.mem, !d->fused && d->qkv_bias},
        {"bv", args->bv.mem, !d->fused && d->qkv_bias},
        {"bqkv", args->bqkv.mem, d->fused && d->qkv_bias},
        {"wo", args->wo.mem, d->out_dim > 0},
        {"bo", args->bo.mem, d->out_dim > 0 && d->out_bias},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].mem && !fields[i].allowed) {
            return clattn__refuse("mha: args.%s is given, but desc does not announce it",
                                  fields[i].field);
        }
    }
    return CLATTN_OK;
}

static clattn_status check_counts(const clattn_mha_desc *d, const clattn_mha_args *args)
{
    const int64_t limit = INT32_MAX / 2;
    const struct {
        const char *what;
        int64_t n;
    } counts[] = {{"x.size[0] (batch)", args->x.size[0]},
                  {"x.size[1] (row)", args->x.size[1]},
                  {"context.size[1] (row)", args->context.mem ? args->context.size[1] : 0}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].n < 0 || counts[i].n > limit) {
            return clattn__refuse("mha: args.%s is %lld, must be 0..%lld", counts[i].what,
                                  (long long)counts[i].n, (long long)limit);
        }
    }
    if (!args->context.mem && d->context_dim != d->model_dim && args->x.size[0] > 0) {
        return clattn__refuse("mha: args.context is required, as context_dim is not model_dim");
    }
    return CLATTN_OK;
}

/* Everything of the layer's own is checked before the first part runs, so that it is
 * refused by its name here and not by what it is to that part. */
static clattn_status check_args(const struct mha_op *mha, const clattn_mha_args *args)
{
    const clattn_mha_desc *d = &mha->desc;
    TRY(check_announced(d, args));
    TRY(check_counts(d, args));
    const clattn_tensor *source = args->context.mem ? &args->context : &args->x;
    const int64_t B = args->x.size[0], Nq = args->x.size[1], Nk = source->size[1];
    const int64_t M = d->model_dim, C = d->context_dim, *n = mha->columns, qkv = n[Q] + n[K] + n[V];
    const int64_t attended = mha->heads * mha->value_dim;
    const unsigned type = 1u << d->attention.type, out_type = 1u << d->attention.out_type;
    const bool one = d->fused, no_o = d->out_dim == 0, no_b = !d->qkv_bias,
               no_bo = no_o || !d->out_bias;
    const struct {
        const clattn_tensor *tensor;
        struct clattn__want want;
    } operands[] = {
        {&args->out, {"mha", "out", {B, Nq, 1, n[O]}, 0, out_type, true, false}},
        {&args->x, {"mha", "x", {B, Nq, 1, M}, 0, type, false, false}},
        {&args->context, {"mha", "context", {B, Nk, 1, C}, 0, type, false, true}},
        {&args->wq, {"mha", "wq", {1, n[Q], 1, M}, 0, type, false, one}},
        {&args->wk, {"mha", "wk", {1, n[K], 1, C}, 0, type, false, one}},
        {&args->wv, {"mha", "wv", {1, n[V], 1, C}, 0, type, false, one}},
        {&args->wqkv, {"mha", "wqkv", {1, qkv, 1, M}, 0, type, false, !one}},
        {&args->bq, {"mha", "bq", {1, 1, 1, n[Q]}, 0, type, false, one || no_b}},
        {&args->bk, {"mha", "bk", {1, 1, 1, n[K]}, 0, type, false, one || no_b}},
        {&args->bv, {"mha", "bv", {1, 1, 1, n[V]}, 0, type, false, one || no_b}},
        {&args->bqkv, {"mha", "bqkv", {1, 1, 1, qkv}, 0, type, false, !one || no_b}},
        {&args->wo, {"mha", "wo", {1, n[O], 1, attended}, 0, type, false, no_o}},
        {&args->bo, {"mha", "bo", {1, 1, 1, n[O]}, 0, type, false, no_bo}},
    };
    struct clattn__view out, input;
    TRY(clattn__view(&operands[0].want, operands[0].tensor, &out));
    for (size_t i = 1; i < sizeof operands / sizeof *operands; i++) {
        TRY(clattn__view(&operands[i].want, operands[i].tensor, &input));
        TRY(clattn__no_overlap("mha", "out", &out, operands[i].want.field, &input));
    }
    return CLATTN_OK;
}

static clattn_status enqueue(const struct mha_op *mha, cl_command_queue queue,
                             const struct layer *layer)
{
    for (int i = Q; i <= V; i++) {
        if (mha->project[i]) {
            TRY(clattn_project_run(mha->project[i], queue, &layer->project[i], NULL));
        }
    }
    TRY(clattn_attention_run(mha->attention, queue, &layer->attention, NULL));
    return mha->project[O] ? clattn_project_run(mha->project[O], queue, &layer->project[O], NULL)
                           : CLATTN_OK;
}

clattn_status clattn_mha_run(const clattn_op *op, cl_command_queue queue,
                             const clattn_mha_args *args, cl_event *event)
{
    TRY(clattn__op_check(op, &family));
    if (!args) {
        return clattn__refuse("mha: args is NULL");
    }
    const struct mha_op *mha = (const struct mha_op *)op;
    struct layer layer;
    cl_mem scratch, taken;
    TRY(check_args(mha, args));
    TRY(clattn__scratch(op->context, "mha", args->scratch, clattn_mha_scratch(op, args), &scratch,
                        &taken));
    const struct plan plan = make_plan(mha, args);
    wire(mha, args, &plan, scratch, &layer);
    const bool work = plan.batch > 0 && plan.n_q > 0;
    const clattn_status status = work ? enqueue(mha, queue, &layer) : CLATTN_OK;
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}

clattn_status clattn_mha_attention(const clattn_op *op, const clattn_mha_args *args,
                                   clattn_attention_args *attention)
{
    TRY(clattn__op_check(op, &family));
    if (!args || !attention) {
        return clattn__refuse("mha: %s is NULL", args ? "attention" : "args");
    }
    const struct mha_op *mha = (const struct mha_op *)op;
    cl_mem scratch, taken;
    if (!args->scratch) {
        return clattn__refuse("mha: args.scratch is absent: nobody knows where its operands lie");
    }
    TRY(check_args(mha, args));
    TRY(clattn__scratch(op->context, "mha", args->scratch, clattn_mha_scratch(op, args), &scratch,
                        &taken));
    const struct plan plan = make_plan(mha, args);
    wire_attention(mha, args, &plan, scratch, attention);
    return CLATTN_OK;
}
