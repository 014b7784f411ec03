/* Cases of RMSNorm and LayerNorm. */
#include "random.h"
#include "trial.h"

#include "ref/ref.h"

#include <string.h>

enum { X, RESIDUAL, WEIGHT, BIAS, SUM, Y, MEAN, INVERSE };

static bool has_residual(const struct test_case *c)
{
    const struct norm_case *n = &c->own.norm;
    return n->residual || n->sum || !strcmp(n->in_place, "residual");
}

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const struct norm_case *n = &c->own.norm;
    const int over = !strcmp(n->in_place, "x")          ? X + 1
                     : !strcmp(n->in_place, "residual") ? RESIDUAL + 1
                                                        : 0;
    const int64_t B = c->batch, N = c->rows, H = c->heads, C = c->columns;
    const clattn_type in = c->type, weight = n->weight_type;
    /* 1 / sqrt(..) is as large as its row is small: by its size, in f32. */
    const double tolerance = check_tolerance(in, c->out_type),
                 stats = check_tolerance(in, CLATTN_F32);
    const struct trial_operand spec[] = {
        [X] = {"x", in, {B, N, H, C}},
        [RESIDUAL] = {has_residual(c) ? "residual" : NULL, in, {B, N, H, C}},
        [WEIGHT] = {n->weight ? "weight" : NULL, weight, {1, 1, 1, C}},
        [BIAS] = {n->bias ? "bias" : NULL, weight, {1, 1, 1, C}},
        [SUM] = {n->sum ? "sum" : NULL,
                 in,
                 {B, N, H, C},
                 true,
                 n->sum ? over : 0,
                 check_tolerance(in, in)},
        [Y] = {"y", c->out_type, {B, N, H, C}, true, n->sum ? 0 : over, tolerance},
        [MEAN] = {n->stats ? "mean" : NULL, CLATTN_F32, {B, N, H, 1}, true, 0, stats},
        [INVERSE] = {n->stats ? "inverse" : NULL, CLATTN_F32, {B, N, H, 1}, true, 0, stats},
    };
    memcpy(t->spec, spec, sizeof spec);
    if (over && !n->sum && c->type != c->out_type) {
        check_fail(result, "--in-place: y has another type than x");
        return false;
    }
    return true;
}

static void fill(struct trial *t, struct rng *rng)
{
    trial_normal(t, X, rng, 1, t->c->own.norm.mean);
    trial_normal(t, RESIDUAL, rng, 1, 0);
    trial_normal(t, WEIGHT, rng, 1, 0);
    trial_normal(t, BIAS, rng, 1, 0);
    for (int64_t n = 0; t->c->extreme && n < t->o[X].count; n += t->c->columns) {
        buffer_put_nth(&t->o[X], n, 1e5); /* a column far from all others */
    }
    if (t->c->nan && t->o[X].count) {
        buffer_put_nth(&t->o[X], rng_below(rng, t->o[X].count), NAN);
    }
}

/* What is normalised: x or x + residual, rounded if it is kept. */
static void add(struct trial *t, double *values)
{
    for (int64_t n = 0; n < t->o[X].count; n++) {
        values[n] = t->o[X].values[n] + (t->spec[RESIDUAL].name ? t->o[RESIDUAL].values[n] : 0);
        if (t->expected[SUM]) {
            /* as the kernel does it: an f32 sum, rounded to the type */
            values[n] = buffer_round(t->c->type, (float)values[n]);
        }
    }
}

static bool expect(struct trial *t)
{
    const int64_t C = t->c->columns;
    double *values = t->expected[SUM] ? t->expected[SUM] : t->expected[Y];
    const float epsilon = t->c->own.norm.epsilon;
    add(t, values);
    for (int64_t r = 0; r < t->o[X].count / C; r++) {
        double mean, inverse;
        ref_norm(C, values + r * C, t->o[WEIGHT].values, t->o[BIAS].values, !t->c->own.norm.rms,
                 epsilon > 0 ? epsilon : 1e-5f, t->expected[Y] + r * C, &mean, &inverse);
        if (t->expected[MEAN]) {
            t->expected[MEAN][r] = mean;
            t->expected[INVERSE][r] = inverse;
        }
    }
    return true;
}

static clattn_norm_desc desc_of(const struct test_case *c)
{
    const struct norm_case *n = &c->own.norm;
    return (clattn_norm_desc){.kind = n->rms ? CLATTN_RMS_NORM : CLATTN_LAYER_NORM,
                              .type = c->type,
                              .weight_type = n->weight_type,
                              .out_type = c->out_type,
                              .weight = n->weight,
                              .bias = n->bias,
                              .residual = has_residual(c),
                              .sum = n->sum,
                              .epsilon = n->epsilon};
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    clattn_norm_desc desc = desc_of(t->c);
    desc.kernel = kernel;
    return clattn_norm_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const struct buffer *o = t->o;
    const clattn_norm_args args = {.x = o[X].view,
                                   .residual = o[RESIDUAL].view,
                                   .weight = o[WEIGHT].view,
                                   .bias = o[BIAS].view,
                                   .sum = o[SUM].view,
                                   .y = o[Y].view,
                                   .mean = o[MEAN].view,
                                   .inverse = o[INVERSE].view};
    return clattn_norm_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_norm_desc desc = desc_of(c);
    return clattn_norm_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    static const char *const kinds[] = {"", " --rms"}, *const places[] = {"x", "residual"};
    const char *type = random_type(rng);
    random_add(line, bytes, "%s --batch %d --rows %d --heads %d --columns %d --layout %s --type %s",
               PICK(rng, kinds), (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 20) + 1,
               (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 300) + 1, random_layout(rng), type);
    const bool sum = random_one_of(rng, 3), in_place = random_one_of(rng, 4);
    if (random_one_of(rng, 2)) {
        random_add(line, bytes, " --weight --weight-type %s", random_type(rng));
    }
    random_add(line, bytes, "%s%s%s%s", random_one_of(rng, 3) ? " --bias" : "",
               sum                     ? " --sum"
               : random_one_of(rng, 3) ? " --residual"
                                       : "",
               random_one_of(rng, 3) ? " --stats" : "", random_one_of(rng, 9) ? " --nan" : "");
    if (in_place) {
        random_add(line, bytes, " --in-place %s", PICK(rng, places));
    }
    if (sum || !in_place) {
        random_add(line, bytes, " --out-type %s", random_type(rng));
    }
    random_add(line, bytes, " --seed %d", (int)rng_below(rng, 1000000));
}

static const struct case_option options[] = {
    CASE_OPTION("--rms", CASE_FLAG, own.norm.rms),
    CASE_OPTION("--residual", CASE_FLAG, own.norm.residual),
    CASE_OPTION("--sum", CASE_FLAG, own.norm.sum),
    CASE_OPTION("--weight", CASE_FLAG, own.norm.weight),
    CASE_OPTION("--weight-type", CASE_TYPE, own.norm.weight_type),
    CASE_OPTION("--bias", CASE_FLAG, own.norm.bias),
    CASE_OPTION("--stats", CASE_FLAG, own.norm.stats),
    CASE_OPTION("--in-place", CASE_TEXT, own.norm.in_place),
    CASE_OPTION("--epsilon", CASE_REAL, own.norm.epsilon),
    CASE_OPTION("--mean", CASE_REAL, own.norm.mean),
    {0},
};

const struct check_op check_norm = {.name = "norm",
                                    .options = options,
                                    .trial = &trial,
                                    .variants = variants,
                                    .random = random_words};
