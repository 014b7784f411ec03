/* A transformer layer, made of the public ops: a residual stream that parts (self-attention,
 * cross-attention, feed-forward) are added to, with a norm before or after each. */
#include "linear.h"

#include <clattn/layer.h>

#include <stdio.h>
#include <string.h>

/* ---- The op ---------------------------------------------------------------------- */

enum { SELF, CROSS, FFN, PARTS };
enum { Q, K, V, O, ATTENTION_LINEARS };
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
    clattn_op *rope, *append, *ffn, *add;
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
    const struct {
        const char *name[2];
        const clattn_linear *weights;
        int64_t in, out;
    } rows[ATTENTION_LINEARS] = {
        {{"self_attention.q", "cross_attention.q"}, &weights->q, d->model_dim, heads * head_dim},
        {{"self_attention.k", "cross_attention.k"}, &weights->k, source, kv * head_dim},
        {{"self_attention.v", "cross_attention.v"}, &weights->v, source, kv * value_dim},
        {{"self_attention.out", "cross_attention.out"},
         &weights->out,
         heads * value_dim,
         d->model_dim},
    };
    for (int i = 0; i < ATTENTION_LINEARS; i++) {
        const clattn_project_desc desc = {.in_dim = (int32_t)rows[i].in,
                                          .out_dim = (int32_t)rows[i].out,
                                          .type = d->attention.type,
                                          .out_type = d->attention.type};
        TRY(clattn__linear_create(op->base.context, "layer", rows[i].name[part], &desc,
                                  rows[i].weights, &op->linear[part * ATTENTION_LINEARS + i]));
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
                                  .up = d->ffn.up,
                                  .gate = d->ffn.gate,
                                  .down = d->ffn.down};
    const clattn_status status = clattn_ffn_create(op->base.context, &desc, &op->ffn);
    return status == CLATTN_OK ? CLATTN_OK : clattn__fail_in("layer", status);
}

static clattn_status create_norm(struct layer_op *op, int part, const clattn_norm_weights *weights)
{
    const clattn_layer_desc *d = &op->desc;
    const bool added = !d->pre_norm || part != SELF; /* the stream and what a part gave */
    const clattn_norm_desc desc = {.kind = d->norm,
                                   .type = d->attention.type,
                                   .weight_type = d->norm_type,
                                   .out_type = d->attention.type,
                                   .weight = weights->weight.mem,
                                   .bias = weights->bias.mem,
                                   .residual = added,
                                   .sum = added && d->pre_norm,
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
    if (d->rotate) {
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
    const clattn_activation_desc add = {.kind = CLATTN_IDENTITY,
                                        .type = d->attention.type,
                                        .out_type = d->attention.type,
                                        .residual = true};
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
    if (d->pre_norm) {
        TRY(clattn_activation_create(base->context, &add, &op->add));
    }
    snprintf(base->label, sizeof base->label, "layer %s", clattn_op_kernel(op->attention[SELF]));
    return CLATTN_OK;
}

static void release(clattn_op *base)
{
    struct layer_op *op = (struct layer_op *)base;
    clattn_op *const ops[] = {op->attention[0], op->attention[1], op->rope,
                              op->append,       op->ffn,          op->add};
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
    const struct {
        const char *field;
        int32_t value;
    } dims[] = {{"model_dim", d->model_dim},
                {"hidden_dim", d->hidden_dim},
                {"context_dim", d->context_dim},
                {"attention.head_dim", a->head_dim},
                {"attention.query_heads", a->query_heads},
                {"attention.kv_heads", a->kv_heads}};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        if (dims[i].value < 1 || dims[i].value > 1 << 24) {
            return clattn__refuse("layer: %s is %d, must be 1..%d", dims[i].field, dims[i].value,
                                  1 << 24);
        }
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

enum region { STREAM, NORMED, QUERY, KEY, VALUE, ATTENDED, PART, REGIONS };

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
        [QUERY] = {n, a->query_heads, a->head_dim},
        [KEY] = {both, a->kv_heads, a->head_dim},
        [VALUE] = {both, a->kv_heads, a->value_dim},
        [ATTENDED] = {n, a->query_heads, a->value_dim},
        [PART] = {n, 1, d->model_dim},
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
    return clattn__linear_run(&r->op->linear[which], r->queue, x, y);
}

static clattn_status rotate(const struct run *r, const clattn_tensor *q, const clattn_tensor *k)
{
    const clattn_layer_args *a = r->args;
    /* Keys that go to a cache are turned on their way. */
    clattn_rope_args args = {.q = *q, .positions = a->positions};
    if (!r->op->append) {
        args.k = *k;
    } else if (!a->positions.mem) {
        args.start = a->used;
    }
    return clattn_rope_run(r->op->rope, r->queue, &args, NULL);
}

static clattn_status append(const struct run *r, const clattn_tensor *k, const clattn_tensor *v)
{
    const clattn_layer_args *a = r->args;
    const clattn_append_args args = {.k = *k,
                                     .v = *v,
                                     .k_cache = a->k_cache,
                                     .v_cache = a->v_cache,
                                     .k_scale = a->attention.k_scale,
                                     .v_scale = a->attention.v_scale,
                                     .page_table = a->attention.page_table,
                                     .kv_length = a->used,
                                     .start = a->attention.q_start,
                                     .positions =
                                         r->op->desc.rotate ? a->positions : (clattn_tensor){0}};
    return clattn_append_run(r->op->append, r->queue, &args, NULL);
}

static clattn_status attend_self(const struct run *r, const clattn_tensor *x)
{
    const struct plan *p = &r->plan;
    clattn_attention_args args = r->args->attention;
    args.q = p->at[QUERY];
    args.k = rows_of(&p->at[KEY], p->rows);
    args.v = rows_of(&p->at[VALUE], p->rows);
    args.out = p->at[ATTENDED];
    TRY(project(r, Q, x, &args.q));
    TRY(project(r, K, x, &args.k));
    TRY(project(r, V, x, &args.v));
    if (r->op->rope) {
        TRY(rotate(r, &args.q, &args.k));
    }
    if (r->op->append) {
        TRY(append(r, &args.k, &args.v));
        args.k = r->args->k_cache;
        args.v = r->args->v_cache;
    }
    TRY(clattn_attention_run(r->op->attention[SELF], r->queue, &args, NULL));
    return project(r, O, &args.out, &p->at[PART]);
}

static clattn_status attend_cross(const struct run *r, const clattn_tensor *x)
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
    return project(r, ATTENTION_LINEARS + O, &args.out, &p->at[PART]);
}

static clattn_status feed_forward(const struct run *r, const clattn_tensor *x)
{
    const clattn_ffn_args args = {.x = *x, .y = r->plan.at[PART], .scratch = r->plan.at[PART].mem};
    return clattn_ffn_run(r->op->ffn, r->queue, &args, NULL);
}

static clattn_status run_part(const struct run *r, int part, const clattn_tensor *x)
{
    return part == SELF    ? attend_self(r, x)
           : part == CROSS ? attend_cross(r, x)
                           : feed_forward(r, x);
}

/* y = norm(x [+ what the last part gave]); the sum is kept where the norm comes first. */
static clattn_status normalise(const struct run *r, int part, const clattn_tensor *x, bool added,
                               const clattn_tensor *y)
{
    const struct norm *norm = &r->op->norm[part];
    clattn_norm_args args = {
        .x = *x, .weight = norm->weights.weight, .bias = norm->weights.bias, .y = *y};
    if (added) {
        args.residual = r->plan.at[PART];
    }
    if (added && r->op->desc.pre_norm) {
        args.sum = r->plan.at[STREAM];
    }
    return clattn_norm_run(norm->op, r->queue, &args, NULL);
}

/* x + part(norm(x)): the norm of a part takes the sum of the one before along. */
static clattn_status run_pre_norm(const struct run *r)
{
    const clattn_tensor *stream = &r->args->x, *normed = &r->plan.at[NORMED];
    for (int part = SELF; part < PARTS; part++) {
        if (!has_part(&r->op->desc, part)) {
            continue;
        }
        TRY(normalise(r, part, stream, part != SELF, normed));
        if (part != SELF) {
            stream = &r->plan.at[STREAM];
        }
        TRY(run_part(r, part, normed));
    }
    const clattn_activation_args add = {
        .x = r->plan.at[PART], .residual = *stream, .y = r->args->out};
    return clattn_activation_run(r->op->add, r->queue, &add, NULL);
}

/* norm(x + part(x)) */
static clattn_status run_post_norm(const struct run *r)
{
    const clattn_tensor *stream = &r->args->x;
    for (int part = SELF; part < PARTS; part++) {
        if (!has_part(&r->op->desc, part)) {
            continue;
        }
        const clattn_tensor *next = part == last_part() ? &r->args->out : &r->plan.at[STREAM];
        TRY(run_part(r, part, stream));
        TRY(normalise(r, part, stream, true, next));
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
        status = r.op->desc.pre_norm ? run_pre_norm(&r) : run_post_norm(&r);
    }
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}
