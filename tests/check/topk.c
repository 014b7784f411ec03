/* Cases of the k largest of rows: values and columns must be the very same. */
#include "random.h"
#include "trial.h"

#include "ref/ref.h"

#include <string.h>

enum { X, VALUES, INDICES };

static int32_t k_of(const struct test_case *c) { return c->own.topk.k ? c->own.topk.k : 1; }

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const int64_t B = c->batch, N = c->rows, H = c->heads, k = k_of(c);
    const struct trial_operand spec[] = {
        [X] = {"x", c->type, {B, N, H, c->columns}},
        [VALUES] = {"values", c->type, {B, N, H, k}, true, 0, 0},
        [INDICES] = {"indices", CLATTN_I32, {B, N, H, k}, true, 0, 0},
    };
    (void)result;
    memcpy(t->spec, spec, sizeof spec);
    return true;
}

/* ties: numbers from -2 to 2, both zeros among them, and infinities.  extreme: -inf alone. */
static void fill(struct trial *t, struct rng *rng)
{
    static const double few[] = {-2, -1, -0.0, 0, 1, 2, INFINITY, -INFINITY};
    trial_normal(t, X, rng, 3, 0);
    for (int64_t n = 0; t->c->own.topk.ties && n < t->o[X].count; n++) {
        buffer_put_nth(&t->o[X], n, PICK(rng, few));
    }
    for (int64_t n = 0; t->c->nan && n < t->o[X].count; n += 1 + rng_below(rng, 20)) {
        buffer_put_nth(&t->o[X], n, rng_below(rng, 2) ? NAN : -NAN);
    }
    for (int64_t n = 0; t->c->extreme && n < t->o[X].count; n++) {
        buffer_put_nth(&t->o[X], n, -INFINITY);
    }
}

static bool expect(struct trial *t)
{
    const int64_t C = t->c->columns, k = k_of(t->c);
    for (int64_t r = 0; r * k < t->o[VALUES].count; r++) {
        ref_topk(C, t->o[X].values + r * C, k, t->expected[VALUES] + r * k,
                 t->expected[INDICES] + r * k);
    }
    return true;
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    const clattn_topk_desc desc = {.k = k_of(t->c), .type = t->c->type, .kernel = kernel};
    return clattn_topk_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const clattn_topk_args args = {
        .x = t->o[X].view, .values = t->o[VALUES].view, .indices = t->o[INDICES].view};
    return clattn_topk_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_topk_desc desc = {.k = k_of(c), .type = c->type};
    return clattn_topk_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    const int columns = (int)rng_below(rng, 500) + 1;
    random_add(line, bytes,
               " --batch %d --rows %d --heads %d --columns %d --k %d --layout %s --type %s%s%s"
               " --seed %d",
               (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 6) + 1, (int)rng_below(rng, 3) + 1,
               columns, (int)rng_below(rng, columns) + 1, random_layout(rng), random_type(rng),
               random_one_of(rng, 3) ? " --ties" : "", random_one_of(rng, 4) ? " --nan" : "",
               (int)rng_below(rng, 1000000));
}

static const struct case_option options[] = {
    CASE_OPTION("--k", CASE_INTEGER, own.topk.k),
    CASE_OPTION("--ties", CASE_FLAG, own.topk.ties),
    {0},
};

const struct check_op check_topk = {.name = "topk",
                                    .options = options,
                                    .trial = &trial,
                                    .variants = variants,
                                    .random = random_words};
