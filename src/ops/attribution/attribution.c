/* Attribution: validate, choose a variant, bind, enqueue. */
#include "attribution.h"
#include "ops/project/linear.h"
#include "registry/choose.h"
#include "registry/create.h"

#include <clattn/tune.h>

#include <string.h>

/* ---- Making ---------------------------------------------------------------- */

clattn_status clattn_attribution_create(clattn_context *context,
                                        const clattn_attribution_desc *desc, clattn_op **out)
{
    clattn_attribution_desc full;
    if (!context || !out) {
        return clattn__refuse("attribution: %s is NULL", context ? "out" : "context");
    }
    TRY(clattn__attribution_complete(desc, &full));
    return clattn__op_create(context, &clattn__attribution_family, &full, full.kernel, full.params,
                             out);
}

clattn_status clattn_attribution_variants(clattn_context *context,
                                          const clattn_attribution_desc *desc,
                                          clattn_variant_report *report, void *user)
{
    clattn_attribution_desc full;
    if (!context || !report) {
        return clattn__refuse("attribution: %s is NULL", context ? "report" : "context");
    }
    TRY(clattn__attribution_complete(desc, &full));
    clattn__report_variants(context, &clattn__attribution_family, &full, NULL, report, user);
    return CLATTN_OK;
}

clattn_status clattn_attribution_candidates(clattn_context *context,
                                            const clattn_attribution_desc *desc,
                                            clattn_candidate_report *report, void *user)
{
    clattn_attribution_desc full;
    if (!context || !report) {
        return clattn__refuse("attribution: %s is NULL", context ? "report" : "context");
    }
    TRY(clattn__attribution_complete(desc, &full));
    return clattn__report_candidates(context, &clattn__attribution_family, &full, full.kernel,
                                     report, user);
}

/* ---- Operands ------------------------------------------------------------------ */

/* What of attention's own call is looked at. */
static clattn_attention_args attention_of(const clattn_attribution_desc *d,
                                          const clattn_attribution_args *args)
{
    const clattn_tensor none = {0};
    clattn_attention_args attention = args->attention;
    attention.out = attention.weights = none;
    attention.scratch = NULL;
    if (!d->value_weighted) {
        attention.v = attention.v_scale = none;
    }
    return attention;
}

static void sizes_of(const clattn_attribution_desc *d, const clattn_attribution_args *args,
                     struct attribution_problem *p)
{
    clattn__attention_sizes(&d->attention, &args->attention, &p->attention);
    p->span_count = args->spans.mem ? args->spans.size[3] - 1 : p->attention.key_span;
    p->mass_rows = d->rows == CLATTN_ROWS_EACH  ? p->attention.n_q
                   : d->rows == CLATTN_ROWS_SUM ? 1
                                                : p->span_count;
    p->accumulate = args->accumulate;
}

static clattn_status check_spans(const clattn_attribution_desc *d,
                                 const clattn_attribution_args *args,
                                 const struct attribution_problem *p)
{
    if (!args->spans.mem && d->attention.ring) {
        return clattn__refuse("attribution: args.spans is absent, but keys lie in a ring, whose "
                              "rows have no columns of their own");
    }
    if (p->span_count < 0 || p->span_count > INT32_MAX / 2) {
        return clattn__refuse("attribution: args.spans.size[3] (cut points) is %lld, must be 1..%d",
                              (long long)args->spans.size[3], INT32_MAX / 2 + 1);
    }
    return CLATTN_OK;
}

static clattn_status check_overlap(const struct attribution_problem *p)
{
    const struct attention_problem *a = &p->attention;
    const struct {
        const char *field;
        const struct clattn__view *view;
    } inputs[] = {{"attention.q", &a->q},
                  {"attention.k", &a->k},
                  {"attention.v", &a->v},
                  {"attention.bias", &a->bias},
                  {"attention.mask", &a->mask},
                  {"attention.alibi", &a->alibi},
                  {"attention.sinks", &a->sinks},
                  {"attention.kv_length", &a->kv_length},
                  {"attention.offset", &a->offset},
                  {"attention.q_start", &a->q_start},
                  {"attention.k_start", &a->k_start},
                  {"attention.page_table", &a->page_table},
                  {"attention.k_scale", &a->k_scale},
                  {"attention.v_scale", &a->v_scale},
                  {"attention.lse", &a->lse},
                  {"spans", &p->spans},
                  {"row_weight", &p->row_weight}};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        TRY(clattn__no_overlap("attribution", "mass", &p->mass, inputs[i].field, inputs[i].view));
    }
    return CLATTN_OK;
}

/* Sizes and operands, checked and made views. */
static clattn_status check_call(const clattn_attribution_desc *d,
                                const clattn_attribution_args *args, struct attribution_problem *p)
{
    const clattn_attention_args attention = attention_of(d, args);
    const enum attention_use use = d->value_weighted ? EXPLAINS_VALUES : EXPLAINS;
    const clattn_status status = clattn__attention_problem(
        &d->attention, d->attention.type, d->attention.kv_type, &attention, use, &p->attention);
    if (status != CLATTN_OK) {
        return clattn__fail_in("attribution", status);
    }
    sizes_of(d, args, p);
    TRY(check_spans(d, args, p));
    const bool packed = d->attention.packed, each = d->rows == CLATTN_ROWS_EACH;
    const int64_t B = p->attention.batch, Bq = packed ? 1 : B, Nq = p->attention.q_rows;
    const int64_t H = d->attention.query_heads, S = p->span_count;
    const int64_t rows = each ? Nq : p->mass_rows;
    const int64_t mass_heads = d->heads == CLATTN_HEADS_EACH ? H : 1;
    const unsigned i32 = 1u << CLATTN_I32, f32 = 1u << CLATTN_F32;
    const unsigned any = CLATTN__BATCH | CLATTN__ROW | CLATTN__HEAD;
    const struct clattn__want wanted[] = {
        {"attribution", "spans", {B, 1, 1, S + 1}, CLATTN__BATCH, i32, false, true},
        {"attribution", "row_weight", {Bq, Nq, H, 1}, any, f32, false, true},
        {"attribution",
         "mass",
         {packed && each ? 1 : B, rows, mass_heads, S + (args->attention.sinks.mem ? 1 : 0)},
         0,
         f32,
         true,
         false},
    };
    TRY(clattn__view(&wanted[0], &args->spans, &p->spans));
    TRY(clattn__view(&wanted[1], &args->row_weight, &p->row_weight));
    TRY(clattn__view(&wanted[2], &args->mass, &p->mass));
    if (packed) {
        p->row_weight.at[1] = 0; /* packed rows are of one batch entry, whichever sequence asks */
    }
    if (packed && each) {
        p->mass.at[1] = 0;
    }
    return check_overlap(p);
}

/* ---- Plan: which kernel, how rows and keys are shared, what scratch ------------ */

struct plan {
    const struct clattn__variant *variant;
    const int *params;
    cl_kernel kernel;
    int64_t extent[3]; /* for the variant's geometry */
    int64_t walkers;   /* work-items that share the rows of a head */
    int64_t parts, split_keys;
    int64_t floats; /* of scratch; 0 = mass is written at once, negative = too many */
};

enum {
    ITEMS_PER_UNIT = 4,         /* of kernels that do much at a time */
    PLAIN_ITEMS_PER_UNIT = 256, /* of others */
    SUBGROUPS_PER_UNIT = 32,
    LEAST_SUBGROUP_KEYS = 256,
    LEAST_SPLIT_KEYS = 4096,   /* adding up is a launch of its own, and as long as this takes */
    MOST_PART_FLOATS = 1 << 24 /* of all parts, but for the first */
};

static bool takes_few(const struct attribution_op *op, const struct attribution_problem *p)
{
    const int64_t n_q = p->attention.n_q;
    return op->few_variant && n_q > 0 && n_q <= CLATTN__FEW_QUERIES;
}

static int64_t between(int64_t n, int64_t least, int64_t most)
{
    return n > most ? (most > least ? most : least) : n < least ? least : n;
}

/* Floats of one part; -1 if they do not fit. */
static int64_t part_floats(const struct attribution_op *op, const clattn_attribution_args *args,
                           const struct attribution_problem *p)
{
    const int64_t columns = p->span_count + (args->attention.sinks.mem ? 1 : 0);
    int64_t floats = p->attention.batch;
    return clattn__mul_add(floats, p->mass_rows, 0, &floats) &&
                   clattn__mul_add(floats, op->desc.attention.query_heads, 0, &floats) &&
                   clattn__mul_add(floats, columns, 0, &floats)
               ? floats
               : -1;
}

/* Work-items (or sub-groups) that share rows which are added up: as many as keep the device busy,
 * each with a part of its own. */
static int64_t share(const struct attribution_op *op, int64_t units, int64_t others, int64_t blocks,
                     int64_t floats)
{
    const int64_t wanted = clattn__divide_up(units * op->base.context->device.facts.compute_units,
                                             others ? others : 1);
    const int64_t walkers = between(wanted, 1, blocks);
    return floats > 0 ? between(MOST_PART_FLOATS / floats, 1, walkers) : walkers;
}

/* Rows that a kernel takes together with all heads of their kv head; 0 = it takes no such. */
static int64_t together(const struct clattn__variant *variant, const int *params)
{
    return clattn__param(variant, params, "TOGETHER") +
           clattn__param(variant, params, "BLOCK") * clattn__param(variant, params, "BLOCKS");
}

/* A kernel that takes a kv head's rows together: keys are split where there are many of them. */
static void share_keys(const struct attribution_op *op, const struct attribution_problem *p,
                       int64_t floats, struct plan *plan)
{
    const clattn_attention_desc *d = &op->desc.attention;
    const bool wide = plan->variant->few_rows, sums = op->desc.rows != CLATTN_ROWS_EACH;
    const int64_t units = wide ? ITEMS_PER_UNIT : SUBGROUPS_PER_UNIT;
    const int64_t least = wide ? LEAST_SPLIT_KEYS : LEAST_SUBGROUP_KEYS;
    const int64_t rows = p->attention.n_q * (d->query_heads / d->kv_heads);
    const int64_t chunks =
        between(clattn__divide_up(rows, together(plan->variant, plan->params)), 1, INT32_MAX);
    const int64_t heads = p->attention.batch * d->kv_heads, keys = p->attention.key_span;
    plan->walkers = sums && !wide ? share(op, units, heads, chunks, floats) : chunks;
    const int64_t items = heads * plan->walkers;
    const int64_t wanted = units * op->base.context->device.facts.compute_units;
    int64_t splits = items > 0 ? clattn__divide_up(wanted, items) : 1;
    /* What divides value-weighted masses is known when all keys were seen. */
    splits = op->desc.value_weighted ? 1 : between(splits, 1, keys / least);
    splits = floats > 0 ? between(MOST_PART_FLOATS / floats / plan->walkers, 1, splits) : splits;
    plan->split_keys = between(clattn__divide_up(keys, splits), 1, INT32_MAX);
    const int64_t extent[3] = {splits, d->kv_heads * plan->walkers, p->attention.batch};
    memcpy(plan->extent, extent, sizeof extent);
    plan->parts = sums ? splits * plan->walkers : splits;
}

/* Others take blocks of a head's rows. */
static void share_rows(const struct attribution_op *op, const struct attribution_problem *p,
                       int64_t floats, struct plan *plan)
{
    const int block = clattn__param(plan->variant, plan->params, "WIDTH") *
                      clattn__param(plan->variant, plan->params, "VECTORS");
    const int64_t rows = block ? block : 1, blocks = clattn__divide_up(p->attention.n_q, rows);
    const int64_t heads = op->desc.attention.query_heads;
    const int64_t walkers = op->desc.rows == CLATTN_ROWS_EACH
                                ? blocks
                                : share(op, block ? ITEMS_PER_UNIT : PLAIN_ITEMS_PER_UNIT,
                                        heads * p->attention.batch, blocks, floats);
    plan->walkers = walkers;
    plan->parts = op->desc.rows == CLATTN_ROWS_EACH ? 1 : walkers;
    const int64_t extent[3] = {walkers * rows, heads, p->attention.batch};
    memcpy(plan->extent, extent, sizeof extent);
}

/* From the sizes alone: operands may still be missing. */
static struct plan make_plan(const struct attribution_op *op, const clattn_attribution_args *args,
                             const struct attribution_problem *p)
{
    const bool few = takes_few(op, p);
    const int64_t floats = part_floats(op, args, p);
    struct plan plan = {.variant = few ? op->few_variant : op->base.variant,
                        .params = few ? op->few_params : op->base.params,
                        .kernel = few ? op->few : op->base.kernel};
    if (together(plan.variant, plan.params)) {
        share_keys(op, p, floats, &plan);
    } else {
        share_rows(op, p, floats, &plan);
    }
    if (plan.parts > 1 || op->desc.heads != CLATTN_HEADS_EACH) {
        plan.floats = -1;
        clattn__mul_add(plan.parts, floats, 0, &plan.floats);
    }
    return plan;
}

const char *clattn_attribution_kernel(const clattn_op *base, const clattn_attribution_args *args)
{
    if (clattn__op_check(base, &clattn__attribution_family) != CLATTN_OK || !args) {
        return "";
    }
    const struct attribution_op *op = (const struct attribution_op *)base;
    struct attribution_problem p = {0};
    sizes_of(&op->desc, args, &p);
    return takes_few(op, &p) ? op->few_label : base->label;
}

size_t clattn_attribution_scratch(const clattn_op *base, const clattn_attribution_args *args)
{
    if (clattn__op_check(base, &clattn__attribution_family) != CLATTN_OK || !args) {
        return 0;
    }
    const struct attribution_op *op = (const struct attribution_op *)base;
    struct attribution_problem p = {0};
    sizes_of(&op->desc, args, &p);
    const struct plan plan = make_plan(op, args, &p);
    return plan.floats > 0 ? (size_t)plan.floats * sizeof(float) : 0;
}

/* ---- Enqueuing ------------------------------------------------------------------- */

static clattn_status enqueue(const struct attribution_op *op, cl_command_queue queue,
                             const struct plan *plan, struct attribution_problem *p)
{
    const clattn_attribution_desc *d = &op->desc;
    size_t global[3], local[3];
    plan->variant->geometry(plan->params, plan->extent, global, local);
    p->walkers = plan->walkers;
    p->split_keys = plan->split_keys;
    const struct clattn__binding binding = clattn__attribution_bind(plan->kernel, d, p);
    TRY(clattn__launch(&binding, queue, global, local));
    if (!p->parts.mem) {
        return CLATTN_OK;
    }
    const int64_t mass_heads = d->heads == CLATTN_HEADS_EACH ? d->attention.query_heads : 1;
    const size_t masses[3] = {(size_t)p->span_count + (p->attention.sinks.mem ? 1 : 0),
                              (size_t)(p->mass_rows * mass_heads), (size_t)p->attention.batch};
    p->walkers = plan->parts;
    const struct clattn__binding reduce = clattn__attribution_bind(op->reduce, d, p);
    return clattn__launch(&reduce, queue, masses, NULL);
}

clattn_status clattn_attribution_run(const clattn_op *base, cl_command_queue queue,
                                     const clattn_attribution_args *args, cl_event *event)
{
    TRY(clattn__op_check(base, &clattn__attribution_family));
    if (!args) {
        return clattn__refuse("attribution: args is NULL");
    }
    const struct attribution_op *op = (const struct attribution_op *)base;
    struct attribution_problem p = {0};
    cl_mem scratch, taken;
    TRY(check_call(&op->desc, args, &p));
    const struct plan plan = make_plan(op, args, &p);
    if (plan.floats < 0 || plan.floats > INT64_MAX / (int64_t)sizeof(float)) {
        return clattn__refuse("attribution: args.mass: its parts do not fit 64-bit sizes");
    }
    TRY(clattn__scratch(base->context, "attribution", args->scratch,
                        (size_t)plan.floats * sizeof(float), &scratch, &taken));
    if (plan.floats) {
        const int64_t size[4] = {1, 1, 1, plan.floats};
        p.parts = clattn__dense_view(scratch, 0, size, CLATTN_F32);
    }
    clattn__lock((clattn__mutex *)&base->lock);
    const clattn_status status = enqueue(op, queue, &plan, &p);
    clattn__unlock((clattn__mutex *)&base->lock);
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}
