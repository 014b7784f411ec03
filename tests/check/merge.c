/* Joining two parts: equal to the softmax over both. */
#include "random.h"
#include "trial.h"

#include <string.h>

enum { A, B, A_LSE, B_LSE, OUT, LSE };

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const int64_t n = c->batch, rows = c->rows, h = c->heads, d = c->columns;
    const double tolerance = check_tolerance(c->type, c->out_type);
    const struct trial_operand spec[] = {
        [A] = {"a", c->type, {n, rows, h, d}},
        [B] = {"b", c->type, {n, rows, h, d}},
        [A_LSE] = {"a_lse", CLATTN_F32, {n, rows, h, 1}},
        [B_LSE] = {"b_lse", CLATTN_F32, {n, rows, h, 1}},
        [OUT] = {"out", c->out_type, {n, rows, h, d}, .output = true, .tolerance = tolerance},
        [LSE] =
            {c->lse ? "lse" : NULL, CLATTN_F32, {n, rows, h, 1}, .output = true, .tolerance = 1e-5},
    };
    (void)result;
    memcpy(t->spec, spec, sizeof spec);
    return true;
}

/* Parts that saw nothing are (0, -inf), one, the other or both; logarithms far apart. */
static void fill(struct trial *t, struct rng *rng)
{
    trial_normal(t, A, rng, 1, 0);
    trial_normal(t, B, rng, 1, 0);
    trial_normal(t, A_LSE, rng, 30, 0);
    trial_normal(t, B_LSE, rng, 30, 0);
    for (int64_t n = 0; n < t->o[A_LSE].count; n++) {
        for (int part = 0; part < 2; part++) {
            if (rng_below(rng, 4) == 0) {
                buffer_put_nth(&t->o[A_LSE + part], n, -INFINITY);
                for (int64_t c = 0; c < t->c->columns; c++) {
                    buffer_put_nth(&t->o[A + part], n * t->c->columns + c, 0);
                }
            }
        }
    }
}

static bool expect(struct trial *t)
{
    const int64_t columns = t->c->columns;
    for (int64_t n = 0; n < t->o[A_LSE].count; n++) {
        const double a = t->o[A_LSE].values[n], b = t->o[B_LSE].values[n], top = fmax(a, b);
        const double sum = top == -INFINITY ? 0 : exp(a - top) + exp(b - top);
        for (int64_t c = n * columns; c < (n + 1) * columns; c++) {
            t->expected[OUT][c] =
                sum == 0
                    ? 0
                    : (exp(a - top) * t->o[A].values[c] + exp(b - top) * t->o[B].values[c]) / sum;
        }
        if (t->expected[LSE]) {
            t->expected[LSE][n] = sum == 0 ? -INFINITY : top + log(sum);
        }
    }
    return true;
}

static clattn_merge_desc descriptor(const struct test_case *c, const char *kernel)
{
    return (clattn_merge_desc){.type = c->type, .out_type = c->out_type, .kernel = kernel};
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    const clattn_merge_desc desc = descriptor(t->c, kernel);
    return clattn_merge_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const clattn_merge_args args = {.a = t->o[A].view,
                                    .b = t->o[B].view,
                                    .a_lse = t->o[A_LSE].view,
                                    .b_lse = t->o[B_LSE].view,
                                    .out = t->o[OUT].view,
                                    .lse = t->o[LSE].view};
    return clattn_merge_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_merge_desc desc = descriptor(c, NULL);
    return clattn_merge_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    random_add(line, bytes, " --batch %d --rows %d --heads %d --columns %d --type %s%s --seed %d",
               (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 20) + 1, (int)rng_below(rng, 4) + 1,
               (int)rng_below(rng, 100) + 1, random_type(rng), rng_below(rng, 2) ? " --lse" : "",
               (int)rng_below(rng, 1000000));
}

const struct check_op check_merge = {
    .name = "merge", .trial = &trial, .variants = variants, .random = random_words};
