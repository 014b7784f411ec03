#include "random.h"
#include "trial.h"

#include "ref/ref.h"

#include <math.h>
#include <string.h>

enum { MASS, PREVIOUS, ROLLOUT };

/* --rows spans, --columns one more for a sink, --lse: there were layers before */
static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const int64_t B = c->batch, S = c->rows, H = c->heads, C = S + (c->sinks ? 1 : 0);
    const struct trial_operand spec[] = {
        [MASS] = {"mass", CLATTN_F32, {B, S, H, C}},
        [PREVIOUS] = {c->lse ? "previous" : NULL, CLATTN_F32, {B, S, 1, C}},
        [ROLLOUT] = {"rollout", CLATTN_F32, {B, S, 1, C}, .output = true, .tolerance = 1e-5},
    };
    (void)result;
    memcpy(t->spec, spec, sizeof spec);
    return true;
}

/* Rows that nothing was added to, every third. */
static void fill(struct trial *t, struct rng *rng)
{
    const int64_t *size = t->o[MASS].view.size;
    for (int64_t n = 0; n < t->o[MASS].count; n++) {
        const bool empty = n / size[3] / size[2] % size[1] % 3 == 1;
        buffer_put_nth(&t->o[MASS], n, empty ? 0 : fabs(rng_normal(rng)));
    }
    for (int64_t n = 0; n < t->o[PREVIOUS].count; n++) {
        buffer_put_nth(&t->o[PREVIOUS], n, fabs(rng_normal(rng)));
    }
}

static bool expect(struct trial *t)
{
    const int64_t *size = t->o[MASS].view.size, S = size[1], H = size[2], C = size[3];
    for (int64_t b = 0; b < size[0]; b++) {
        ref_rollout(S, H, C, t->o[MASS].values + b * S * H * C,
                    t->spec[PREVIOUS].name ? t->o[PREVIOUS].values + b * S * C : NULL,
                    t->expected[ROLLOUT] + b * S * C);
    }
    return true;
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    const clattn_rollout_desc desc = {.kernel = kernel};
    (void)t;
    return clattn_rollout_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const clattn_rollout_args args = {
        .mass = t->o[MASS].view, .previous = t->o[PREVIOUS].view, .rollout = t->o[ROLLOUT].view};
    return clattn_rollout_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_rollout_desc desc = {0};
    (void)c;
    return clattn_rollout_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    random_add(line, bytes, " --batch %d --rows %d --heads %d%s%s --layout %s --seed %d",
               (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 90) + 1, (int)rng_below(rng, 5) + 1,
               rng_below(rng, 2) ? " --sinks" : "", rng_below(rng, 2) ? " --lse" : "",
               random_layout(rng), (int)rng_below(rng, 1000000));
}

const struct check_op check_rollout = {
    .name = "rollout", .trial = &trial, .variants = variants, .random = random_words};
