/* Cases of activations and gated forms. */
#include "activation.h"
#include "random.h"
#include "trial.h"

#include <string.h>

enum { X, UP, RESIDUAL, Y };

const struct activation_kind activation_kinds[ACTIVATION_KINDS] = {
    {"identity", CLATTN_IDENTITY, REF_IDENTITY, false},
    {"relu", CLATTN_RELU, REF_RELU, false},
    {"gelu", CLATTN_GELU, REF_GELU, false},
    {"gelu-tanh", CLATTN_GELU_TANH, REF_GELU_TANH, false},
    {"silu", CLATTN_SILU, REF_SILU, false},
    {"bilinear", CLATTN_IDENTITY, REF_IDENTITY, true},
    {"reglu", CLATTN_RELU, REF_RELU, true},
    {"geglu", CLATTN_GELU, REF_GELU, true},
    {"geglu-tanh", CLATTN_GELU_TANH, REF_GELU_TANH, true},
    {"swiglu", CLATTN_SILU, REF_SILU, true},
};

const struct activation_kind *activation_named(const char *name)
{
    for (int i = 0; i < ACTIVATION_KINDS; i++) {
        if (!strcmp(activation_kinds[i].name, name)) {
            return &activation_kinds[i];
        }
    }
    return NULL;
}

static const struct activation_kind *kind_of(const struct test_case *c)
{
    return activation_named(c->own.activation.kind);
}

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const struct activation_case *a = &c->own.activation;
    const struct activation_kind *kind = kind_of(c);
    if (!kind || (a->fused && !kind->gated)) {
        check_fail(result, "--kind: there is no %s '%s'", a->fused ? "gated form" : "activation",
                   a->kind);
        return false;
    }
    const bool gated = kind->gated, fused = a->fused;
    const int64_t B = c->batch, N = c->rows, H = c->heads, C = c->columns;
    const struct trial_operand spec[] = {
        [X] = {"x", c->type, {B, N, H, fused ? 2 * C : C}},
        [UP] = {gated && !fused ? "up" : NULL, c->type, {B, N, H, C}},
        [RESIDUAL] = {a->residual ? "residual" : NULL, c->type, {B, N, H, C}},
        [Y] = {"y",
               c->out_type,
               {B, N, H, C},
               true,
               a->in_place ? X + 1 : 0,
               check_tolerance(c->type, c->out_type)},
    };
    memcpy(t->spec, spec, sizeof spec);
    if (a->in_place && (fused || c->type != c->out_type)) {
        check_fail(result, "--in-place: y has another size or type than x");
        return false;
    }
    return true;
}

static void fill(struct trial *t, struct rng *rng)
{
    const float spread = t->c->own.activation.spread;
    trial_normal(t, X, rng, spread > 0 ? spread : 2, 0);
    trial_normal(t, UP, rng, 1, 0);
    trial_normal(t, RESIDUAL, rng, 1, 0);
    if (t->c->nan && t->o[X].count) {
        buffer_put_nth(&t->o[X], rng_below(rng, t->o[X].count), NAN);
    }
}

static bool expect(struct trial *t)
{
    const struct activation_kind *kind = kind_of(t->c);
    const int64_t C = t->c->columns, apart = t->spec[X].size[3]; /* columns from a row to the next
                                                                  */
    const double *x = t->o[X].values, *up = t->o[UP].values, *residual = t->o[RESIDUAL].values;
    for (int64_t n = 0; n < t->o[Y].count; n++) {
        const int64_t at = n / C * apart + n % C;
        const double factor = up ? up[n] : apart > C ? x[at + C] : 1;
        t->expected[Y][n] = ref_activate(kind->ref, x[at]) * factor + (residual ? residual[n] : 0);
    }
    return true;
}

static clattn_activation_desc desc_of(const struct test_case *c)
{
    const struct activation_kind *kind = kind_of(c);
    return (clattn_activation_desc){.kind = kind ? kind->kind : CLATTN_IDENTITY,
                                    .type = c->type,
                                    .out_type = c->out_type,
                                    .gated = kind && kind->gated,
                                    .residual = c->own.activation.residual};
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    clattn_activation_desc desc = desc_of(t->c);
    desc.kernel = kernel;
    return clattn_activation_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    clattn_activation_args args = {
        .x = t->o[X].view, .up = t->o[UP].view, .residual = t->o[RESIDUAL].view, .y = t->o[Y].view};
    if (args.x.size[3] > t->c->columns) {
        args.x.size[3] = t->c->columns;
        args.up = args.x;
        args.up.offset += t->c->columns;
    }
    return clattn_activation_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_activation_desc desc = desc_of(c);
    return clattn_activation_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    const struct activation_kind *kind = &PICK(rng, activation_kinds);
    random_add(line, bytes,
               " --kind %s --batch %d --rows %d --heads %d --columns %d --layout %s --type %s",
               kind->name, (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 20) + 1,
               (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 300) + 1, random_layout(rng),
               random_type(rng));
    const bool fused = kind->gated && random_one_of(rng, 2), in_place = random_one_of(rng, 4);
    random_add(line, bytes, "%s%s", fused ? " --fused" : "",
               random_one_of(rng, 4) ? " --residual" : "");
    if (in_place && !fused) {
        random_add(line, bytes, " --in-place");
    } else {
        random_add(line, bytes, " --out-type %s", random_type(rng));
    }
    random_add(line, bytes, " --seed %d", (int)rng_below(rng, 1000000));
}

static const struct case_option options[] = {
    CASE_OPTION("--kind", CASE_TEXT, own.activation.kind),
    CASE_OPTION("--fused", CASE_FLAG, own.activation.fused),
    CASE_OPTION("--residual", CASE_FLAG, own.activation.residual),
    CASE_OPTION("--in-place", CASE_FLAG, own.activation.in_place),
    CASE_OPTION("--spread", CASE_REAL, own.activation.spread),
    {0},
};

const struct check_op check_activation = {.name = "activation",
                                          .options = options,
                                          .trial = &trial,
                                          .variants = variants,
                                          .random = random_words};
