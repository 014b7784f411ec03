/* Cases of the feed-forward: --in is model_dim, --activation swiglu and its like have a gate. */
#include "ffn.h"

#include "random.h"

#include <math.h>
#include <string.h>

enum { X, FIRST, RESIDUAL = FIRST + FFN_OPERANDS, Y };

static clattn_type weight_type(const struct test_case *c)
{
    return c->own.ffn.weight_type == CLATTN_F32 ? c->type : c->own.ffn.weight_type;
}

const struct activation_kind *ffn_activation(const struct test_case *c)
{
    return activation_named(c->own.ffn.activation[0] ? c->own.ffn.activation : "silu");
}

double ffn_tolerance(const struct test_case *c)
{
    return 2 * check_tolerance(c->type, c->type == CLATTN_F32 ? c->out_type : c->type);
}

bool ffn_operands(const struct test_case *c, int64_t experts,
                  struct trial_operand operand[FFN_OPERANDS], struct check_result *result)
{
    const struct activation_kind *kind = ffn_activation(c);
    const clattn_type type = weight_type(c);
    const int64_t model = c->in_dim, hidden = c->out_dim;
    const int block = clattn_type_block(type);
    if (!kind) {
        check_fail(result, "--activation: there is no '%s'", c->own.ffn.activation);
        return false;
    }
    if (model % block || hidden % block) {
        check_fail(result, "--in, --hidden: %d and %d are not whole blocks of %d", c->in_dim,
                   c->out_dim, block);
        return false;
    }
    const bool gate = kind->gated, bias = c->project_bias;
    const struct trial_operand operands[FFN_OPERANDS] = {
        [FFN_UP] = {"up", type, {experts, hidden, 1, model}},
        [FFN_GATE] = {gate ? "gate" : NULL, type, {experts, hidden, 1, model}},
        [FFN_DOWN] = {"down", type, {experts, model, 1, hidden}},
        [FFN_UP_BIAS] = {bias ? "up bias" : NULL, c->type, {experts, 1, 1, hidden}},
        [FFN_GATE_BIAS] = {gate && bias ? "gate bias" : NULL, c->type, {experts, 1, 1, hidden}},
        [FFN_DOWN_BIAS] = {bias ? "down bias" : NULL, c->type, {experts, 1, 1, model}},
    };
    memcpy(operand, operands, sizeof operands);
    return true;
}

void ffn_fill(struct trial *t, int first, struct rng *rng)
{
    for (int i = FFN_UP; i <= FFN_DOWN; i++) {
        const struct trial_operand *spec = &t->spec[first + i];
        const double size = 1 / sqrt((double)(spec->name ? spec->size[3] : 1));
        if (spec->name && clattn_type_block(spec->type) > 1) {
            buffer_draw_blocks(&t->o[first + i], size, rng_next(rng));
        } else {
            trial_normal(t, first + i, rng, size, 0);
        }
    }
    for (int i = FFN_UP_BIAS; i <= FFN_DOWN_BIAS; i++) {
        trial_normal(t, first + i, rng, 1, 0);
    }
}

static double as_f32(double value) { return value; }
static double as_f16(double value) { return buffer_round(CLATTN_F16, value); }
static double as_bf16(double value) { return buffer_round(CLATTN_BF16, value); }

/* Of one expert's rows; NULL where the case has none. */
static const double *values_of(const struct trial *t, int i, int64_t expert)
{
    const int64_t *size = t->spec[i].size;
    return t->spec[i].name ? t->o[i].values + expert * size[1] * size[3] : NULL;
}

struct ref_ffn ffn_reference(const struct trial *t, int first, int64_t expert)
{
    double (*const stored[])(double) = {
        [CLATTN_F32] = as_f32, [CLATTN_F16] = as_f16, [CLATTN_BF16] = as_bf16};
    return (struct ref_ffn){.stored = stored[t->c->type],
                            .model_dim = t->c->in_dim,
                            .hidden_dim = t->c->out_dim,
                            .activation = ffn_activation(t->c)->ref,
                            .up = values_of(t, first + FFN_UP, expert),
                            .gate = values_of(t, first + FFN_GATE, expert),
                            .down = values_of(t, first + FFN_DOWN, expert),
                            .up_bias = values_of(t, first + FFN_UP_BIAS, expert),
                            .gate_bias = values_of(t, first + FFN_GATE_BIAS, expert),
                            .down_bias = values_of(t, first + FFN_DOWN_BIAS, expert)};
}

clattn_linear ffn_linear(const struct trial *t, int first, int which)
{
    return (clattn_linear){t->o[first + which].view, t->o[first + FFN_UP_BIAS + which].view};
}

void ffn_random(struct rng *rng, char *line, size_t bytes)
{
    static const char *const layouts[] = {"bnhd", "gaps"};
    static const char *const blocks[] = {"q8_0", "q4_0", "q4_1", "q4_k", "q6_k"};
    random_add(line, bytes, " --activation %s --batch %d --layout %s --type %s%s",
               PICK(rng, activation_kinds).name, (int)rng_below(rng, 3) + 1, PICK(rng, layouts),
               random_type(rng), random_one_of(rng, 2) ? " --with-bias" : "");
    const int kind = (int)rng_below(rng, 15);
    if (kind < 5) {
        const int block = kind < 3 ? 32 : 256;
        random_add(line, bytes, " --weight-type %s --in %d --hidden %d", blocks[kind],
                   ((int)rng_below(rng, 2) + 1) * block, ((int)rng_below(rng, 2) + 1) * block);
    } else {
        random_add(line, bytes, " --in %d --hidden %d%s", (int)rng_below(rng, 100) + 1,
                   (int)rng_below(rng, 100) + 1, kind > 11 ? " --weight-type bf16" : "");
    }
    random_add(line, bytes, " --seed %d", (int)rng_below(rng, 1000000));
}

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const struct trial_operand x = {"x", c->type, {c->batch, c->rows, 1, c->in_dim}};
    const struct trial_operand y = {"y",
                                    c->out_type,
                                    {c->batch, c->rows, 1, c->in_dim},
                                    .output = true,
                                    .tolerance = ffn_tolerance(c)};
    t->spec[X] = x;
    t->spec[Y] = y;
    t->spec[RESIDUAL] = y;
    t->spec[RESIDUAL].name = c->own.ffn.residual ? "residual" : NULL;
    t->spec[RESIDUAL].output = false;
    if (!ffn_operands(c, 1, &t->spec[FIRST], result)) {
        return false;
    }
    if (c->own.ffn.joined && !ffn_activation(c)->gated) {
        check_fail(result, "--joined: '%s' has no gate", c->own.ffn.activation);
        return false;
    }
    for (int i = FIRST + FFN_UP; c->own.ffn.joined && i <= FIRST + FFN_UP_BIAS; i += FFN_UP_BIAS) {
        const int rows = i == FIRST + FFN_UP ? 1 : 3;
        t->spec[i].size[rows] *= 2; /* the gate's come first */
        t->spec[i + FFN_GATE].name = NULL;
    }
    return true;
}

static void fill(struct trial *t, struct rng *rng)
{
    trial_normal(t, X, rng, 1, 0);
    trial_normal(t, RESIDUAL, rng, 1, 0);
    ffn_fill(t, FIRST, rng);
    if (t->c->nan && t->o[X].count) {
        buffer_put_nth(&t->o[X], rng_below(rng, t->o[X].count), NAN);
    }
}

static bool expect(struct trial *t)
{
    const struct test_case *c = t->c;
    struct ref_ffn ffn = ffn_reference(t, FIRST, 0);
    if (c->own.ffn.joined) {
        ffn.gate = ffn.up;
        ffn.up += (int64_t)c->out_dim * c->in_dim;
        ffn.gate_bias = ffn.up_bias;
        ffn.up_bias = ffn.up_bias ? ffn.up_bias + c->out_dim : NULL;
    }
    ref_ffn((int64_t)c->batch * c->rows, &ffn, t->o[X].values, t->expected[Y]);
    for (int64_t n = 0; t->spec[RESIDUAL].name && n < t->o[Y].count; n++) {
        t->expected[Y][n] += t->o[RESIDUAL].values[n];
    }
    return true;
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    const struct test_case *c = t->c;
    const clattn_linear none = {0};
    const clattn_ffn_desc desc = {.model_dim = c->in_dim,
                                  .hidden_dim = c->out_dim,
                                  .type = c->type,
                                  .out_type = c->out_type,
                                  .activation = ffn_activation(c)->kind,
                                  .gated = ffn_activation(c)->gated,
                                  .residual = c->own.ffn.residual,
                                  .up = c->own.ffn.joined ? none : ffn_linear(t, FIRST, FFN_UP),
                                  .gate_up =
                                      c->own.ffn.joined ? ffn_linear(t, FIRST, FFN_UP) : none,
                                  .gate = ffn_linear(t, FIRST, FFN_GATE),
                                  .down = ffn_linear(t, FIRST, FFN_DOWN),
                                  .kernel = kernel};
    return clattn_ffn_create(context, &desc, op);
}

static clattn_ffn_args args_of(const struct trial *t)
{
    return (clattn_ffn_args){.x = t->o[X].view,
                             .residual = t->o[RESIDUAL].view,
                             .y = t->o[Y].view,
                             .scratch = t->scratch};
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const clattn_ffn_args args = args_of(t);
    return clattn_ffn_run(op, queue, &args, NULL);
}

static size_t scratch(const struct trial *t, const clattn_op *op)
{
    const clattn_ffn_args args = args_of(t);
    return clattn_ffn_scratch(op, &args);
}

static double flops(const struct trial *t)
{
    const struct test_case *c = t->c;
    return 2.0 * c->batch * c->rows * c->in_dim * c->out_dim * (ffn_activation(c)->gated ? 3 : 2);
}

static const struct trial_kind trial = {describe, fill, expect, create, run, scratch, flops};

/* A feed-forward is run with each variant of its projections. */
static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_project_desc desc = {.in_dim = c->in_dim,
                                      .out_dim = c->out_dim,
                                      .type = c->type,
                                      .weight_type = weight_type(c),
                                      .kernel = c->kernel[0] ? c->kernel : NULL};
    return clattn_project_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    random_add(line, bytes, " --rows %d%s", (int)rng_below(rng, 40) + 1,
               random_one_of(rng, 3) ? " --residual" : "");
    ffn_random(rng, line, bytes);
    if (strstr(line, "glu") && random_one_of(rng, 2)) {
        random_add(line, bytes, " --joined");
    }
}

static const struct case_option options[] = {
    FFN_OPTIONS,
    CASE_OPTION("--joined", CASE_FLAG, own.ffn.joined),
    CASE_OPTION("--residual", CASE_FLAG, own.ffn.residual),
    {0},
};

const struct check_op check_ffn = {.name = "ffn",
                                   .options = options,
                                   .trial = &trial,
                                   .variants = variants,
                                   .random = random_words};
