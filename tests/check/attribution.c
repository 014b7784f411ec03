/* Attribution: attention's lse is made by the reference, what is compared are masses. */
#include "cached.h"
#include "random.h"

#include <stdio.h>
#include <string.h>

enum { SPANS = CACHED_OPERANDS, ROW_WEIGHT, MASS };

static const struct attribution_case *own(const struct test_case *c)
{
    return &c->own.cache.attribution;
}

/* ---- Sizes ----------------------------------------------------------------- */

static int choice(const char *text, const char *first, const char *second)
{
    return !text[0] ? 0 : !strcmp(text, first) ? 1 : !strcmp(text, second) ? 2 : -1;
}

static enum ref_rows rows_of(const struct test_case *c)
{
    return (enum ref_rows)choice(own(c)->rows, "sum", "by-span");
}

static enum ref_heads heads_of(const struct test_case *c)
{
    return (enum ref_heads)choice(own(c)->joined, "mean", "max");
}

static int64_t spans_of(const struct test_case *c)
{
    return own(c)->spans ? own(c)->spans : cached_key_span(c);
}

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const int64_t B = c->batch, H = c->heads, S = spans_of(c), rows = cached_q_rows(c);
    const bool packed = c->own.cache.packed;
    if (choice(own(c)->rows, "sum", "by-span") < 0 || choice(own(c)->joined, "mean", "max") < 0) {
        check_fail(result, "--over-rows must be sum or by-span, --over-heads mean or max");
        return false;
    }
    if (!cached_describe(t, result)) {
        return false;
    }
    const bool each = rows_of(c) == REF_ROWS_EACH;
    const struct trial_operand absent = {0};
    t->spec[OUT] = absent;
    t->spec[LSE] = (struct trial_operand){"lse", CLATTN_F32, {packed ? 1 : B, rows, H, 1}};
    t->spec[SPANS] = (struct trial_operand){own(c)->spans ? "spans" : NULL,
                                            CLATTN_I32,
                                            {1, 1, 1, S + 1},
                                            .counted = (c->n_k + S - 1) / (S ? S : 1)};
    t->spec[ROW_WEIGHT] = (struct trial_operand){
        own(c)->row_weight ? "row_weight" : NULL, CLATTN_F32, {packed ? 1 : B, rows, H, 1}};
    t->spec[MASS] =
        (struct trial_operand){"mass",
                               CLATTN_F32,
                               {packed && each ? 1 : B,
                                each                         ? rows
                                : rows_of(c) == REF_ROWS_SUM ? 1
                                                             : S,
                                heads_of(c) == REF_HEADS_EACH ? H : 1, S + (c->sinks ? 1 : 0)},
                               .output = true,
                               .tolerance = 1e-5};
    return true;
}

/* ---- Inputs ---------------------------------------------------------------- */

/* Rising from 0 to n_k; some spans are empty. */
static void fill_spans(struct trial *t, struct rng *rng)
{
    const struct test_case *c = t->c;
    int64_t cut = 0, spans = own(c)->spans;
    for (int64_t s = 0; t->spec[SPANS].name && s <= spans; s++) {
        if (own(c)->cuts[0]) {
            cut = case_number(own(c)->cuts, s);
        } else if (s > 0) {
            const int64_t left = c->n_k - cut, step = 2 * left / (spans - s + 1);
            cut = s == spans ? c->n_k : cut + (step > 0 ? rng_below(rng, step + 1) : 0);
            cut = cut > c->n_k ? c->n_k : cut;
        }
        buffer_put_nth(&t->o[SPANS], s, (double)cut);
    }
}

static void fill(struct trial *t, struct rng *rng)
{
    cached_fill(t, rng);
    fill_spans(t, rng);
    trial_normal(t, ROW_WEIGHT, rng, 0.2, 1);
    for (int64_t n = 0; own(t->c)->accumulate && n < t->o[MASS].count; n++) {
        buffer_put_nth(&t->o[MASS], n, rng_normal(rng));
    }
}

/* ---- Reference ------------------------------------------------------------- */

static void expect_entry(struct trial *t, int64_t b, const struct ref_attention *a)
{
    const struct test_case *c = t->c;
    const int64_t *size = t->o[MASS].view.size, row = size[2] * size[3], H = c->heads;
    const int64_t first = cached_first_query(c, b), lse_rows = a->n_q * H;
    const bool each = rows_of(c) == REF_ROWS_EACH;
    const int64_t place = each ? first * row : b * size[1] * row;
    const int64_t count = (each ? a->n_q : size[1]) * row;
    const struct ref_attribution r = {
        .spans = spans_of(c),
        .cut = t->spec[SPANS].name ? t->o[SPANS].values : NULL,
        .row_weight = t->spec[ROW_WEIGHT].name ? t->o[ROW_WEIGHT].values + first * H : NULL,
        .value_weighted = own(c)->values,
        .rows = rows_of(c),
        .heads = heads_of(c),
    };
    double *lse = ref_array(lse_rows);
    ref_attribution(a, &r, lse, t->expected[MASS] + place);
    for (int64_t n = 0; n < lse_rows; n++) {
        buffer_put_nth(&t->o[LSE], first * H + n, lse[n]);
    }
    for (int64_t n = place; own(c)->accumulate && n < place + count; n++) {
        t->expected[MASS][n] += t->o[MASS].values[n];
    }
    free(lse);
}

static bool expect(struct trial *t) { return cached_visit(t, expect_entry); }

/* ---- Device ---------------------------------------------------------------- */

static clattn_attribution_desc describe_op(const struct test_case *c, const char *kernel)
{
    const clattn_attribution_desc desc = {
        .attention = cached_desc(c, NULL),
        .value_weighted = own(c)->values,
        .rows = (clattn_rows)rows_of(c),
        .heads = (clattn_heads)heads_of(c),
        .kernel = kernel,
        .params = c->params[0] ? c->params : NULL,
    };
    return desc;
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    const clattn_attribution_desc desc = describe_op(t->c, kernel);
    return clattn_attribution_create(context, &desc, op);
}

static clattn_attribution_args arguments(const struct trial *t)
{
    return (clattn_attribution_args){.attention = cached_args(t),
                                     .spans = t->o[SPANS].view,
                                     .row_weight = t->o[ROW_WEIGHT].view,
                                     .mass = t->o[MASS].view,
                                     .accumulate = own(t->c)->accumulate,
                                     .scratch = t->scratch};
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const clattn_attribution_args args = arguments(t);
    return clattn_attribution_run(op, queue, &args, NULL);
}

static size_t scratch(const struct trial *t, const clattn_op *op)
{
    const clattn_attribution_args args = arguments(t);
    return clattn_attribution_scratch(op, &args);
}

/* One product, of the pairs that causality leaves where queries are the last rows. */
static double flops(const struct trial *t)
{
    const struct test_case *c = t->c;
    const double n_q = c->n_q, n_k = c->n_k;
    const double pairs = c->causal ? n_q * (n_k - n_q) + n_q * (n_q + 1) / 2 : n_q * n_k;
    return 2.0 * c->batch * c->heads * pairs * c->head_dim;
}

static const char *kernel_of(const struct trial *t, const clattn_op *op)
{
    const clattn_attribution_args args = arguments(t);
    return clattn_attribution_kernel(op, &args);
}

static const struct trial_kind trial = {describe, fill,    expect, create,
                                        run,      scratch, flops,  kernel_of};

/* ---- The op ---------------------------------------------------------------- */

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_attribution_desc desc = describe_op(c, NULL);
    return clattn_attribution_variants(context, &desc, report, user);
}

static void candidates(const struct check *check, const struct test_case *c, const char *kernel,
                       clattn_candidate_report *visit, void *user)
{
    const clattn_attribution_desc desc = describe_op(c, kernel);
    clattn_attribution_candidates(check->context, &desc, visit, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    static const char *const rows[] = {"", " --over-rows sum", " --over-rows by-span"};
    static const char *const heads[] = {"", "", " --over-heads mean", " --over-heads max"};
    static const char *const axes[] = {"1", "n", "h", "bn", "bnh", "b", "nh"};
    if (rng_below(rng, 2)) {
        check_cache.random(rng, line, bytes);
        if (strstr(line, "--ring") || rng_below(rng, 4)) {
            random_add(line, bytes, " --spans %d", (int)rng_below(rng, 9) + 1);
        }
    } else {
        const int kv = (int)rng_below(rng, 3) + 1, keys = (int)rng_below(rng, 150) + 1;
        random_add(line, bytes, " --batch 2 --heads %d --kv-heads %d --nq %d --nk %d --head-dim %d",
                   kv * ((int)rng_below(rng, 4) + 1), kv, (int)rng_below(rng, 60) + 1, keys,
                   (int)rng_below(rng, 70) + 1);
        random_add(line, bytes, " --type %s --layout %s", random_type(rng), random_layout(rng));
        if (rng_below(rng, 4))
            random_add(line, bytes, " --spans %d", (int)rng_below(rng, 12) + 1);
        if (random_one_of(rng, 3))
            random_add(line, bytes, " --bias %s --bias-type %s", PICK(rng, axes), random_type(rng));
        if (random_one_of(rng, 3))
            random_add(line, bytes, " --mask %s", PICK(rng, axes));
        if (random_one_of(rng, 3))
            random_add(line, bytes, " --window %d,%d", (int)rng_below(rng, 40) - 1,
                       (int)rng_below(rng, 40) - 1);
        if (random_one_of(rng, 4))
            random_add(line, bytes, " --offset %d,%d", (int)rng_below(rng, 60) - 30,
                       (int)rng_below(rng, 60));
        if (random_one_of(rng, 4))
            random_add(line, bytes, " --softcap %d", (int)rng_below(rng, 30) + 1);
        random_add(line, bytes, "%s%s%s%s --seed %d", rng_below(rng, 2) ? " --causal" : "",
                   rng_below(rng, 4) ? "" : " --sinks", rng_below(rng, 4) ? "" : " --alibi h",
                   rng_below(rng, 4) ? "" : " --nan", (int)rng_below(rng, 1000000));
    }
    random_add(line, bytes, "%s%s%s%s%s", rows[rng_below(rng, 3)], heads[rng_below(rng, 4)],
               rng_below(rng, 3) ? "" : " --values", rng_below(rng, 3) ? "" : " --row-weight",
               rng_below(rng, 3) ? "" : " --accumulate");
}

static const struct case_option options[] = {
    CACHED_OPTIONS,
    CASE_OPTION("--spans", CASE_INTEGER, own.cache.attribution.spans),
    CASE_OPTION("--cuts", CASE_TEXT, own.cache.attribution.cuts),
    CASE_OPTION("--over-rows", CASE_TEXT, own.cache.attribution.rows),
    CASE_OPTION("--over-heads", CASE_TEXT, own.cache.attribution.joined),
    CASE_OPTION("--values", CASE_FLAG, own.cache.attribution.values),
    CASE_OPTION("--row-weight", CASE_FLAG, own.cache.attribution.row_weight),
    CASE_OPTION("--accumulate", CASE_FLAG, own.cache.attribution.accumulate),
    {0},
};

const struct check_op check_attribution = {
    .name = "attribution",
    .options = options,
    .trial = &trial,
    .variants = variants,
    .random = random_words,
    .candidates = candidates,
};
