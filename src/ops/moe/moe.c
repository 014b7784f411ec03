/* Mixture of experts: route tokens, sort them by expert, run the experts, add up. */
#include "moe.h"
#include "ops/block/activation.h"
#include "ops/common/simple.h"
#include "registry/choose.h"
#include "registry/create.h"

enum { MAX_EXPERTS = 1 << 16, MAX_K = 64, MAX_ENTRIES = 1 << 30 };

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_moe_desc desc = {.model_dim = 1024,
                                  .hidden_dim = 1024,
                                  .experts = 8,
                                  .k = 2,
                                  .renormalise = true,
                                  .activation = CLATTN_SILU,
                                  .gated = true};
    visit(user, &desc);
}

const struct clattn__family clattn__moe_family = {
    .op = "moe",
    .variants = clattn__moe_registry,
    .op_bytes = sizeof(struct moe_op),
    .build = clattn__moe_build,
    .release = clattn__moe_release,
    .usual = usual,
};

/* ---- Creating ------------------------------------------------------------------------- */

static clattn_status check(const clattn_moe_desc *d)
{
    const struct clattn__count counts[] = {
        {"model_dim", d->model_dim, CLATTN__MAX_DIM},
        {"hidden_dim", d->hidden_dim, CLATTN__MAX_DIM},
        {"experts", d->experts, MAX_EXPERTS},
        {"k", d->k, d->experts < MAX_K ? d->experts : MAX_K},
        {0},
    };
    TRY(clattn__check_counts("moe", counts));
    TRY(clattn__check_float("moe", "type", d->type));
    TRY(clattn__check_float("moe", "out_type", d->out_type));
    TRY(clattn__check_activation("moe", "activation", d->activation));
    if (d->routing != CLATTN_ROUTE_SOFTMAX && d->routing != CLATTN_ROUTE_SIGMOID) {
        return clattn__refuse("moe: routing is %d, must be 0 or 1", (int)d->routing);
    }
    if ((d->gate.weight.mem || d->gate.bias.mem) && !d->gated) {
        return clattn__refuse("moe: gate is given, but gated is not set");
    }
    return CLATTN_OK;
}

static clattn_status check_weights(const clattn_moe_desc *d)
{
    static const char *const names[MOE_MATRICES] = {"up", "gate", "down"};
    for (int i = 0; i < MOE_MATRICES; i++) {
        struct clattn__view weight, bias;
        TRY(clattn__moe_view(d, i, &weight, &bias));
        if (!weight.mem && (i != MOE_GATE || d->gated)) {
            return clattn__refuse("moe: %s.weight is absent", names[i]);
        }
    }
    return d->router.weight.mem ? CLATTN_OK : clattn__refuse("moe: router.weight is absent");
}

clattn_status clattn_moe_create(clattn_context *context, const clattn_moe_desc *desc,
                                clattn_op **out)
{
    if (!context || !desc || !out) {
        return clattn__refuse("moe: %s is NULL", !context ? "context" : !desc ? "desc" : "out");
    }
    TRY(check(desc));
    TRY(check_weights(desc));
    return clattn__op_create(context, &clattn__moe_family, desc, desc->kernel, NULL, out);
}

clattn_status clattn_moe_variants(clattn_context *context, const clattn_moe_desc *desc,
                                  clattn_variant_report *report, void *user)
{
    if (!context || !desc || !report) {
        return clattn__refuse("moe: %s is NULL", !context ? "context" : !desc ? "desc" : "report");
    }
    TRY(check(desc));
    clattn__report_variants(context, &clattn__moe_family, desc, NULL, report, user);
    return CLATTN_OK;
}

/* ---- Scratch: what lies between the parts ----------------------------------------------- */

enum region {
    LOGITS,  /* [tokens][experts] */
    CHOICE,  /* the expert of each entry: a token's k choices are k entries */
    WEIGHTS, /* of each entry */
    COUNTS,  /* [blocks of entries][experts], see kernels/moe/group.cl */
    TOTALS,  /* of each expert */
    ENTRIES, /* by expert */
    PLACES,  /* of each entry among them */
    GIVEN,   /* [entries][model_dim]: what experts gave */
    UP,      /* [entries][hidden_dim], then times the gate */
    REGIONS
};

struct plan {
    int64_t tokens, entries, blocks;
    clattn_tensor at[REGIONS];
    int64_t bytes;
};

static struct plan make_plan(const struct moe_op *op, const clattn_moe_args *args, cl_mem scratch)
{
    const clattn_moe_desc *d = &op->desc;
    const int64_t tokens = args->x.size[0] * args->x.size[1], entries = tokens * d->k;
    struct plan plan = {
        .tokens = tokens, .entries = entries, .blocks = clattn__divide_up(entries, MOE_ENTRIES)};
    const struct {
        clattn_type type;
        int64_t rows, columns;
    } sizes[REGIONS] = {
        [LOGITS] = {CLATTN_F32, tokens, d->experts},
        [CHOICE] = {CLATTN_I32, 1, entries},
        [WEIGHTS] = {CLATTN_F32, 1, entries},
        [COUNTS] = {CLATTN_I32, plan.blocks, d->experts},
        [TOTALS] = {CLATTN_I32, 1, d->experts},
        [ENTRIES] = {CLATTN_I32, 1, entries},
        [PLACES] = {CLATTN_I32, 1, entries},
        [GIVEN] = {CLATTN_F32, entries, d->model_dim},
        [UP] = {d->type, entries, d->hidden_dim},
    };
    for (int i = 0; i < REGIONS; i++) {
        const int64_t bytes = (int64_t)clattn_type_size(sizes[i].type);
        plan.at[i] = (clattn_tensor){.mem = scratch,
                                     .offset = plan.bytes / bytes, /* types only get narrower */
                                     .size = {1, sizes[i].rows, 1, sizes[i].columns},
                                     .type = sizes[i].type};
        plan.bytes += sizes[i].rows * sizes[i].columns * bytes;
    }
    return plan;
}

size_t clattn_moe_scratch(const clattn_op *op, const clattn_moe_args *args)
{
    if (clattn__op_check(op, &clattn__moe_family) != CLATTN_OK || !args) {
        return 0;
    }
    const struct plan plan = make_plan((const struct moe_op *)op, args, NULL);
    return plan.tokens ? (size_t)plan.bytes : 0;
}

/* ---- Running ---------------------------------------------------------------------------- */

struct run {
    const struct moe_op *op;
    cl_command_queue queue;
    struct plan plan;
    struct clattn__view x, y, view[REGIONS];
    const clattn_moe_args *args;
};

static clattn_status check_args(struct run *r)
{
    const clattn_moe_desc *d = &r->op->desc;
    const clattn_moe_args *args = r->args;
    const int64_t B = args->x.size[0], N = args->x.size[1];
    if (B < 0 || B > MAX_ENTRIES || N < 0 || N > MAX_ENTRIES || B * N > MAX_ENTRIES / d->k) {
        return clattn__refuse("moe: args.x.size is {%lld, %lld, ..}, must be at most %d tokens",
                              (long long)B, (long long)N, MAX_ENTRIES / d->k);
    }
    const struct clattn__want x = {"moe", "x",  {B, N, 1, d->model_dim}, 0, 1u << d->type,
                                   false, false};
    const struct clattn__want y = {"moe", "y",  {B, N, 1, d->model_dim}, 0, 1u << d->out_type,
                                   true,  false};
    TRY(clattn__view(&x, &args->x, &r->x));
    return clattn__view(&y, &args->y, &r->y);
}

/* One of the kernels around the experts' matrices, over so many work-items. */
static clattn_status launch(const struct run *r, int which, const struct clattn__view *const *views,
                            const int64_t *ints, int64_t items)
{
    struct clattn__binding binding = {.kernel = r->op->kernel[which]};
    const size_t local[3] = {r->op->items, 1, 1};
    const size_t global[3] = {(size_t)clattn__divide_up(items, (int64_t)local[0]) * local[0], 1, 1};
    for (; *views; views++) {
        clattn__bind_view(&binding, *views);
    }
    for (; *ints >= 0; ints++) {
        clattn__bind_int(&binding, *ints);
    }
    return clattn__launch(&binding, r->queue, global, local);
}

#define VIEWS(...)                                                                                 \
    (const struct clattn__view *const[]) { __VA_ARGS__, NULL }
#define INTS(...)                                                                                  \
    (const int64_t[]) { __VA_ARGS__, -1 }

/* The experts of each token, and entries in the order of experts. */
static clattn_status route(const struct run *r)
{
    const struct clattn__view *v = r->view;
    const struct plan *p = &r->plan;
    const int64_t experts = r->op->desc.experts;
    TRY(launch(r, MOE_ROUTE, VIEWS(&v[LOGITS], &v[CHOICE], &v[WEIGHTS]), INTS(p->tokens, experts),
               p->tokens));
    TRY(launch(r, MOE_COUNT, VIEWS(&v[CHOICE], &v[COUNTS]), INTS(p->entries, experts), p->blocks));
    TRY(launch(r, MOE_PREFIX, VIEWS(&v[COUNTS], &v[TOTALS]), INTS(p->blocks, experts), experts));
    return launch(r, MOE_PLACE, VIEWS(&v[CHOICE], &v[TOTALS], &v[COUNTS], &v[ENTRIES], &v[PLACES]),
                  INTS(p->entries, experts), p->blocks);
}

static clattn_status multiply(const struct run *r, int which, const struct clattn__view *x,
                              enum region y)
{
    const clattn_op *base = &r->op->base;
    const struct moe_matrix *matrix = &r->op->matrix[which];
    const struct moe_product product = {.x = *x,
                                        .y = r->view[y],
                                        .entries = r->view[ENTRIES],
                                        .choice = r->view[CHOICE],
                                        .totals = r->view[TOTALS],
                                        .count = r->plan.entries,
                                        .batch_rows = r->args->x.size[1],
                                        .experts = r->op->desc.experts};
    const int64_t extent[3] = {r->plan.entries, matrix->out_dim, r->op->desc.experts};
    const struct clattn__binding binding = clattn__moe_bind(matrix, &product);
    size_t global[3], local[3];
    base->variant->geometry(base->params, extent, global, local);
    return clattn__launch(&binding, r->queue, global, local);
}

static clattn_status combine(const struct run *r)
{
    const struct clattn__view *v = r->view;
    const bool wide = r->op->base.variant == clattn__moe_registry;
    const int64_t columns = r->op->desc.model_dim, tokens = r->plan.tokens;
    const size_t items = wide ? 1 : r->op->items;
    const size_t local[3] = {items, 1, 1};
    const size_t by_token[3] = {(size_t)tokens, 1, 1};
    const size_t by_column[3] = {(size_t)clattn__divide_up(columns, (int64_t)items) * items,
                                 (size_t)tokens, 1};
    struct clattn__binding binding = {.kernel = r->op->kernel[MOE_COMBINE]};
    clattn__bind_view(&binding, &v[GIVEN]);
    clattn__bind_view(&binding, &v[PLACES]);
    clattn__bind_view(&binding, &v[WEIGHTS]);
    clattn__bind_view(&binding, &r->y);
    clattn__bind_int(&binding, tokens);
    clattn__bind_int(&binding, r->args->x.size[1]);
    clattn__bind_int(&binding, columns);
    return clattn__launch(&binding, r->queue, wide ? by_token : by_column, local);
}

static clattn_status run_parts(const struct run *r)
{
    const struct moe_op *op = r->op;
    clattn_tensor logits = r->plan.at[LOGITS];
    logits.size[0] = r->args->x.size[0];
    logits.size[1] = r->args->x.size[1];
    TRY(clattn__linear_run(&op->router, r->queue, &r->args->x, NULL, &logits));
    TRY(route(r));
    TRY(multiply(r, MOE_UP, &r->x, UP));
    if (op->desc.gated) {
        TRY(multiply(r, MOE_GATE, &r->x, UP)); /* times what is there */
    }
    TRY(multiply(r, MOE_DOWN, &r->view[UP], GIVEN));
    return combine(r);
}

static void make_views(struct run *r)
{
    for (int i = 0; i < REGIONS; i++) {
        const clattn_tensor *at = &r->plan.at[i];
        r->view[i] = clattn__dense_view(at->mem, at->offset, at->size, at->type);
    }
}

clattn_status clattn_moe_run(const clattn_op *base, cl_command_queue queue,
                             const clattn_moe_args *args, cl_event *event)
{
    TRY(clattn__op_check(base, &clattn__moe_family));
    if (!args) {
        return clattn__refuse("moe: args is NULL");
    }
    struct run r = {.op = (const struct moe_op *)base, .queue = queue, .args = args};
    cl_mem scratch, taken;
    TRY(check_args(&r));
    const size_t bytes = clattn_moe_scratch(base, args);
    TRY(clattn__scratch(base->context, "moe", args->scratch, bytes, &scratch, &taken));
    r.plan = make_plan(r.op, args, scratch);
    make_views(&r);
    clattn__lock((clattn__mutex *)&base->lock);
    const clattn_status status = bytes ? run_parts(&r) : CLATTN_OK;
    clattn__unlock((clattn__mutex *)&base->lock);
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}
