/* Projection cases: attention's linear layers, alone. */
#include "activation.h"
#include "random.h"
#include "trial.h"

#include <stdlib.h>
#include <string.h>

enum { X, WEIGHT, BIAS, RESIDUAL, Y };

/* NULL if the case names none that a projection has. */
static const struct activation_kind *activation_of(const struct test_case *c)
{
    const char *name = c->own.project.activation;
    const struct activation_kind *kind = activation_named(name[0] ? name : "identity");
    return kind && !kind->gated ? kind : NULL;
}

/* Rows of the weight. */
static int64_t outputs_of(const struct test_case *c)
{
    return (c->own.project.gated ? 2 : 1) * (int64_t)c->out_dim;
}

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const clattn_type weight = case_weight_type(c);
    const int64_t outputs = outputs_of(c);
    if (c->in_dim % clattn_type_block(weight)) {
        check_fail(result, "--in: %d is not whole blocks of %d", c->in_dim,
                   clattn_type_block(weight));
        return false;
    }
    if (!activation_of(c)) {
        check_fail(result, "--activation: a projection has no '%s'", c->own.project.activation);
        return false;
    }
    const struct trial_operand spec[] = {
        [X] = {"x", c->type, {c->batch, c->rows, 1, c->in_dim}},
        [WEIGHT] = {"weight", weight, {1, outputs, 1, c->in_dim}},
        [BIAS] = {c->project_bias ? "bias" : NULL, c->type, {1, 1, 1, outputs}},
        [RESIDUAL] = {c->own.project.residual ? "residual" : NULL,
                      c->out_type,
                      {c->batch, c->rows, 1, c->out_dim}},
        [Y] = {"y",
               c->out_type,
               {c->batch, c->rows, 1, c->out_dim},
               .output = true,
               .tolerance = check_tolerance(c->type, c->out_type)},
    };
    memcpy(t->spec, spec, sizeof spec);
    return true;
}

static void fill(struct trial *t, struct rng *rng)
{
    trial_normal(t, X, rng, 1, 0);
    if (clattn_type_block(case_weight_type(t->c)) > 1) {
        buffer_draw_blocks(&t->o[WEIGHT], 1 / sqrt(t->c->in_dim), rng_next(rng));
    } else {
        trial_normal(t, WEIGHT, rng, 1 / sqrt(t->c->in_dim), 0);
    }
    trial_normal(t, BIAS, rng, 1, 0);
    trial_normal(t, RESIDUAL, rng, 1, 0);
}

static bool expect(struct trial *t)
{
    const struct test_case *c = t->c;
    const int64_t rows = (int64_t)c->batch * c->rows, outputs = outputs_of(c);
    const double *residual = t->o[RESIDUAL].values;
    double *sums = malloc((size_t)(rows * outputs + 1) * sizeof *sums);
    if (!sums) {
        return false;
    }
    ref_project(rows, c->in_dim, outputs, t->o[X].values, t->o[WEIGHT].values, t->o[BIAS].values,
                sums);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t o = 0; o < c->out_dim; o++) {
            const double *sum = sums + r * outputs + o;
            double *y = t->expected[Y] + r * c->out_dim + o;
            *y = ref_activate(activation_of(c)->ref, *sum);
            *y *= c->own.project.gated ? sum[c->out_dim] : 1;
            *y += residual ? residual[r * c->out_dim + o] : 0;
        }
    }
    free(sums);
    return true;
}

static clattn_project_desc descriptor(const struct test_case *c, const char *kernel)
{
    const struct activation_kind *kind = activation_of(c);
    const clattn_project_desc desc = {.in_dim = c->in_dim,
                                      .out_dim = c->out_dim,
                                      .type = c->type,
                                      .out_type = c->out_type,
                                      .bias = c->project_bias,
                                      .activation = kind ? kind->kind : CLATTN_IDENTITY,
                                      .gated = c->own.project.gated,
                                      .residual = c->own.project.residual,
                                      .weight_type = case_weight_type(c),
                                      .kernel = kernel,
                                      .params = c->params[0] ? c->params : NULL};
    return desc;
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    clattn_project_desc desc = descriptor(t->c, kernel);
    if (t->c->own.project.constant) {
        desc.weight = t->o[WEIGHT].view;
    }
    return clattn_project_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const clattn_tensor none = {0};
    const clattn_project_args args = {.x = t->o[X].view,
                                      .weight =
                                          t->c->own.project.constant ? none : t->o[WEIGHT].view,
                                      .bias = t->o[BIAS].view,
                                      .residual = t->o[RESIDUAL].view,
                                      .y = t->o[Y].view};
    return clattn_project_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

static void candidates(const struct check *check, const struct test_case *c, const char *kernel,
                       clattn_candidate_report *visit, void *user)
{
    const clattn_project_desc desc = descriptor(c, kernel);
    clattn_project_candidates(check->context, &desc, visit, user);
}

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_project_desc desc = {
        .in_dim = c->in_dim, .out_dim = c->out_dim, .kernel = c->kernel[0] ? c->kernel : NULL};
    return clattn_project_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    static const char *const layouts[] = {"bnhd", "gaps"};
    static const char *const blocks[] = {"q8_0", "q4_0", "q4_1", "q4_k", "q6_k"};
    random_add(line, bytes, " --batch %d --rows %d --out %d --layout %s --type %s%s --seed %d",
               (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 70) + 1,
               (int)rng_below(rng, 150) + 1, PICK(rng, layouts), random_type(rng),
               rng_below(rng, 2) ? " --with-bias" : "", (int)rng_below(rng, 1000000));
    if (random_one_of(rng, 2)) {
        random_add(line, bytes, " --activation %s",
                   activation_kinds[rng_below(rng, UNGATED_KINDS)].name);
    }
    random_add(line, bytes, "%s%s", random_one_of(rng, 4) ? " --gated" : "",
               random_one_of(rng, 4) ? " --residual" : "");
    const int kind = (int)rng_below(rng, 10);
    if (kind < 5) {
        random_add(line, bytes, " --weight-type %s --in %d%s", blocks[kind],
                   ((int)rng_below(rng, 4) + 1) * (kind < 3 ? 32 : 256),
                   rng_below(rng, 2) ? " --constant" : "");
    } else {
        random_add(line, bytes, " --in %d%s%s", (int)rng_below(rng, 150) + 1,
                   rng_below(rng, 4) ? "" : " --weight-type f16",
                   rng_below(rng, 2) ? " --constant" : "");
    }
}

static const struct case_option options[] = {
    CASE_OPTION("--in", CASE_INTEGER, in_dim),
    CASE_OPTION("--out", CASE_INTEGER, out_dim),
    CASE_OPTION("--with-bias", CASE_FLAG, project_bias),
    CASE_OPTION("--weight-type", CASE_TYPE, own.project.weight_type),
    CASE_OPTION("--activation", CASE_TEXT, own.project.activation),
    CASE_OPTION("--gated", CASE_FLAG, own.project.gated),
    CASE_OPTION("--residual", CASE_FLAG, own.project.residual),
    CASE_OPTION("--constant", CASE_FLAG, own.project.constant),
    {0},
};

const struct check_op check_project = {.name = "project",
                                       .options = options,
                                       .trial = &trial,
                                       .variants = variants,
                                       .random = random_words,
                                       .candidates = candidates};
