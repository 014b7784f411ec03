/* Cases of mixtures of experts. */
#include "ffn.h"
#include "random.h"

#include <clattn/moe.h>

#include <math.h>
#include <string.h>

enum { X, ROUTER, ROUTER_BIAS, FIRST, Y = FIRST + FFN_OPERANDS };

static int64_t tokens_of(const struct test_case *c) { return (int64_t)c->batch * c->rows; }

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const struct moe_case *m = &c->own.moe;
    const int64_t E = m->experts, B = c->batch, N = c->rows, C = c->in_dim;
    const bool bias = c->project_bias || m->favour > 0;
    if (E < 1 || m->k < 1 || m->k > E || m->favour > E) {
        check_fail(result, "--k, --favour: %d and %d, must be at most --experts, %lld", m->k,
                   m->favour, (long long)E);
        return false;
    }
    const struct trial_operand spec[] = {
        [X] = {"x", c->type, {B, N, 1, C}},
        [ROUTER] = {"router", c->type, {1, E, 1, C}},
        [ROUTER_BIAS] = {bias ? "router bias" : NULL, c->type, {1, 1, 1, E}},
        [Y] = {"y", c->out_type, {B, N, 1, C}, .output = true, .tolerance = ffn_tolerance(c)},
    };
    memcpy(t->spec, spec, sizeof spec);
    return ffn_operands(c, E, &t->spec[FIRST], result);
}

/* Of the reference; the caller frees expert. */
static struct ref_moe reference(const struct trial *t)
{
    const struct moe_case *m = &t->c->own.moe;
    struct ref_ffn *expert = calloc((size_t)m->experts, sizeof *expert);
    for (int64_t e = 0; expert && e < m->experts; e++) {
        expert[e] = ffn_reference(t, FIRST, e);
        expert[e].gate_in_f32 = true;
    }
    return (struct ref_moe){.experts = m->experts,
                            .k = m->k,
                            .sigmoid = m->sigmoid,
                            .renormalise = m->renormalise,
                            .router = t->o[ROUTER].values,
                            .router_bias = t->o[ROUTER_BIAS].values,
                            .expert = expert};
}

/* Whether the last logit chosen stands clear of the first one that is not: else f32 may choose
 * another expert than the reference. */
static bool is_clear(const struct ref_moe *m, const double *x)
{
    double *logits = ref_array(m->experts), *best = ref_array(m->experts);
    double *order = ref_array(m->experts);
    ref_moe_logits(1, m, x, logits);
    ref_topk(m->experts, logits, m->experts, best, order);
    const bool clear = m->k == m->experts || best[m->k - 1] - best[m->k] > 1e-3;
    free(logits);
    free(best);
    free(order);
    return clear;
}

static void draw_token(struct trial *t, int64_t token, struct rng *rng)
{
    for (int64_t c = 0; c < t->c->in_dim; c++) {
        buffer_put_nth(&t->o[X], token * t->c->in_dim + c, rng_normal(rng));
    }
}

static void fill(struct trial *t, struct rng *rng)
{
    enum { TRIES = 100 };
    const struct test_case *c = t->c;
    const struct moe_case *m = &c->own.moe;
    trial_normal(t, ROUTER, rng, m->ties ? 0 : 1, 0);
    for (int64_t e = 0; e < t->o[ROUTER_BIAS].count; e++) {
        const double favour = e >= m->experts - m->favour ? 20 : 0;
        buffer_put_nth(&t->o[ROUTER_BIAS], e, favour + (c->project_bias ? rng_normal(rng) : 0));
    }
    ffn_fill(t, FIRST, rng);
    struct ref_moe moe = reference(t);
    for (int64_t n = 0; moe.expert && n < tokens_of(c); n++) {
        int tries = m->ties ? TRIES : 0;
        do {
            draw_token(t, n, rng);
        } while (++tries < TRIES && !is_clear(&moe, t->o[X].values + n * c->in_dim));
    }
    free((void *)moe.expert);
    if (c->nan && t->o[X].count) {
        buffer_put_nth(&t->o[X], rng_below(rng, t->o[X].count), NAN);
    }
}

static bool expect(struct trial *t)
{
    const struct ref_moe moe = reference(t);
    if (moe.expert) {
        ref_moe(tokens_of(t->c), &moe, t->o[X].values, t->expected[Y]);
    }
    free((void *)moe.expert);
    return moe.expert != NULL;
}

static clattn_moe_desc desc_of(const struct test_case *c)
{
    const struct moe_case *m = &c->own.moe;
    const struct activation_kind *kind = ffn_activation(c);
    return (clattn_moe_desc){.model_dim = c->in_dim,
                             .hidden_dim = c->out_dim,
                             .experts = m->experts ? m->experts : 1,
                             .k = m->k ? m->k : 1,
                             .type = c->type,
                             .out_type = c->out_type,
                             .routing = m->sigmoid ? CLATTN_ROUTE_SIGMOID : CLATTN_ROUTE_SOFTMAX,
                             .renormalise = m->renormalise,
                             .activation = kind ? kind->kind : CLATTN_IDENTITY,
                             .gated = kind && kind->gated};
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    clattn_moe_desc desc = desc_of(t->c);
    desc.router = (clattn_linear){t->o[ROUTER].view, t->o[ROUTER_BIAS].view};
    desc.up = ffn_linear(t, FIRST, FFN_UP);
    desc.gate = ffn_linear(t, FIRST, FFN_GATE);
    desc.down = ffn_linear(t, FIRST, FFN_DOWN);
    desc.kernel = kernel;
    return clattn_moe_create(context, &desc, op);
}

static clattn_moe_args args_of(const struct trial *t)
{
    return (clattn_moe_args){.x = t->o[X].view, .y = t->o[Y].view, .scratch = t->scratch};
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const clattn_moe_args args = args_of(t);
    return clattn_moe_run(op, queue, &args, NULL);
}

static size_t scratch(const struct trial *t, const clattn_op *op)
{
    const clattn_moe_args args = args_of(t);
    return clattn_moe_scratch(op, &args);
}

/* Of the experts chosen, and of the router. */
static double flops(const struct trial *t)
{
    const struct test_case *c = t->c;
    const struct moe_case *m = &c->own.moe;
    const double matrices = ffn_activation(c)->gated ? 3 : 2;
    return 2.0 * (double)tokens_of(c) * c->in_dim * (m->k * matrices * c->out_dim + m->experts);
}

static const struct trial_kind trial = {describe, fill, expect, create, run, scratch, flops};

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_moe_desc desc = desc_of(c);
    return clattn_moe_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    const int experts = (int)rng_below(rng, 20) + 1;
    random_add(line, bytes, " --rows %d --experts %d --k %d%s%s", (int)rng_below(rng, 150) + 1,
               experts, (int)rng_below(rng, experts < 8 ? experts : 8) + 1,
               random_one_of(rng, 2) ? " --sigmoid" : "",
               random_one_of(rng, 2) ? " --renormalise" : "");
    if (random_one_of(rng, 4)) {
        random_add(line, bytes, " --favour %d", (int)rng_below(rng, experts) + 1);
    }
    if (random_one_of(rng, 6)) {
        random_add(line, bytes, " --nan");
    }
    ffn_random(rng, line, bytes);
}

static const struct case_option options[] = {
    FFN_OPTIONS,
    CASE_OPTION("--experts", CASE_INTEGER, own.moe.experts),
    CASE_OPTION("--k", CASE_INTEGER, own.moe.k),
    CASE_OPTION("--sigmoid", CASE_FLAG, own.moe.sigmoid),
    CASE_OPTION("--renormalise", CASE_FLAG, own.moe.renormalise),
    CASE_OPTION("--favour", CASE_INTEGER, own.moe.favour),
    CASE_OPTION("--ties", CASE_FLAG, own.moe.ties),
    {0},
};

const struct check_op check_moe = {.name = "moe",
                                   .options = options,
                                   .trial = &trial,
                                   .variants = variants,
                                   .random = random_words};
