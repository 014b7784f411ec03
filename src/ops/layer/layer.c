/* A transformer layer, made of the public ops: a residual stream that parts (self-attention,
 * cross-attention, feed-forward) are added to, with a norm before or after each. */
#include "layer.h"
#include "ops/common/simple.h"
#include "registry/create.h"

static const struct clattn__variant composite[] = {{.name = "layer/composite", .library = true},
                                                   {0}};

static const struct clattn__family family = {
    .op = "layer",
    .variants = composite,
    .op_bytes = sizeof(struct layer_op),
    .build = clattn__layer_build,
    .release = clattn__layer_release,
};

static int last_part(void) { return LAYER_FFN; }

/* ---- Descriptors --------------------------------------------------------------------- */

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
    if (clattn__layer_is_joined(d) &&
        (self->q.weight.mem || self->k.weight.mem || self->v.weight.mem)) {
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
    const bool slices = clattn__layer_is_joined(d) && !d->cross; /* q, k and v take no room beside
                                                                    the product */
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
        [JOINED] = {clattn__layer_is_joined(d) ? n : 0, 1,
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
    if (clattn__layer_is_joined(&op->desc)) {
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
    if (clattn__layer_is_joined(&r->op->desc)) {
        TRY(project(r, LAYER_Q, x, &r->plan.at[JOINED]));
    } else {
        TRY(project(r, LAYER_Q, x, &args.q));
        TRY(project(r, LAYER_K, x, &args.k));
        TRY(project(r, LAYER_V, x, &args.v));
    }
    if (r->op->rope) {
        TRY(rotate(r, &args.q, &args.k));
    }
    if (r->op->append) {
        TRY(append(r, &args.q, &args.k, &args.v));
        args.k = r->args->k_cache;
        args.v = r->args->v_cache;
    }
    TRY(clattn_attention_run(r->op->attention[LAYER_SELF], r->queue, &args, NULL));
    return add(r, LAYER_O, &args.out, stream, y);
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
    TRY(project(r, LAYER_ATTENTION_LINEARS + LAYER_Q, x, &args.q));
    TRY(project(r, LAYER_ATTENTION_LINEARS + LAYER_K, &r->args->context, &args.k));
    TRY(project(r, LAYER_ATTENTION_LINEARS + LAYER_V, &r->args->context, &args.v));
    TRY(clattn_attention_run(r->op->attention[LAYER_CROSS], r->queue, &args, NULL));
    return add(r, LAYER_ATTENTION_LINEARS + LAYER_O, &args.out, stream, y);
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
    return part == LAYER_SELF    ? attend_self(r, x, stream, y)
           : part == LAYER_CROSS ? attend_cross(r, x, stream, y)
                                 : feed_forward(r, x, stream, y);
}

static clattn_status normalise(const struct run *r, int part, const clattn_tensor *x,
                               const clattn_tensor *y)
{
    const struct layer_norm *norm = &r->op->norm[part];
    const clattn_norm_args args = {
        .x = *x, .weight = norm->weights.weight, .bias = norm->weights.bias, .y = *y};
    return clattn_norm_run(norm->op, r->queue, &args, NULL);
}

/* x + part(norm(x)), or norm(x + part(x)), for each part. */
static clattn_status run_parts(const struct run *r)
{
    const clattn_tensor *stream = &r->args->x;
    for (int part = LAYER_SELF; part < LAYER_PARTS; part++) {
        if (!clattn__layer_has_part(&r->op->desc, part)) {
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
