/* Attention cases. */
#include "attention.h"
#include "random.h"

#include "ref/ref.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Inputs ---------------------------------------------------------------- */

bool attention_begin(struct attention_run *run, const struct test_case *c,
                     struct check_result *result)
{
    static const char *const stages[] = {"softmax", "scores", "softcap", "masked"};
    memset(run, 0, sizeof *run);
    run->c = c;
    run->scale = c->scale != 0 ? c->scale : (float)(1 / sqrt(c->head_dim));
    for (int64_t b = 0; b < c->batch; b++) {
        run->kv_length[b] = c->kv_length[0] ? case_number(c->kv_length, b) : c->n_k;
        if (run->kv_length[b] < 0 || run->kv_length[b] > c->n_k) {
            check_fail(result, "--kv-length: %lld is not 0..%d", (long long)run->kv_length[b],
                       c->n_k);
            return false;
        }
    }
    run->top_left = !strcmp(c->offset, "top-left");
    run->explicit_offset = c->offset[0] && !run->top_left;
    for (int64_t b = 0; b < c->batch; b++) {
        run->offset[b] = run->top_left          ? 0
                         : run->explicit_offset ? case_number(c->offset, b)
                                                : run->kv_length[b] - c->n_q;
    }
    if (c->window[0]) {
        run->window.on = true;
        run->window.left = (int32_t)case_number(c->window, 0);
        run->window.right = (int32_t)case_number(c->window, 1);
    }
    for (int i = 0; c->weights[0] && i < 4; i++) {
        if (!strcmp(c->weights, stages[i])) {
            run->stage = (clattn_stage)i;
            return true;
        }
    }
    if (c->weights[0]) {
        check_fail(result, "--weights: '%s' is not a stage", c->weights);
    }
    return !c->weights[0];
}

static bool make_buffers(struct attention_run *run, const int64_t q[4], const int64_t k[4])
{
    const struct test_case *c = run->c;
    const int64_t B = c->batch, N = c->n_q, M = c->n_k, H = c->heads, G = c->kv_heads;
#define AXIS(list, letter, n) (strchr(c->list, letter) ? (n) : 1)
    const struct {
        bool present;
        clattn_type type;
        int64_t size[4];
    } specs[OPERANDS] = {
        [Q] = {true, c->type, {q[0], q[1], q[2], q[3]}},
        [K] = {true, c->type, {k[0], k[1], k[2], k[3]}},
        [V] = {true, c->type, {B, M, G, c->value_dim}},
        [OUT] = {true, c->out_type, {B, N, H, c->value_dim}},
        [BIAS] = {c->bias[0],
                  c->bias_type,
                  {AXIS(bias, 'b', B), AXIS(bias, 'n', N), AXIS(bias, 'h', H), M}},
        [MASK] = {c->mask[0],
                  CLATTN_U8,
                  {AXIS(mask, 'b', B), AXIS(mask, 'n', N), AXIS(mask, 'h', H), M}},
        [ALIBI] = {c->alibi[0], CLATTN_F32, {AXIS(alibi, 'b', B), 1, H, 1}},
        [SINKS] = {c->sinks, CLATTN_F32, {1, 1, H, 1}},
        [KV_LENGTH] = {c->kv_length[0], CLATTN_I32, {B, 1, 1, 1}},
        [OFFSET] = {run->explicit_offset, CLATTN_I32, {B, 1, 1, 1}},
        [LSE] = {c->lse, CLATTN_F32, {B, N, H, 1}},
        [WEIGHTS] = {c->weights[0], CLATTN_F32, {B, N, H, M}},
    };
#undef AXIS
    for (int i = 0; i < OPERANDS; i++) {
        if (specs[i].present && !buffer_make(&run->operand[i], specs[i].type, specs[i].size,
                                             i >= ALIBI ? LAYOUT_BNHD : c->layout)) {
            return false;
        }
    }
    return true;
}

static double bias_value(const struct test_case *c, struct rng *rng)
{
    const int64_t dice = rng_below(rng, 16);
    if (dice == 0) {
        return -INFINITY;
    }
    if (c->extreme && dice < 4) {
        /* As masks that are none; between, f32 scores would lose the digits that tell keys apart.
         */
        return dice == 1 && c->bias_type != CLATTN_F16 ? -3.3e38 : -64;
    }
    return rng_normal(rng);
}

/* Rows of k and v behind kv_length stay as they are: NaN. */
static void fill(struct attention_run *run)
{
    const struct test_case *c = run->c;
    struct rng rng = {c->seed};
    struct buffer *o = run->operand;
    const double reach = c->extreme ? 6 : 1;
    for (int64_t n = 0; n < o[Q].count; n++) {
        buffer_put_nth(&o[Q], n, reach * rng_normal(&rng));
    }
    for (int which = K; which <= V; which++) {
        const int64_t row = o[which].view.size[2] * o[which].view.size[3];
        for (int64_t n = 0; n < o[which].count; n++) {
            const int64_t b = n / row / c->n_k, j = n / row % c->n_k;
            const double value = rng_normal(&rng);
            if (j < run->kv_length[b]) {
                buffer_put_nth(&o[which], n, value);
            }
        }
    }
    for (int64_t n = 0; n < o[BIAS].count; n++) {
        buffer_put_nth(&o[BIAS], n, bias_value(c, &rng));
    }
    for (int64_t n = 0; n < o[MASK].count; n++) {
        buffer_put_nth(&o[MASK], n, (double)rng_below(&rng, 3)); /* 0, 1 and 2: nonzero is visible
                                                                  */
    }
    for (int64_t n = 0; n < o[ALIBI].count; n++) {
        const double steepest = 1 + (double)(n / c->heads); /* each entry has its own */
        buffer_put_nth(&o[ALIBI], n, pow(2, -(double)(n % c->heads + 1) * 8 / c->heads) / steepest);
    }
    for (int64_t n = 0; n < o[SINKS].count; n++) {
        buffer_put_nth(&o[SINKS], n, n % 3 == 2 ? -INFINITY : rng_normal(&rng));
    }
    for (int64_t b = 0; b < c->batch; b++) {
        if (c->kv_length[0]) {
            buffer_put_nth(&o[KV_LENGTH], b, (double)run->kv_length[b]);
        }
        if (run->explicit_offset) {
            buffer_put_nth(&o[OFFSET], b, (double)run->offset[b]);
        }
    }
    if (c->nan && c->n_k > 0) {
        /* Which keys: the seed decides, so that over the cases every place in a tile occurs. */
        const int64_t g = rng_below(&rng, c->kv_heads), b = rng_below(&rng, c->batch);
        const int64_t *k = o[K].view.size;
        const int64_t in_k[4] = {b, rng_below(&rng, c->n_k), g % k[2], rng_below(&rng, k[3])};
        const int64_t in_v[4] = {b, rng_below(&rng, c->n_k), g, rng_below(&rng, c->value_dim)};
        buffer_put(&o[K], in_k, NAN);
        buffer_put(&o[V], in_v, NAN);
    }
}

bool attention_operands(struct attention_run *run, const int64_t q_size[4], const int64_t k_size[4])
{
    const bool made = make_buffers(run, q_size, k_size);
    if (made) {
        fill(run);
    }
    return made;
}

/* ---- Reference ------------------------------------------------------------- */

/* The operand's values repeated to full size; NULL if it is absent. */
static double *expand(const struct buffer *b, const int64_t size[4])
{
    const int64_t count = size[0] * size[1] * size[2] * size[3];
    double *full = b->bytes ? malloc((size_t)(count + 1) * sizeof *full) : NULL;
    for (int64_t n = 0; full && n < count; n++) {
        int64_t rest = n, from = 0, step = 1;
        for (int a = 3; a >= 0; a--) {
            const int64_t at = rest % size[a];
            from += (b->view.size[a] == 1 ? 0 : at) * step;
            step *= b->view.size[a];
            rest /= size[a];
        }
        full[n] = b->values[from];
    }
    return full;
}

bool attention_reference(struct attention_run *run, const double *q, const double *k,
                         const double *scores)
{
    const struct test_case *c = run->c;
    const struct buffer *o = run->operand;
    const int64_t rows = (int64_t)c->batch * c->n_q * c->heads;
    const int64_t pairs[4] = {c->batch, c->n_q, c->heads, c->n_k},
                  slopes_size[4] = {c->batch, 1, c->heads, 1};
    double *bias = expand(&o[BIAS], pairs), *mask = expand(&o[MASK], pairs);
    double *slopes = expand(&o[ALIBI], slopes_size);
    run->out = malloc((size_t)(rows * c->value_dim + 1) * sizeof *run->out);
    run->lse = malloc((size_t)(rows + 1) * sizeof *run->lse);
    run->weights =
        c->weights[0] ? malloc((size_t)(rows * c->n_k + 1) * sizeof *run->weights) : NULL;
    const bool ok = run->out && run->lse && (!c->weights[0] || run->weights) &&
                    (!o[BIAS].bytes || bias) && (!o[MASK].bytes || mask) &&
                    (!o[ALIBI].bytes || slopes);
    const struct ref_attention a = {
        .batch = c->batch,
        .n_q = c->n_q,
        .n_k = c->n_k,
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .head_dim = c->head_dim,
        .value_dim = c->value_dim,
        .q = q,
        .k = k,
        .scores = scores,
        .v = o[V].values,
        .bias = bias,
        .mask = mask,
        .slopes = slopes,
        .sinks = o[SINKS].values,
        .kv_length = run->kv_length,
        .offset = run->offset,
        .causal = c->causal,
        .window_left = run->window.on ? run->window.left : -1,
        .window_right = run->window.on ? run->window.right : -1,
        .scale = run->scale,
        .softcap = c->softcap,
        .stage = (enum ref_stage)run->stage,
    };
    if (ok) {
        ref_attention(&a, run->out, run->lse, run->weights);
    }
    free(bias);
    free(mask);
    free(slopes);
    return ok;
}

/* ---- Device ---------------------------------------------------------------- */

clattn_attention_desc attention_describe(const struct attention_run *run, const char *kernel)
{
    const struct test_case *c = run->c;
    const clattn_attention_desc desc = {
        .head_dim = c->head_dim,
        .value_dim = c->value_dim,
        .query_heads = c->heads,
        .kv_heads = c->kv_heads,
        .type = c->type,
        .out_type = c->out_type,
        .causal = c->causal,
        .align = run->top_left          ? CLATTN_TOP_LEFT
                 : run->explicit_offset ? CLATTN_OFFSET
                                        : CLATTN_BOTTOM_RIGHT,
        .window = run->window,
        .scale = c->scale,
        .softcap = c->softcap,
        .with = (c->bias[0] ? CLATTN_WITH_BIAS : 0u) | (c->mask[0] ? CLATTN_WITH_MASK : 0u) |
                (c->alibi[0] ? CLATTN_WITH_ALIBI : 0u) | (c->weights[0] ? CLATTN_WITH_WEIGHTS : 0u),
        .kernel = kernel && kernel[0] ? kernel : NULL,
        .weights_stage = run->stage,
        .bias_type = c->bias_type,
        .params = c->params[0] ? c->params : NULL,
    };
    return desc;
}

clattn_attention_args attention_arguments(const struct attention_run *run)
{
    const struct buffer *o = run->operand;
    const clattn_attention_args args = {
        .q = o[Q].view,
        .k = o[K].view,
        .v = o[V].view,
        .out = o[OUT].view,
        .bias = o[BIAS].view,
        .mask = o[MASK].view,
        .alibi = o[ALIBI].view,
        .sinks = o[SINKS].view,
        .kv_length = o[KV_LENGTH].view,
        .offset = o[OFFSET].view,
        .lse = o[LSE].view,
        .weights = o[WEIGHTS].view,
    };
    return args;
}

bool attention_upload(const struct check *check, struct attention_run *run)
{
    for (int i = 0; i < OPERANDS; i++) {
        if (run->operand[i].bytes &&
            buffer_upload(&run->operand[i], clattn_context_cl(check->context)) != CL_SUCCESS) {
            return false;
        }
    }
    return true;
}

bool attention_download(const struct check *check, struct attention_run *run,
                        struct check_result *result)
{
    const int outputs[] = {OUT, LSE, WEIGHTS};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        struct buffer *b = &run->operand[outputs[i]];
        if (b->bytes && !check_step(result, buffer_download(b, check->queue) == CL_SUCCESS,
                                    "reading an output")) {
            return false;
        }
    }
    return true;
}

void attention_compare(const struct attention_run *run, double tolerance, double f32,
                       struct check_result *result)
{
    const struct test_case *c = run->c;
    const struct buffer *o = run->operand;
    (void)(check_compare(result, "out", &o[OUT], run->out, tolerance) &&
           (!c->lse || check_compare(result, "lse", &o[LSE], run->lse, f32)) &&
           (!c->weights[0] || check_compare(result, "weights", &o[WEIGHTS], run->weights, f32)));
}

void attention_end(struct attention_run *run)
{
    for (int i = 0; i < OPERANDS; i++) {
        buffer_free(&run->operand[i]);
    }
    free(run->out);
    free(run->lse);
    free(run->weights);
}

static bool execute(const struct check *check, const struct attention_run *run, const char *kernel,
                    struct check_result *result)
{
    const clattn_attention_desc desc = attention_describe(run, kernel);
    const clattn_attention_args args = attention_arguments(run);
    clattn_op *op = NULL;
    const clattn_status status = clattn_attention_create(check->context, &desc, &op);
    if (status != CLATTN_OK) {
        check_fail(result, "create: %s", clattn_error());
        result->outcome = status == CLATTN_ERR_UNSUPPORTED ? CHECK_SKIPPED : CHECK_FAILED;
        return false;
    }
    snprintf(result->kernel, sizeof result->kernel, "%s", clattn_op_kernel(op));
    const bool ok = clattn_attention_run(op, check->queue, &args, NULL) == CLATTN_OK;
    if (!ok) {
        check_fail(result, "run: %s", clattn_error());
    }
    clattn_op_destroy(op);
    return ok;
}

static void run_case(const struct check *check, const struct test_case *c, const char *kernel,
                     struct check_result *result)
{
    struct attention_run run;
    const int64_t q_size[4] = {c->batch, c->n_q, c->heads, c->head_dim},
                  k_size[4] = {c->batch, c->n_k, c->kv_heads, c->head_dim};
    const struct buffer *o = run.operand;
    if (attention_begin(&run, c, result) &&
        check_step(result, attention_operands(&run, q_size, k_size), "memory for the inputs") &&
        check_step(result, attention_reference(&run, o[Q].values, o[K].values, NULL),
                   "memory for the reference") &&
        check_step(result, attention_upload(check, &run), "making buffers") &&
        execute(check, &run, kernel, result) && attention_download(check, &run, result)) {
        attention_compare(&run, check_tolerance(c->type, c->out_type),
                          check_tolerance(c->type, CLATTN_F32), result);
    }
    attention_end(&run);
}

static void candidates(const struct check *check, const struct test_case *c, const char *kernel,
                       clattn_candidate_report *visit, void *user)
{
    struct check_result unread;
    struct attention_run run;
    if (attention_begin(&run, c, &unread)) {
        const clattn_attention_desc desc = attention_describe(&run, kernel);
        clattn_attention_candidates(check->context, &desc, visit, user);
    }
}

clattn_status check_attention_variants(clattn_context *context, const struct test_case *c,
                                       clattn_variant_report *report, void *user)
{
    const clattn_attention_desc desc = {.head_dim = c->head_dim,
                                        .query_heads = c->heads,
                                        .type = c->type,
                                        .kernel = c->kernel[0] ? c->kernel : NULL};
    return clattn_attention_variants(context, &desc, report, user);
}

const struct check_op check_attention = {
    .name = "attention",
    .run = run_case,
    .variants = check_attention_variants,
    .random = random_attention,
    .candidates = candidates,
};
