/* Scaled dot-product attention: validate, choose a variant, bind, enqueue. */
#include "attention.h"
#include "registry/choose.h"
#include "registry/create.h"

/* ---- Making ---------------------------------------------------------------- */

clattn_status clattn_attention_create(clattn_context *context, const clattn_attention_desc *desc,
                                      clattn_op **out)
{
    clattn_attention_desc full;
    if (!context || !out) {
        return clattn__refuse("attention: %s is NULL", context ? "out" : "context");
    }
    TRY(clattn__attention_complete(desc, CLATTN__MAX_HEAD_DIM, &full));
    return clattn__op_create(context, &clattn__attention_family, &full, full.kernel, full.params,
                             out);
}

clattn_status clattn_attention_variants(clattn_context *context, const clattn_attention_desc *desc,
                                        clattn_variant_report *report, void *user)
{
    clattn_attention_desc full;
    if (!context || !report) {
        return clattn__refuse("attention: %s is NULL", context ? "report" : "context");
    }
    TRY(clattn__attention_complete(desc, CLATTN__MAX_HEAD_DIM, &full));
    clattn__report_variants(context, &clattn__attention_family, &full, full.kernel, report, user);
    return CLATTN_OK;
}

clattn_status clattn_attention_candidates(clattn_context *context,
                                          const clattn_attention_desc *desc,
                                          clattn_candidate_report *report, void *user)
{
    clattn_attention_desc full;
    if (!context || !report) {
        return clattn__refuse("attention: %s is NULL", context ? "report" : "context");
    }
    TRY(clattn__attention_complete(desc, CLATTN__MAX_HEAD_DIM, &full));
    return clattn__report_candidates(context, &clattn__attention_family, &full, full.kernel, report,
                                     user);
}

/* ---- Plan: which kernel, how many splits, what scratch --------------------- */

struct plan {
    const struct clattn__variant *variant;
    const int *params;
    cl_kernel kernel;
    int64_t splits, split_keys;
    int64_t lse, parts; /* floats of scratch, in this order */
};

/* Enough work-groups to keep every core busy at uneven speeds, each with enough keys to be worth
 * it.
 */
enum { GROUPS_PER_UNIT = 4, LEAST_SPLIT_KEYS = 256 };

/* Rows (queries x heads of a kv head) that one work-group of a variant for few queries takes. */
static int64_t few_rows_of(const struct plan *plan)
{
    const int rows = clattn__param(plan->variant, plan->params, "ROWS");
    return rows ? rows
                : clattn__param(plan->variant, plan->params, "BLOCK") *
                      clattn__param(plan->variant, plan->params, "BLOCKS");
}

static void plan_splits(const struct attention_op *op, const struct attention_problem *p,
                        struct plan *plan)
{
    const clattn_attention_desc *d = &op->desc;
    const int64_t rows = few_rows_of(plan), keys = p->key_span;
    const int64_t groups =
        p->batch * d->kv_heads * clattn__divide_up(p->n_q * (d->query_heads / d->kv_heads), rows);
    const int64_t wanted = (int64_t)GROUPS_PER_UNIT * op->base.context->device.facts.compute_units;
    int64_t splits = groups > 0 ? clattn__divide_up(wanted, groups) : 1;
    splits = splits < keys / LEAST_SPLIT_KEYS ? splits : keys / LEAST_SPLIT_KEYS;
    plan->split_keys =
        d->split_keys ? d->split_keys : clattn__divide_up(keys, splits > 1 ? splits : 1);
    plan->split_keys = plan->split_keys > 0 ? plan->split_keys : 1;
    plan->splits = keys > 0 ? clattn__divide_up(keys, plan->split_keys) : 1;
}

static bool takes_few(const struct attention_op *op, const struct attention_problem *p)
{
    return op->few_variant && p->n_q <= CLATTN__FEW_QUERIES;
}

/* From the sizes alone: operands may still be missing. */
static struct plan make_plan(const struct attention_op *op, const struct attention_problem *p,
                             bool has_lse)
{
    const clattn_attention_desc *d = &op->desc;
    struct plan plan = {.variant = op->base.variant,
                        .params = op->base.params,
                        .kernel = op->base.kernel,
                        .splits = 1};
    if (takes_few(op, p)) {
        plan.variant = op->few_variant;
        plan.params = op->few_params;
        plan.kernel = op->few;
    }
    if (plan.variant->few_rows) {
        plan_splits(op, p, &plan);
    }
    const int64_t rows = p->batch * p->n_q * d->query_heads;
    /* The probabilities need each row's lse. */
    if (d->with & CLATTN_WITH_WEIGHTS && d->weights_stage == CLATTN_STAGE_SOFTMAX && !has_lse) {
        plan.lse = rows;
    }
    if (plan.splits > 1) {
        plan.parts = plan.splits * rows * (d->value_dim + 1);
    }
    return plan;
}

static size_t scratch_bytes(const struct plan *plan)
{
    return (size_t)(plan->lse + plan->parts) * sizeof(float);
}

const char *clattn_attention_kernel(const clattn_op *base, const clattn_attention_args *args)
{
    if (clattn__op_check(base, &clattn__attention_family) != CLATTN_OK || !args) {
        return "";
    }
    const struct attention_op *op = (const struct attention_op *)base;
    struct attention_problem p = {0};
    clattn__attention_sizes(&op->desc, args, &p);
    return takes_few(op, &p) ? op->few_label : base->label;
}

size_t clattn_attention_scratch(const clattn_op *op, const clattn_attention_args *args)
{
    if (clattn__op_check(op, &clattn__attention_family) != CLATTN_OK || !args) {
        return 0;
    }
    const struct attention_op *attention = (const struct attention_op *)op;
    struct attention_problem p = {0};
    clattn__attention_sizes(&attention->desc, args, &p);
    const struct plan plan = make_plan(attention, &p, args->lse.mem);
    return scratch_bytes(&plan);
}

/* ---- Enqueuing --------------------------------------------------------------- */

static clattn_status launch_attention(const struct attention_op *op, cl_command_queue queue,
                                      const struct plan *plan, const struct attention_problem *p)
{
    const clattn_attention_desc *d = &op->desc;
    const int64_t many[3] = {p->n_q, d->query_heads, p->batch};
    size_t global[3], local[3];
    if (!plan->variant->few_rows) {
        plan->variant->geometry(plan->params, many, global, local);
        const struct clattn__binding binding = clattn__attention_bind(plan->kernel, d, p);
        return clattn__launch(&binding, queue, global, local);
    }
    const int64_t rows = few_rows_of(plan);
    const int64_t chunks = clattn__divide_up(p->n_q * (d->query_heads / d->kv_heads), rows);
    const int64_t few[3] = {plan->splits, d->kv_heads * chunks, p->batch};
    plan->variant->geometry(plan->params, few, global, local);
    const struct clattn__binding binding = clattn__attention_bind_few(plan->kernel, d, p);
    TRY(clattn__launch(&binding, queue, global, local));
    if (plan->splits == 1) {
        return CLATTN_OK;
    }
    const struct clattn__binding merge = clattn__attention_bind_merge(op->merge, d, p);
    const size_t rows_global[3] = {(size_t)p->n_q, (size_t)d->query_heads, (size_t)p->batch};
    return clattn__launch(&merge, queue, rows_global, NULL);
}

static clattn_status launch_weights(const struct attention_op *op, cl_command_queue queue,
                                    const struct attention_problem *p)
{
    const struct clattn__binding binding = clattn__attention_bind(op->weights, &op->desc, p);
    const size_t global[3] = {(size_t)p->n_k, (size_t)p->n_q,
                              (size_t)(op->desc.query_heads * p->batch)};
    return clattn__launch(&binding, queue, global, NULL);
}

static clattn_status enqueue(const struct attention_op *op, cl_command_queue queue,
                             const struct plan *plan, const struct attention_problem *p)
{
    clattn__lock((clattn__mutex *)&op->base.lock);
    clattn_status status = launch_attention(op, queue, plan, p);
    if (status == CLATTN_OK && op->weights) {
        status = launch_weights(op, queue, p);
    }
    clattn__unlock((clattn__mutex *)&op->base.lock);
    return status;
}

/* Gives the scratch's places to what the plan puts there. */
static void place_scratch(const struct attention_op *op, const struct plan *plan, cl_mem scratch,
                          struct attention_problem *p)
{
    const int64_t lse_size[4] = {p->batch, p->n_q, op->desc.query_heads, 1},
                  parts_size[4] = {1, 1, 1, plan->parts};
    p->splits = plan->splits;
    p->split_keys = plan->split_keys;
    if (plan->lse) {
        p->lse = clattn__dense_view(scratch, 0, lse_size, CLATTN_F32);
    }
    if (plan->parts) {
        p->parts = clattn__dense_view(scratch, plan->lse, parts_size, CLATTN_F32);
    }
}

clattn_status clattn_attention_run(const clattn_op *base, cl_command_queue queue,
                                   const clattn_attention_args *args, cl_event *event)
{
    TRY(clattn__op_check(base, &clattn__attention_family));
    if (!args) {
        return clattn__refuse("attention: args is NULL");
    }
    const struct attention_op *op = (const struct attention_op *)base;
    struct attention_problem p = {0};
    cl_mem scratch, taken;
    TRY(clattn__attention_problem(&op->desc, op->desc.type, op->desc.kv_type, args, ATTENDS, &p));
    const struct plan plan = make_plan(op, &p, args->lse.mem);
    TRY(clattn__scratch(base->context, "attention", args->scratch, scratch_bytes(&plan), &scratch,
                        &taken));
    place_scratch(op, &plan, scratch, &p);
    const clattn_status status = enqueue(op, queue, &plan, &p);
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}
