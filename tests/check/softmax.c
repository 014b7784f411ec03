/* Cases of softmax over rows. */
#include "random.h"
#include "trial.h"

#include "ref/ref.h"

#include <string.h>

enum { X, Y };

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const int64_t B = c->batch, N = c->rows, H = c->heads, C = c->columns;
    const struct trial_operand spec[] = {
        [X] = {"x", c->type, {B, N, H, C}},
        [Y] = {"y",
               c->out_type,
               {B, N, H, C},
               true,
               c->own.softmax.in_place ? X + 1 : 0,
               check_tolerance(c->type, c->out_type)},
    };
    memcpy(t->spec, spec, sizeof spec);
    if (c->own.softmax.in_place && c->type != c->out_type) {
        check_fail(result, "--in-place: y has another type than x");
        return false;
    }
    return true;
}

/* masked: a third is -inf, and all of the first row. */
static void fill(struct trial *t, struct rng *rng)
{
    trial_normal(t, X, rng, t->c->extreme ? 1e4 : 3, 0);
    for (int64_t n = 0; t->c->own.softmax.masked && n < t->o[X].count; n++) {
        if (n < t->c->columns || rng_below(rng, 3) == 0) {
            buffer_put_nth(&t->o[X], n, -INFINITY);
        }
    }
    if (t->c->nan && t->o[X].count) {
        buffer_put_nth(&t->o[X], rng_below(rng, t->o[X].count), NAN);
    }
}

static bool expect(struct trial *t)
{
    const int64_t C = t->c->columns;
    const float temperature = t->c->own.softmax.temperature;
    for (int64_t n = 0; n < t->o[X].count; n += C) {
        ref_softmax(C, t->o[X].values + n, temperature > 0 ? temperature : 1, t->expected[Y] + n);
    }
    return true;
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    const clattn_softmax_desc desc = {
        .type = t->c->type, .out_type = t->c->out_type, .kernel = kernel};
    return clattn_softmax_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const clattn_softmax_args args = {
        .x = t->o[X].view, .y = t->o[Y].view, .temperature = t->c->own.softmax.temperature};
    return clattn_softmax_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_softmax_desc desc = {.type = c->type};
    return clattn_softmax_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    random_add(line, bytes, " --batch %d --rows %d --heads %d --columns %d --layout %s --type %s",
               (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 10) + 1, (int)rng_below(rng, 3) + 1,
               (int)rng_below(rng, 300) + 1, random_layout(rng), random_type(rng));
    if (random_one_of(rng, 3)) {
        random_add(line, bytes, " --in-place");
    } else {
        random_add(line, bytes, " --out-type %s", random_type(rng));
    }
    random_add(line, bytes, "%s%s%s --seed %d", random_one_of(rng, 3) ? " --masked" : "",
               random_one_of(rng, 6) ? " --nan" : "",
               random_one_of(rng, 2) ? " --temperature 0.7" : "", (int)rng_below(rng, 1000000));
}

static const struct case_option options[] = {
    CASE_OPTION("--temperature", CASE_REAL, own.softmax.temperature),
    CASE_OPTION("--masked", CASE_FLAG, own.softmax.masked),
    CASE_OPTION("--in-place", CASE_FLAG, own.softmax.in_place),
    {0},
};

const struct check_op check_softmax = {.name = "softmax",
                                       .options = options,
                                       .trial = &trial,
                                       .variants = variants,
                                       .random = random_words};
