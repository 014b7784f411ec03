/* A transformer layer, made of the public ops: a residual stream that parts (self-attention,
 * cross-attention, feed-forward) are added to, with a norm before or after each. */
#include "linear.h"
#include "simple.h"

#include <clattn/layer.h>

#include <stdio.h>
#include <string.h>

/* ---- The op ---------------------------------------------------------------------- */

enum { SELF, CROSS, FFN, PARTS };
enum { Q, K, V, O, ATTENTION_LINEARS }; /* Q stands for all three where they are joined */
enum { LINEARS = 2 * ATTENTION_LINEARS };

struct norm {
    clattn_op *op;
    clattn_norm_weights weights;
};

struct layer_op {
    clattn_op base;
    clattn_layer_desc desc;
    struct clattn__linear linear[LINEARS]; /* of self-attention, of cross-attention */
    struct norm norm[PARTS];               /* before or after each part */
    clattn_op *attention[2];               /* self, cross */
    clattn_op *rope, *append, *ffn;
};

static clattn_status build(clattn_op *op, const void *desc);
static void release(clattn_op *op);

static const struct clattn__variant composite[] = {{.name = "layer/composite", .library = true},
                                                   {0}};

static const struct clattn__family family = {
    .op = "layer",
    .variants = composite,
    .op_bytes = sizeof(struct layer_op),
    .build = build,
    .release = release,
};

/* Queries, keys and values of the self-attention come of one product. */
static bool is_joined(const clattn_layer_desc *d) { return d->self_attention.qkv.weight.mem; }

/* Parts in their order; cross-attention may be absent. */
static bool has_part(const clattn_layer_desc *d, int part) { return part != CROSS || d->cross; }

static int last_part(void) { return FFN; }

/* ---- Creating ---------------------------------------------------------------------- */

static clattn_status create_attention(struct layer_op *op, int part,
                                      const clattn_attention_weights *weights)
{
    const clattn_layer_desc *d = &op->desc;
    const int64_t heads = d->attention.query_heads, kv = d->attention.kv_heads;
    const int64_t head_dim = d->attention.head_dim, value_dim = d->attention.value_dim;
    const int64_t source = part == CROSS ? d->context_dim : d->model_dim;
    const bool joined = part == SELF && is_joined(d);
    const int64_t q = heads * head_dim, k = kv * head_dim, v = kv * value_dim;
    const struct {
        const char *name[2];
        const clattn_linear *weights;
        int64_t in, out;
        bool absent;
    } rows[ATTENTION_LINEARS] = {
        {{joined ? "self_attention.qkv" : "self_attention.q", "cross_attention.q"},
         joined ? &weights->qkv : &weights->q,
         d->model_dim,
         joined ? q + k + v : q,
         false},
        {{"self_attention.k", "cross_attention.k"}, &weights->k, source, k, joined},
        {{"self_attention.v", "cross_attention.v"}, &weights->v, source, v, joined},
        {{"self_attention.out", "cross_attention.out"},
         &weights->out,
         heads * value_dim,
         d->model_dim,
         false},
    };
    for (int i = 0; i < ATTENTION_LINEARS; i++) {
        if (!rows[i].absent) {
            const clattn_project_desc desc = {.in_dim = (int32_t)rows[i].in,
                                              .out_dim = (int32_t)rows[i].out,
                                              .type = d->attention.type,
                                              .out_type = d->attention.type,
                                              .residual = i == O};
            TRY(clattn__linear_create(op->base.context, "layer", rows[i].name[part], &desc,
                                      rows[i].weights, &op->linear[part * ATTENTION_LINEARS + i]));
        }
    }
    clattn_attention_desc attention = d->attention;
    if (part == CROSS) {
        /* Of a cross-attention every row sees all of the context. */
        attention = (clattn_attention_desc){.head_dim = d->attention.head_dim,
                                            .value_dim = d->attention.value_dim,
                                            .query_heads = d->attention.query_heads,
                                            .kv_heads = d->attention.kv_heads,
                                            .type = d->attention.type,
                                            .scale = d->attention.scale};
    }
    attention.out_type = d->attention.type;
    return clattn_attention_create(op->base.context, &attention, &op->attention[part]);
}

static clattn_status create_ffn(struct layer_op *op)
{
    const clattn_layer_desc *d = &op->desc;
    const clattn_ffn_desc desc = {.model_dim = d->model_dim,
                                  .hidden_dim = d->hidden_dim,
                                  .type = d->attention.type,
                                  .out_type = d->attention.type,
                                  .activation = d->activation,
                                  .gated = d->gated,
                                  .residual = true,
                                  .gate_up = d->ffn.gate_up,
                                  .up = d->ffn.up,
                                  .gate = d->ffn.gate,
                                  .down = d->ffn.down};
    const clattn_status status = clattn_ffn_create(op->base.context, &desc, &op->ffn);
    return status == CLATTN_OK ? CLATTN_OK : clattn__fail_in("layer", status);
}

static clattn_status create_norm(struct layer_op *op, int part, const clattn_norm_weights *weights)
{
    const clattn_layer_desc *d = &op->desc;
    const clattn_norm_desc desc = {.kind = d->norm,
                                   .type = d->attention.type,
                                   .weight_type = d->norm_type,
                                   .out_type = d->attention.type,
                                   .weight = weights->weight.mem,
                                   .bias = weights->bias.mem,
                                   .epsilon = d->epsilon};
    TRY(clattn_norm_create(op->base.context, &desc, &op->norm[part].op));
    TRY(clattn__hold(&weights->weight));
    op->norm[part].weights.weight = weights->weight;
    TRY(clattn__hold(&weights->bias));
    op->norm[part].weights.bias = weights->bias;
    return CLATTN_OK;
}

static clattn_status create_positions(struct layer_op *op)
{
    clattn_layer_desc *d = &op->desc;
    const clattn_append_desc append = {.head_dim = d->attention.head_dim,
                                       .value_dim = d->attention.value_dim,
                                       .type = d->attention.type,
                                       .kv_type = d->attention.kv_type,
                                       .page_rows = d->attention.page_rows,
                                       .ring = d->attention.ring,
                                       .packed = d->attention.packed,
                                       .rotate = d->rotate,
                                       .rope = d->rope};
    if (d->rotate && !d->cached) {
        TRY(clattn_rope_create(op->base.context, &d->rope, &op->rope));
    }
    return d->cached ? clattn_append_create(op->base.context, &append, &op->append) : CLATTN_OK;
}

static clattn_status build(clattn_op *base, const void *desc)
{
    struct layer_op *op = (struct layer_op *)base;
    op->desc = *(const clattn_layer_desc *)desc;
    const clattn_layer_desc *d = &op->desc;
    const clattn_norm_weights *norms[PARTS] = {&d->self_attention.norm, &d->cross_attention.norm,
                                               &d->ffn.norm};
    TRY(create_attention(op, SELF, &d->self_attention));
    if (d->cross) {
        TRY(create_attention(op, CROSS, &d->cross_attention));
    }
    TRY(create_ffn(op));
    for (int part = 0; part < PARTS; part++) {
        if (has_part(d, part)) {
            TRY(create_norm(op, part, norms[part]));
        }
    }
    TRY(create_positions(op));
    snprintf(base->label, sizeof base->label, "layer %s", clattn_op_kernel(op->attention[SELF]));
    return CLATTN_OK;
}

static void release(clattn_op *base)
{
    struct layer_op *op = (struct layer_op *)base;
    clattn_op *const ops[] = {op->attention[0], op->attention[1], op->rope, op->append, op->ffn};
    for (int i = 0; i < LINEARS; i++) {
        clattn__linear_release(&op->linear[i]);
    }
    for (int i = 0; i < PARTS; i++) {
        clattn_op_destroy(op->norm[i].op);
        clattn__let_go(&op->norm[i].weights.weight);
        clattn__let_go(&op->norm[i].weights.bias);
    }
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        clattn_op_destroy(ops[i]);
    }
}

static clattn_status complete(const clattn_layer_desc *desc, clattn_layer_desc *d)
{
    *d = *desc;
    clattn_attention_desc *a = &d->attention;
    a->value_dim = a->value_dim ? a->value_dim : a->head_dim;
    a->kv_heads = a->kv_heads ? a->kv_heads : a->query_heads;
    d->context_dim = d->context_dim ? d->context_dim : d->model_dim;
    d->rope.head_dim = d->rope.head_dim ? d->rope.head_dim : a->head_dim;
    d->rope.type = a->type;
    const struct clattn__count dims[] = {
        {"model_dim", d->model_dim, CLATTN__MAX_DIM},
        {"hidden_dim", d->hidden_dim, CLATTN__MAX_DIM},
        {"context_dim", d->context_dim, CLATTN__MAX_DIM},
        {"attention.head_dim", a->head_dim, CLATTN__MAX_DIM},
        {"attention.query_heads", a->query_heads, CLATTN__MAX_DIM},
        {"attention.kv_heads", a->kv_heads, CLATTN__MAX_DIM},
        {0},
    };
    TRY(clattn__check_counts("layer", dims));
    const clattn_attention_weights *self = &d->self_attention;
    if (is_joined(d) && (self->q.weight.mem || self->k.weight.mem || self->v.weight.mem)) {
        return clattn__refuse("layer: self_attention.qkv is given, and so is self_attention.%s",
                              self->q.weight.mem   ? "q"
                              : self->k.weight.mem ? "k"
                                                   : "v");
    }
    if (d->cross_attention.qkv.weight.mem) {
        return clattn__refuse("layer: cross_attention.qkv is given, but queries and keys are of "
                              "different rows there");
    }
    if (a->with & CLATTN_WITH_WEIGHTS) {
        return clattn__refuse(
            "layer: attention.with asks for weights, which a layer does not give");
    }
    if ((a->ring || a->page_rows || a->kv_type != CLATTN_F32) && !d->cached) {
        return clattn__refuse("layer: attention's %s is set, but cached is not", a->ring ? "ring"
                                                                                 : a->page_rows
                                                                                     ? "page_rows"
                                                                                     : "kv_type");
    }
    return CLATTN_OK;
}

clattn_status clattn_layer_create(clattn_context *context, const clattn_layer_desc *desc,
                                  clattn_op **out)
{
    clattn_layer_desc full;
    if (!context || !desc || !out) {
        return clattn__refuse("layer: %s is NULL", !context ? "context" : !desc ? "desc" : "out");
    }
    TRY(complete(desc, &full));
    return clattn__op_create(context, &family, &full, NULL, NULL, out);
}

/* ---- Scratch: what lies between the parts ------------------------------------------- */

enum region { STREAM, NORMED, JOINED, QUERY, KEY, VALUE, ATTENDED, SUM, REGIONS };

struct plan {
    int64_t batch, rows, context_rows;
    clattn_tensor at[REGIONS];
    int64_t elements;
};

static void add_region(struct plan *plan, enum region region, int64_t rows, int64_t heads,
                       int64_t columns, clattn_type type, cl_mem scratch)
{
    plan->at[region] =
        (clattn_tensor){.mem = scratch,
                        .offset = plan->elements,
                        .size = {plan->batch, rows, heads, columns},
                        .stride = {rows * heads * columns, heads * columns, columns, 1},
                        .type = type};
    plan->elements += plan->batch * rows * heads * columns;
}

static struct plan make_plan(const struct layer_op *op, const clattn_layer_args *args,
                             cl_mem scratch)
{
    const clattn_layer_desc *d = &op->desc;
    const clattn_attention_desc *a = &d->attention;
    const int64_t n = args->x.size[1], m = d->cross ? args->context.size[1] : 0,
                  both = n > m ? n : m;
    const bool slices = is_joined(d) && !d->cross; /* q, k and v take no room beside the product */
    const clattn_ffn_args ffn = {.x = args->x};
    /* The feed-forward's rows come first: its scratch begins where the buffer does. */
    struct plan plan = {
        .batch = args->x.size[0],
        .rows = n,
        .context_rows = m,
        .elements = (int64_t)(clattn_ffn_scratch(op->ffn, &ffn) / clattn_type_size(a->type))};
    const struct {
        int64_t rows, heads, columns;
    } sizes[REGIONS] = {
        [STREAM] = {n, 1, d->model_dim},
        [NORMED] = {n, 1, d->model_dim},
        [QUERY] = {slices ? 0 : n, a->query_heads, a->head_dim},
        [JOINED] = {is_joined(d) ? n : 0, 1,
                    (a->query_heads + a->kv_heads) * a->head_dim + a->kv_heads * a->value_dim},
        [KEY] = {slices ? 0 : both, a->kv_heads, a->head_dim},
        [VALUE] = {slices ? 0 : both, a->kv_heads, a->value_dim},
        [ATTENDED] = {n, a->query_heads, a->value_dim},
        [SUM] = {d->pre_norm ? 0 : n, 1, d->model_dim},
    };
    for (int i = 0; i < REGIONS; i++) {
        add_region(&plan, (enum region)i, sizes[i].rows, sizes[i].heads, sizes[i].columns, a->type,
                   scratch);
    }
    return plan;
}

size_t clattn_layer_scratch(const clattn_op *op, const clattn_layer_args *args)
{
    if (clattn__op_check(op, &family) != CLATTN_OK || !args) {
        return 0;
    }
    const struct layer_op *layer = (const struct layer_op *)op;
    return (size_t)make_plan(layer, args, NULL).elements *
           clattn_type_size(layer->desc.attention.type);
}

/* ---- Running -------------------------------------------------------------------------- */

struct run {
    const struct layer_op *op;
    const clattn_layer_args *args;
    cl_command_queue queue;
    struct plan plan;
};

/* The first rows of a region. */
static clattn_tensor rows_of(const clattn_tensor *region, int64_t rows)
{
    clattn_tensor tensor = *region;
    tensor.size[1] = rows;
    return tensor;
}

static clattn_status project(const struct run *r, int which, const clattn_tensor *x,
                             const clattn_tensor *y)
{
    return clattn__linear_run(&r->op->linear[which], r->queue, x, NULL, y);
}

/* The same where it ends a part: y = stream + what the part gives. */
static clattn_status add(const struct run *r, int which, const clattn_tensor *x,
                         const clattn_tensor *stream, const clattn_tensor *y)
{
    return clattn__linear_run(&r->op->linear[which], r->queue, x, stream, y);
}

/* Without a cache; else append turns both on their way. */
static clattn_status rotate(const struct run *r, const clattn_tensor *q, const clattn_tensor *k)
{
    const clattn_rope_args args = {.q = *q, .k = *k, .positions = r->args->positions};
    return clattn_rope_run(r->op->rope, r->queue, &args, NULL);
}

static clattn_status append(const struct run *r, const clattn_tensor *q, const clattn_tensor *k,
                            const clattn_tensor *v)
{
    const clattn_layer_args *a = r->args;
    const clattn_tensor none = {0};
    const clattn_append_args args = {.k = *k,
                                     .v = *v,
                                     .k_cache = a->k_cache,
                                     .v_cache = a->v_cache,
                                     .k_scale = a->attention.k_scale,
                                     .v_scale = a->attention.v_scale,
                                     .page_table = a->attention.page_table,
                                     .kv_length = a->used,
                                     .start = a->attention.q_start,
                                     .positions = r->op->desc.rotate ? a->positions : none,
                                     .q = r->op->desc.rotate ? *q : none};
    return clattn_append_run(r->op->append, r->queue, &args, NULL);
}

/* part = so many columns of all, from first on, as its size says; returns the next one. */
static int64_t take_columns(const clattn_tensor *all, int64_t first, clattn_tensor *part)
{
    part->offset = all->offset + first;
    part->stride[0] = all->stride[0];
    part->stride[1] = all->stride[1];
    return first + part->size[2] * part->size[3];
}

/* Where the self-attention's operands lie: keys and values before they go to a cache. */
static clattn_attention_args self_attention(const struct layer_op *op,
                                            const clattn_layer_args *args, const struct plan *p)
{
    clattn_attention_args attention = args->attention;
    attention.q = rows_of(&p->at[QUERY], p->rows);
    attention.k = rows_of(&p->at[KEY], p->rows);
    attention.v = rows_of(&p->at[VALUE], p->rows);
    attention.out = p->at[ATTENDED];
    if (is_joined(&op->desc)) {
        const clattn_tensor *all = &p->at[JOINED];
        int64_t column = 0;
        column = take_columns(all, column, &attention.q);
        column = take_columns(all, column, &attention.k);
        take_columns(all, column, &attention.v);
    }
    return attention;
}

static clattn_status attend_self(const struct run *r, const clattn_tensor *x,
                                 const clattn_tensor *stream, const clattn_tensor *y)
{
    clattn_attention_args args = self_attention(r->op, r->args, &r->plan);
    if (is_joined(&r->op->desc)) {
        TRY(project(r, Q, x, &r->plan.at[JOINED]));
    } else {
        TRY(project(r, Q, x, &args.q));
        TRY(project(r, K, x, &args.k));
        TRY(project(r, V, x, &args.v));
    }
    if (r->op->rope) {
        TRY(rotate(r, &args.q, &args.k));
    }
    if (r->op->append) {
        TRY(append(r, &args.q, &args.k, &args.v));
        args.k = r->args->k_cache;
        args.v = r->args->v_cache;
    }
    TRY(clattn_attention_run(r->op->attention[SELF], r->queue, &args, NULL));
    return add(r, O, &args.out, stream, y);
}

static clattn_status attend_cross(const struct run *r, const clattn_tensor *x,
                                  const clattn_tensor *stream, const clattn_tensor *y)
{
    const struct plan *p = &r->plan;
    const clattn_attention_args args = {.q = p->at[QUERY],
                                        .k = rows_of(&p->at[KEY], p->context_rows),
                                        .v = rows_of(&p->at[VALUE], p->context_rows),
                                        .out = p->at[ATTENDED],
                                        .kv_length = r->args->context_length};
    TRY(project(r, ATTENTION_LINEARS + Q, x, &args.q));
    TRY(project(r, ATTENTION_LINEARS + K, &r->args->context, &args.k));
    TRY(project(r, ATTENTION_LINEARS + V, &r->args->context, &args.v));
    TRY(clattn_attention_run(r->op->attention[CROSS], r->queue, &args, NULL));
    return add(r, ATTENTION_LINEARS + O, &args.out, stream, y);
}

static clattn_status feed_forward(const struct run *r, const clattn_tensor *x,
                                  const clattn_tensor *stream, const clattn_tensor *y)
{
    const clattn_ffn_args args = {
        .x = *x, .residual = *stream, .y = *y, .scratch = r->plan.at[STREAM].mem};
    return clattn_ffn_run(r->op->ffn, r->queue, &args, NULL);
}

/* y = stream + part(x) */
static clattn_status run_part(const struct run *r, int part, const clattn_tensor *x,
                              const clattn_tensor *stream, const clattn_tensor *y)
{
    return part == SELF    ? attend_self(r, x, stream, y)
           : part == CROSS ? attend_cross(r, x, stream, y)
                           : feed_forward(r, x, stream, y);
}

static clattn_status normalise(const struct run *r, int part, const clattn_tensor *x,
                               const clattn_tensor *y)
{
    const struct norm *norm = &r->op->norm[part];
    const clattn_norm_args args = {
        .x = *x, .weight = norm->weights.weight, .bias = norm->weights.bias, .y = *y};
    return clattn_norm_run(norm->op, r->queue, &args, NULL);
}

/* x + part(norm(x)), or norm(x + part(x)), for each part. */
static clattn_status run_parts(const struct run *r)
{
    const clattn_tensor *stream = &r->args->x;
    for (int part = SELF; part < PARTS; part++) {
        if (!has_part(&r->op->desc, part)) {
            continue;
        }
        const clattn_tensor *next = part == last_part() ? &r->args->out : &r->plan.at[STREAM];
        if (r->op->desc.pre_norm) {
            const clattn_tensor *normed = &r->plan.at[NORMED];
            TRY(normalise(r, part, stream, normed));
            TRY(run_part(r, part, normed, stream, next));
        } else {
            const clattn_tensor *sum = &r->plan.at[SUM];
            TRY(run_part(r, part, stream, stream, sum));
            TRY(normalise(r, part, sum, next));
        }
        stream = next;
    }
    return CLATTN_OK;
}

static clattn_status check_args(const struct layer_op *op, const clattn_layer_args *args)
{
    const clattn_layer_desc *d = &op->desc;
    const clattn_attention_args *a = &args->attention;
    const int64_t B = args->x.size[0], N = args->x.size[1];
    const unsigned type = 1u << d->attention.type, i32 = 1u << CLATTN_I32;
    const struct {
        const char *field, *why;
        cl_mem mem;
        bool allowed;
    } announced[] = {
        {"attention.q", "it is the layer's own", a->q.mem, false},
        {"attention.k", "it is the layer's own", a->k.mem, false},
        {"attention.v", "it is the layer's own", a->v.mem, false},
        {"attention.out", "it is the layer's own", a->out.mem, false},
        {"attention.scratch", "it is the layer's own", a->scratch, false},
        {"context", "desc lacks cross", args->context.mem, d->cross},
        {"context_length", "desc lacks cross", args->context_length.mem, d->cross},
        {"positions", "desc lacks rotate", args->positions.mem, d->rotate},
        {"k_cache", "desc lacks cached", args->k_cache.mem, d->cached},
        {"v_cache", "desc lacks cached", args->v_cache.mem, d->cached},
        {"used", "desc lacks cached", args->used.mem, d->cached},
    };
    for (size_t i = 0; i < sizeof announced / sizeof *announced; i++) {
        if (announced[i].mem && !announced[i].allowed) {
            return clattn__refuse("layer: args.%s is given, but %s", announced[i].field,
                                  announced[i].why);
        }
    }
    const struct {
        const clattn_tensor *tensor;
        struct clattn__want want;
    } operands[] = {
        {&args->x, {"layer", "x", {B, N, 1, d->model_dim}, 0, type, false, false}},
        {&args->out, {"layer", "out", {B, N, 1, d->model_dim}, 0, type, true, false}},
        {&args->context,
         {"layer",
          "context",
          {B, args->context.size[1], 1, d->context_dim},
          0,
          type,
          false,
          !d->cross}},
        {&args->used, {"layer", "used", {args->used.size[0], 1, 1, 1}, 0, i32, false, !d->cached}},
    };
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++) {
        struct clattn__view view;
        TRY(clattn__view(&operands[i].want, operands[i].tensor, &view));
    }
    return CLATTN_OK;
}

clattn_status clattn_layer_run(const clattn_op *op, cl_command_queue queue,
                               const clattn_layer_args *args, cl_event *event)
{
    TRY(clattn__op_check(op, &family));
    if (!args) {
        return clattn__refuse("layer: args is NULL");
    }
    struct run r = {.op = (const struct layer_op *)op, .args = args, .queue = queue};
    cl_mem scratch, taken;
    TRY(check_args(r.op, args));
    TRY(clattn__scratch(op->context, "layer", args->scratch, clattn_layer_scratch(op, args),
                        &scratch, &taken));
    r.plan = make_plan(r.op, args, scratch);
    clattn_status status = CLATTN_OK;
    if (r.plan.batch > 0 && r.plan.rows > 0) {
        status = run_parts(&r);
    }
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}

clattn_status clattn_layer_attention(const clattn_op *op, const clattn_layer_args *args,
                                     clattn_attention_args *attention)
{
    TRY(clattn__op_check(op, &family));
    if (!args || !attention) {
        return clattn__refuse("layer: %s is NULL", args ? "attention" : "args");
    }
    const struct layer_op *layer = (const struct layer_op *)op;
    cl_mem scratch, taken;
    if (!args->scratch) {
        return clattn__refuse("layer: args.scratch is absent: nobody knows where queries lie");
    }
    if (layer->desc.cross) {
        return clattn__refuse("layer: desc.cross is set: its queries are written over those of the "
                              "self-attention");
    }
    TRY(check_args(layer, args));
    TRY(clattn__scratch(op->context, "layer", args->scratch, clattn_layer_scratch(op, args),
                        &scratch, &taken));
    const struct plan plan = make_plan(layer, args, scratch);
    *attention = self_attention(layer, args, &plan);
    if (layer->append) {
        attention->k = args->k_cache;
        attention->v = args->v_cache;
    }
    return CLATTN_OK;
}
