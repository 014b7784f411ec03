/* Scaled dot-product attention: validate, choose a variant, bind, enqueue. */
#include "attention.h"

#include <math.h>
#include <string.h>

enum { MAX_HEAD_DIM = 512, MAX_ROWS = INT32_MAX / 2, ALL_WITH = 15 };

/* ---- Descriptor ------------------------------------------------------------ */

static clattn_status check_shape(const clattn_attention_desc *d)
{
    if (d->head_dim < 1 || d->head_dim > MAX_HEAD_DIM) {
        return clattn__refuse("attention: head_dim is %d, must be 1..%d", d->head_dim,
                              MAX_HEAD_DIM);
    }
    if (d->value_dim < 1 || d->value_dim > MAX_HEAD_DIM) {
        return clattn__refuse("attention: value_dim is %d, must be 1..%d", d->value_dim,
                              MAX_HEAD_DIM);
    }
    if (d->query_heads < 1 || d->query_heads > MAX_ROWS) {
        return clattn__refuse("attention: query_heads is %d, must be at least 1", d->query_heads);
    }
    if (d->kv_heads < 1 || d->query_heads % d->kv_heads) {
        return clattn__refuse("attention: kv_heads is %d, must divide query_heads, %d", d->kv_heads,
                              d->query_heads);
    }
    return CLATTN_OK;
}

static clattn_status check_choices(const clattn_attention_desc *d)
{
    const struct {
        const char *field;
        clattn_type type;
    } types[] = {{"type", d->type}, {"out_type", d->out_type}, {"bias_type", d->bias_type}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!clattn__is_float(types[i].type)) {
            return clattn__refuse("attention: %s is %s (%d), must be f32, f16 or bf16",
                                  types[i].field, clattn_type_name(types[i].type),
                                  (int)types[i].type);
        }
    }
    if (d->align < CLATTN_BOTTOM_RIGHT || d->align > CLATTN_OFFSET) {
        return clattn__refuse("attention: align is %d, not a clattn_align", (int)d->align);
    }
    if (d->weights_stage < CLATTN_STAGE_SOFTMAX || d->weights_stage > CLATTN_STAGE_MASKED) {
        return clattn__refuse("attention: weights_stage is %d, not a clattn_stage",
                              (int)d->weights_stage);
    }
    if (!isfinite(d->scale)) {
        return clattn__refuse("attention: scale is %g, must be finite", d->scale);
    }
    if (!isfinite(d->softcap) || d->softcap < 0) {
        return clattn__refuse("attention: softcap is %g, must be finite and not negative",
                              d->softcap);
    }
    if (d->split_keys < 0) {
        return clattn__refuse("attention: split_keys is %d, must not be negative", d->split_keys);
    }
    if (d->with & ~(uint32_t)ALL_WITH) {
        return clattn__refuse("attention: with is 0x%x, has unknown bits", (unsigned)d->with);
    }
    return CLATTN_OK;
}

/* Fills in what zero stands for, then checks. */
clattn_status clattn__attention_complete(const clattn_attention_desc *desc,
                                         clattn_attention_desc *d)
{
    if (!desc) {
        return clattn__refuse("attention: desc is NULL");
    }
    *d = *desc;
    d->value_dim = d->value_dim ? d->value_dim : d->head_dim;
    d->kv_heads = d->kv_heads ? d->kv_heads : d->query_heads;
    TRY(check_shape(d));
    TRY(check_choices(d));
    d->scale = d->scale != 0 ? d->scale : (float)(1 / sqrt(d->head_dim));
    if (d->window.left < 0 && d->window.right < 0) {
        d->window.on = false;
    }
    return CLATTN_OK;
}

clattn_status clattn_attention_create(clattn_context *context, const clattn_attention_desc *desc,
                                      clattn_op **out)
{
    clattn_attention_desc full;
    if (!context || !out) {
        return clattn__refuse("attention: %s is NULL", context ? "out" : "context");
    }
    TRY(clattn__attention_complete(desc, &full));
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
    TRY(clattn__attention_complete(desc, &full));
    clattn__report_variants(context, &clattn__attention_family, &full, report, user);
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
    TRY(clattn__attention_complete(desc, &full));
    return clattn__report_candidates(context, &clattn__attention_family, &full, full.kernel, report,
                                     user);
}

/* ---- Running ---------------------------------------------------------------- */

/* An operand that the descriptor did not announce would be ignored: refuse it. */
static clattn_status check_announced(const clattn_attention_desc *d,
                                     const clattn_attention_args *args)
{
    const struct {
        const char *field, *flag;
        bool announced;
        cl_mem mem;
    } operands[] = {
        {"bias", "CLATTN_WITH_BIAS", d->with & CLATTN_WITH_BIAS, args->bias.mem},
        {"mask", "CLATTN_WITH_MASK", d->with & CLATTN_WITH_MASK, args->mask.mem},
        {"alibi", "CLATTN_WITH_ALIBI", d->with & CLATTN_WITH_ALIBI, args->alibi.mem},
        {"weights", "CLATTN_WITH_WEIGHTS", d->with & CLATTN_WITH_WEIGHTS, args->weights.mem},
        {"offset", "align CLATTN_OFFSET", d->align == CLATTN_OFFSET, args->offset.mem},
    };
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++) {
        if (operands[i].mem && !operands[i].announced) {
            return clattn__refuse("attention: args.%s is given, but desc lacks %s",
                                  operands[i].field, operands[i].flag);
        }
    }
    return CLATTN_OK;
}

static clattn_status check_counts(const struct attention_problem *p)
{
    const struct {
        const char *what;
        int64_t n;
    } counts[] = {
        {"q.size[0] (batch)", p->batch}, {"q.size[1] (row)", p->n_q}, {"k.size[1] (row)", p->n_k}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].n < 0 || counts[i].n > MAX_ROWS) {
            return clattn__refuse("attention: args.%s is %lld, must be 0..%d", counts[i].what,
                                  (long long)counts[i].n, MAX_ROWS);
        }
    }
    return CLATTN_OK;
}

static clattn_status check_problem(const clattn_attention_desc *d,
                                   const clattn_attention_args *args, struct attention_problem *p)
{
    const int64_t B = p->batch = args->q.size[0], Nq = p->n_q = args->q.size[1];
    const int64_t Nk = p->n_k = args->k.size[1], H = d->query_heads, G = d->kv_heads;
    const unsigned F32 = 1u << CLATTN_F32, I32 = 1u << CLATTN_I32, U8 = 1u << CLATTN_U8;
    const unsigned any = CLATTN__BATCH | CLATTN__ROW | CLATTN__HEAD, type = 1u << d->type;
    TRY(check_announced(d, args));
    TRY(check_counts(p));
    const struct {
        const clattn_tensor *tensor;
        struct clattn__view *view;
        struct clattn__want want;
    } operands[] = {
        {&args->q, &p->q, {"attention", "q", {B, Nq, H, d->head_dim}, 0, type, false, false}},
        {&args->k, &p->k, {"attention", "k", {B, Nk, G, d->head_dim}, 0, type, false, false}},
        {&args->v, &p->v, {"attention", "v", {B, Nk, G, d->value_dim}, 0, type, false, false}},
        {&args->out,
         &p->out,
         {"attention", "out", {B, Nq, H, d->value_dim}, 0, 1u << d->out_type, true, false}},
        {&args->bias,
         &p->bias,
         {"attention",
          "bias",
          {B, Nq, H, Nk},
          any,
          1u << d->bias_type,
          false,
          !(d->with & CLATTN_WITH_BIAS)}},
        {&args->mask,
         &p->mask,
         {"attention", "mask", {B, Nq, H, Nk}, any, U8, false, !(d->with & CLATTN_WITH_MASK)}},
        {&args->alibi,
         &p->alibi,
         {"attention",
          "alibi",
          {B, 1, H, 1},
          CLATTN__BATCH,
          F32,
          false,
          !(d->with & CLATTN_WITH_ALIBI)}},
        {&args->sinks, &p->sinks, {"attention", "sinks", {1, 1, H, 1}, 0, F32, false, true}},
        {&args->kv_length,
         &p->kv_length,
         {"attention", "kv_length", {B, 1, 1, 1}, 0, I32, false, true}},
        {&args->offset,
         &p->offset,
         {"attention", "offset", {B, 1, 1, 1}, CLATTN__BATCH, I32, false, d->align != CLATTN_OFFSET}},
        {&args->lse, &p->lse, {"attention", "lse", {B, Nq, H, 1}, 0, F32, true, true}},
        {&args->weights,
         &p->weights,
         {"attention", "weights", {B, Nq, H, Nk}, 0, F32, true, !(d->with & CLATTN_WITH_WEIGHTS)}},
    };
    const size_t count = sizeof operands / sizeof *operands;
    for (size_t i = 0; i < count; i++) {
        TRY(clattn__view(&operands[i].want, operands[i].tensor, operands[i].view));
    }
    for (size_t o = 0; o < count; o++) {
        for (size_t i = 0; operands[o].want.output && i < count; i++) {
            if (i != o) {
                TRY(clattn__no_overlap("attention", operands[o].want.field, operands[o].view,
                                       operands[i].want.field, operands[i].view));
            }
        }
    }
    return CLATTN_OK;
}

/* ---- Plan: which kernel, how many splits, what scratch --------------------- */

struct plan {
    const struct clattn__variant *variant;
    const int *params;
    cl_kernel kernel;
    int64_t splits, split_keys;
    int64_t lse, parts; /* floats of scratch, in this order */
};

/* Enough work-items to keep every core busy at uneven speeds, each with enough keys to be worth it.
 */
enum { ITEMS_PER_UNIT = 4, LEAST_SPLIT_KEYS = 256 };

/* Rows (queries x heads of a kv head) that one work-item of a variant for few queries takes. */
static int64_t few_rows_of(const struct plan *plan)
{
    return clattn__param(plan->variant, plan->params, "BLOCK") *
           clattn__param(plan->variant, plan->params, "BLOCKS");
}

static void plan_splits(const struct attention_op *op, int64_t batch, int64_t n_q, int64_t n_k,
                        struct plan *plan)
{
    const clattn_attention_desc *d = &op->desc;
    const int64_t rows = few_rows_of(plan);
    const int64_t items =
        batch * d->kv_heads * clattn__divide_up(n_q * (d->query_heads / d->kv_heads), rows);
    const int64_t wanted = (int64_t)ITEMS_PER_UNIT * op->base.context->facts.compute_units;
    int64_t splits = items > 0 ? clattn__divide_up(wanted, items) : 1;
    splits = splits < n_k / LEAST_SPLIT_KEYS ? splits : n_k / LEAST_SPLIT_KEYS;
    plan->split_keys =
        d->split_keys ? d->split_keys : clattn__divide_up(n_k, splits > 1 ? splits : 1);
    plan->split_keys = plan->split_keys > 0 ? plan->split_keys : 1;
    plan->splits = n_k > 0 ? clattn__divide_up(n_k, plan->split_keys) : 1;
}

static bool takes_few(const struct attention_op *op, const clattn_attention_args *args)
{
    return op->few_variant && args->q.size[1] <= CLATTN__FEW_QUERIES;
}

static struct plan make_plan(const struct attention_op *op, const clattn_attention_args *args)
{
    const clattn_attention_desc *d = &op->desc;
    const int64_t batch = args->q.size[0], n_q = args->q.size[1], n_k = args->k.size[1];
    struct plan plan = {.variant = op->base.variant,
                        .params = op->base.params,
                        .kernel = op->base.kernel,
                        .splits = 1};
    if (takes_few(op, args)) {
        plan.variant = op->few_variant;
        plan.params = op->few_params;
        plan.kernel = op->few;
    }
    if (plan.variant->few_rows) {
        plan_splits(op, batch, n_q, n_k, &plan);
    }
    const int64_t rows = batch * n_q * d->query_heads;
    /* The probabilities need each row's lse. */
    if (d->with & CLATTN_WITH_WEIGHTS && d->weights_stage == CLATTN_STAGE_SOFTMAX &&
        !args->lse.mem) {
        plan.lse = rows;
    }
    if (plan.splits > 1) {
        plan.parts = plan.splits * rows * (d->value_dim + 1);
    }
    return plan;
}

const char *clattn_attention_kernel(const clattn_op *base, const clattn_attention_args *args)
{
    if (clattn__op_check(base, &clattn__attention_family) != CLATTN_OK || !args) {
        return "";
    }
    const struct attention_op *op = (const struct attention_op *)base;
    return takes_few(op, args) ? op->few_label : base->label;
}

size_t clattn_attention_scratch(const clattn_op *op, const clattn_attention_args *args)
{
    if (clattn__op_check(op, &clattn__attention_family) != CLATTN_OK || !args) {
        return 0;
    }
    const struct plan plan = make_plan((const struct attention_op *)op, args);
    return (size_t)(plan.lse + plan.parts) * sizeof(float);
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
    TRY(check_problem(&op->desc, args, &p));
    const struct plan plan = make_plan(op, args);
    const size_t bytes = clattn_attention_scratch(base, args);
    TRY(clattn__scratch(base->context, "attention", args->scratch, bytes, &scratch, &taken));
    place_scratch(op, &plan, scratch, &p);
    const clattn_status status = enqueue(op, queue, &plan, &p);
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}
