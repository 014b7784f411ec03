/* Attention before the transformer: checking a call, projecting, then additive scores or dot
 * products. */
#include "classic.h"

#include <string.h>

enum { MAX_ROWS = INT32_MAX / 2 };

/* ---- Checking a call ---------------------------------------------------------- */

/* An operand that the descriptor did not announce would be ignored: refuse it. */
static clattn_status check_announced(const struct classic_op *op, const clattn_classic_args *args)
{
    const bool constant_concat = op->desc.kind == CLATTN_LUONG_CONCAT && op->constant_key;
    const struct {
        const char *field, *why;
        cl_mem mem;
        bool refused;
    } fields[] = {
        {"attention.scratch", "desc does not announce it", args->attention.scratch, true},
        {"b", "desc lacks bias", args->b.mem, !op->desc.bias},
        {"w", "dot products take none", args->w.mem, !clattn__is_additive(op->desc.kind)},
        {"wq", "desc.wq was", args->wq.mem, op->constant_query},
        {"wk", "desc.wk was", args->wk.mem, op->constant_key},
        {"w_concat", "desc.w_concat was", args->w_concat.mem, constant_concat},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].mem && fields[i].refused) {
            return clattn__refuse("classic: args.%s is given, but %s", fields[i].field,
                                  fields[i].why);
        }
    }
    return CLATTN_OK;
}

static clattn_status check_counts(const clattn_attention_args *a)
{
    const struct {
        const char *what;
        int64_t n;
    } counts[] = {{"q.size[0] (batch)", a->q.size[0]},
                  {"q.size[1] (row)", a->q.size[1]},
                  {"k.size[1] (row)", a->k.size[1]}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].n < 0 || counts[i].n > MAX_ROWS) {
            return clattn__refuse("classic: args.attention.%s is %lld, must be 0..%d",
                                  counts[i].what, (long long)counts[i].n, MAX_ROWS);
        }
    }
    return CLATTN_OK;
}

/* What the projections read, and w; attention's own operands are checked with what comes of it. */
enum { X_QUERY, X_KEY, BIAS, SCORE, PROJECTION, INPUTS = PROJECTION + 3 };

struct inputs {
    struct clattn__view view[INPUTS];
};

static clattn_status check_inputs(const struct classic_op *op, const clattn_classic_args *args,
                                  struct inputs *in)
{
    const clattn_classic_desc *d = &op->desc;
    const clattn_attention_desc *a = &d->attention;
    const clattn_tensor *q = &args->attention.q, *k = &args->attention.k;
    const int64_t B = q->size[0], H = a->query_heads, D = a->head_dim, C = d->query_dim;
    const unsigned type = 1u << a->type;
    const bool no_w = !clattn__is_additive(d->kind);
    const struct {
        const clattn_tensor *tensor;
        bool given;
        struct clattn__want want;
    } inputs[] = {
        [X_QUERY] = {q, C, {"classic", "attention.q", {B, q->size[1], 1, C}, 0, type, false, !C}},
        [X_KEY] = {k,
                   d->key_dim,
                   {"classic",
                    "attention.k",
                    {B, k->size[1], 1, d->key_dim},
                    0,
                    type,
                    false,
                    !d->key_dim}},
        [BIAS] = {&args->b, true, {"classic", "b", {1, 1, 1, H * D}, 0, type, false, !d->bias}},
        [SCORE] = {&args->w, true, {"classic", "w", {1, 1, H, D}, CLATTN__HEAD, type, false, no_w}},
    };
    memset(in, 0, sizeof *in);
    TRY(check_announced(op, args));
    TRY(check_counts(&args->attention));
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        if (inputs[i].given) {
            TRY(clattn__view(&inputs[i].want, inputs[i].tensor, &in->view[i]));
        }
    }
    const clattn_tensor weights[3] = {args->wq, args->wk, args->w_concat};
    const bool constant[3] = {op->constant_query, op->constant_key, op->constant_key};
    return clattn__classic_check_weights(d, weights, constant, in->view + PROJECTION);
}

/* An output over an operand that attention does not know of. */
static clattn_status check_overlap(const struct attention_problem *p, const struct inputs *in)
{
    static const char *const names[INPUTS] = {"attention.q", "attention.k", "b",       "w",
                                              "wq",          "wk",          "w_concat"};
    const struct {
        const char *field;
        const struct clattn__view *view;
    } outputs[] = {
        {"attention.out", &p->out}, {"attention.lse", &p->lse}, {"attention.weights", &p->weights}};
    for (size_t o = 0; o < sizeof outputs / sizeof *outputs; o++) {
        for (int i = 0; i < INPUTS; i++) {
            TRY(clattn__no_overlap("classic", outputs[o].field, outputs[o].view, names[i],
                                   &in->view[i]));
        }
    }
    return CLATTN_OK;
}

/* ---- Scratch ------------------------------------------------------------------- */

/* Where projected queries and keys lie, in elements of one type. */
struct plan {
    clattn_type type;
    int64_t key;      /* offset; queries come first */
    int64_t elements; /* negative = too many */
};

/* batch * rows * heads * columns elements more. */
static void reserve(int64_t *elements, const clattn_tensor *x, int64_t heads, int64_t columns)
{
    int64_t rows, total;
    const bool fits = *elements >= 0 && clattn__mul_add(x->size[0], x->size[1], 0, &rows) &&
                      clattn__mul_add(rows, heads * columns, *elements, &total) &&
                      total <= INT64_MAX / (int64_t)sizeof(float);
    *elements = fits ? total : -1;
}

static struct plan make_plan(const struct classic_op *op, const clattn_attention_args *args)
{
    const clattn_attention_desc *a = &op->desc.attention;
    const bool additive = clattn__is_additive(op->desc.kind);
    struct plan plan = {.type = additive ? CLATTN_F32 : a->type};
    if (op->query) {
        reserve(&plan.elements, &args->q, a->query_heads, a->head_dim);
    }
    plan.key = plan.elements;
    if (op->key) {
        reserve(&plan.elements, &args->k, a->kv_heads, a->head_dim);
    }
    return plan;
}

static clattn_status check_op(const clattn_op *op)
{
    return op && op->family == &clattn__dot_family ? CLATTN_OK
                                                   : clattn__op_check(op, &clattn__additive_family);
}

size_t clattn_classic_scratch(const clattn_op *base, const clattn_classic_args *args)
{
    if (check_op(base) != CLATTN_OK || !args || check_counts(&args->attention) != CLATTN_OK) {
        return 0;
    }
    const struct plan plan = make_plan((const struct classic_op *)base, &args->attention);
    return plan.elements > 0 ? (size_t)plan.elements * clattn_type_size(plan.type) : 0;
}

/* ---- Running ---------------------------------------------------------------- */

struct call {
    clattn_attention_args attention; /* on projected operands */
    clattn_project_args query, key;
    struct attention_problem problem;
    struct clattn__view w;
};

static clattn_tensor dense(cl_mem mem, int64_t offset, const clattn_tensor *x, int64_t heads,
                           int64_t columns, clattn_type type)
{
    const clattn_tensor tensor = {.mem = mem,
                                  .offset = offset,
                                  .size = {x->size[0], x->size[1], heads, columns},
                                  .type = type};
    return tensor;
}

static void wire(const struct classic_op *op, const clattn_classic_args *args,
                 const struct plan *plan, cl_mem scratch, struct call *call)
{
    const clattn_attention_desc *a = &op->desc.attention;
    const struct classic_weights weights =
        clattn__classic_weights(&op->desc, &args->wq, &args->wk, &args->w_concat);
    clattn_attention_args *attention = &call->attention;
    memset(call, 0, sizeof *call);
    *attention = args->attention;
    if (op->query) {
        attention->q =
            dense(scratch, 0, &args->attention.q, a->query_heads, a->head_dim, plan->type);
        call->query = (clattn_project_args){
            .x = args->attention.q, .weight = weights.query, .bias = args->b, .y = attention->q};
    }
    if (op->key) {
        attention->k =
            dense(scratch, plan->key, &args->attention.k, a->kv_heads, a->head_dim, plan->type);
        call->key =
            (clattn_project_args){.x = args->attention.k, .weight = weights.key, .y = attention->k};
    }
}

static clattn_status launch_additive(const struct classic_op *op, cl_command_queue queue,
                                     const struct call *call)
{
    const clattn_attention_desc *d = &op->desc.attention;
    const struct attention_problem *p = &call->problem;
    const int64_t extent[3] = {p->n_q, d->query_heads, p->batch};
    size_t global[3], local[3];
    op->base.variant->geometry(op->base.params, extent, global, local);
    const struct clattn__binding binding = clattn__classic_bind(op->base.kernel, d, p, &call->w);
    return clattn__launch(&binding, queue, global, local);
}

static clattn_status enqueue(const struct classic_op *op, cl_command_queue queue,
                             const struct call *call)
{
    if (op->query) {
        TRY(clattn_project_run(op->query, queue, &call->query, NULL));
    }
    if (op->key) {
        TRY(clattn_project_run(op->key, queue, &call->key, NULL));
    }
    if (op->attention) {
        return clattn_attention_run(op->attention, queue, &call->attention, NULL);
    }
    clattn__lock((clattn__mutex *)&op->base.lock);
    const clattn_status status = launch_additive(op, queue, call);
    clattn__unlock((clattn__mutex *)&op->base.lock);
    return status;
}

/* Everything is checked before anything is enqueued. */
static clattn_status prepare(const struct classic_op *op, const clattn_classic_args *args,
                             const struct plan *plan, const struct inputs *in, cl_mem scratch,
                             struct call *call)
{
    const clattn_classic_desc *d = &op->desc;
    wire(op, args, plan, scratch, call);
    call->w = in->view[SCORE];
    TRY(clattn__attention_problem(&d->attention, d->query_dim ? plan->type : d->attention.type,
                                  d->key_dim ? plan->type : d->attention.type, &call->attention,
                                  ATTENDS, &call->problem));
    return check_overlap(&call->problem, in);
}

clattn_status clattn_classic_run(const clattn_op *base, cl_command_queue queue,
                                 const clattn_classic_args *args, cl_event *event)
{
    TRY(check_op(base));
    if (!args) {
        return clattn__refuse("classic: args is NULL");
    }
    const struct classic_op *op = (const struct classic_op *)base;
    struct inputs in;
    struct call call;
    cl_mem scratch, taken;
    TRY(check_inputs(op, args, &in));
    const struct plan plan = make_plan(op, &args->attention);
    if (plan.elements < 0) {
        return clattn__refuse(
            "classic: args.attention.q and k, projected, do not fit 64-bit sizes");
    }
    TRY(clattn__scratch(base->context, "classic", args->scratch, clattn_classic_scratch(base, args),
                        &scratch, &taken));
    clattn_status status = prepare(op, args, &plan, &in, scratch, &call);
    if (status == CLATTN_OK && call.problem.batch > 0 && call.problem.n_q > 0) {
        status = enqueue(op, queue, &call);
    }
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}
