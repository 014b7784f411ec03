/* Cases of classic attention: "additive", and "luong" with a --kind.  The reference projects in
 * double precision, and rounds where the op stores what it projected. */
#include "attention.h"
#include "random.h"

#include "ref/ref.h"

#include <stdio.h>
#include <string.h>

enum { WQ, WK, W_CONCAT, B, W, WEIGHT_OPERANDS };

struct classic_run {
    struct attention_run attention;
    clattn_classic_desc desc;
    struct buffer weight[WEIGHT_OPERANDS];
    double *q, *k, *scores; /* expected: projected rows, scores that are no dot product */
};

static bool is_additive(const clattn_classic_desc *d)
{
    return d->kind == CLATTN_ADDITIVE || d->kind == CLATTN_LUONG_CONCAT;
}

bool classic_describe(const struct test_case *c, const clattn_attention_desc *attention,
                      clattn_classic_desc *desc)
{
    static const char *const kinds[] = {"additive", "dot", "general", "concat"};
    const char *wanted = strcmp(c->op, "luong") ? "additive" : c->own.classic.kind;
    int kind = 0;
    while (kind < 4 && strcmp(kinds[kind], wanted)) {
        kind++;
    }
    *desc = (clattn_classic_desc){.attention = *attention, .kind = (clattn_classic_kind)kind};
    if (is_additive(desc)) {
        desc->attention.head_dim = c->own.classic.hidden ? c->own.classic.hidden : c->head_dim;
        desc->query_dim = strchr(c->own.classic.projected, 'q') ? 0 : c->head_dim;
    }
    if (kind != CLATTN_LUONG_DOT && !strchr(c->own.classic.projected, 'k')) {
        desc->key_dim = c->context_dim ? c->context_dim : c->head_dim;
    }
    desc->bias = c->project_bias;
    return kind < 4;
}

/* ---- Inputs ---------------------------------------------------------------- */

static bool make_weights(struct classic_run *run)
{
    const struct test_case *c = run->attention.c;
    const clattn_classic_desc *d = &run->desc;
    const int64_t D = d->attention.head_dim, H = c->heads, G = c->kv_heads;
    const int64_t q = d->query_dim, k = d->key_dim;
    const bool concat = d->kind == CLATTN_LUONG_CONCAT;
    const struct {
        bool present;
        int64_t size[4];
    } specs[WEIGHT_OPERANDS] = {
        [WQ] = {q && !concat, {1, H * D, 1, q}},     [WK] = {k && !concat, {1, G * D, 1, k}},
        [W_CONCAT] = {concat, {1, H * D, 1, q + k}}, [B] = {d->bias, {1, 1, 1, H * D}},
        [W] = {is_additive(d), {1, 1, H, D}},
    };
    struct rng rng = {c->seed + 1000};
    for (int i = 0; i < WEIGHT_OPERANDS; i++) {
        if (specs[i].present && !buffer_make(&run->weight[i], c->type, specs[i].size, c->layout)) {
            return false;
        }
        /* So small that projected rows are of the size of what goes in, and scores too. */
        const double divide = i == B ? 1 : sqrt((double)specs[i].size[3] / (i == W ? 4 : 1));
        for (int64_t n = 0; n < run->weight[i].count; n++) {
            buffer_put_nth(&run->weight[i], n, rng_normal(&rng) / divide);
        }
    }
    return true;
}

/* Far from 0 in columns where a query's and a key's numbers nearly cancel. */
static void shift(struct buffer *b, double by)
{
    for (int64_t n = 0; n < b->count; n++) {
        if (!isnan(b->values[n])) {
            buffer_put_nth(b, n, b->values[n] + by * (double)(n % b->view.size[3] % 3 - 1));
        }
    }
}

static bool make_inputs(struct classic_run *run)
{
    const struct test_case *c = run->attention.c;
    const clattn_classic_desc *d = &run->desc;
    const int64_t D = d->attention.head_dim, q = d->query_dim, k = d->key_dim;
    const int64_t q_size[4] = {c->batch, c->n_q, q ? 1 : c->heads, q ? q : D};
    const int64_t k_size[4] = {c->batch, c->n_k, k ? 1 : c->kv_heads, k ? k : D};
    const bool made = attention_operands(&run->attention, q_size, k_size) && make_weights(run);
    if (made && c->extreme && is_additive(d) && !q && !k) {
        shift(&run->attention.operand[Q], 60);
        shift(&run->attention.operand[K], -60);
    }
    return made;
}

/* ---- Reference ------------------------------------------------------------- */

static double *projected(const struct classic_run *run, const struct buffer *x, int64_t in,
                         int64_t out, const struct buffer *weight, const struct buffer *bias)
{
    const int64_t rows = x->view.size[0] * x->view.size[1];
    double *y = ref_array(rows * out);
    ref_project(rows, in, out, x->values, weight->values, bias ? bias->values : NULL, y);
    for (int64_t n = 0; !is_additive(&run->desc) && n < rows * out; n++) {
        y[n] = buffer_round(run->attention.c->type, y[n]);
    }
    return y;
}

static bool reference(struct classic_run *run)
{
    const struct test_case *c = run->attention.c;
    const clattn_classic_desc *d = &run->desc;
    const struct buffer *o = run->attention.operand, *w = run->weight;
    const int64_t D = d->attention.head_dim;
    struct ref_attention a = {.batch = c->batch,
                              .n_q = c->n_q,
                              .n_k = c->n_k,
                              .heads = c->heads,
                              .kv_heads = c->kv_heads,
                              .head_dim = D,
                              .q = o[Q].values,
                              .k = o[K].values};
    if (is_additive(d)) {
        run->scores = ref_array((int64_t)c->batch * c->n_q * c->heads * c->n_k);
    }
    if (d->kind == CLATTN_LUONG_CONCAT) {
        ref_concat_scores(&a, d->query_dim, d->key_dim, w[W_CONCAT].values, w[B].values,
                          w[W].values, run->scores);
        return attention_reference(&run->attention, NULL, NULL, run->scores);
    }
    if (d->query_dim) {
        a.q = run->q = projected(run, &o[Q], d->query_dim, c->heads * D, &w[WQ], &w[B]);
    }
    if (d->key_dim) {
        a.k = run->k = projected(run, &o[K], d->key_dim, c->kv_heads * D, &w[WK], NULL);
    }
    if (run->scores) {
        ref_additive_scores(&a, w[W].values, run->scores);
    }
    return attention_reference(&run->attention, a.q, a.k, run->scores);
}

/* ---- Device ---------------------------------------------------------------- */

static bool upload(const struct check *check, struct classic_run *run)
{
    bool ok = attention_upload(check, &run->attention);
    for (int i = 0; ok && i < WEIGHT_OPERANDS; i++) {
        ok = !run->weight[i].bytes ||
             buffer_upload(&run->weight[i], clattn_context_cl(check->context)) == CL_SUCCESS;
    }
    return ok;
}

static bool execute(const struct check *check, const struct classic_run *run,
                    struct check_result *result)
{
    const struct buffer *w = run->weight;
    const clattn_classic_args args = {
        .attention = attention_arguments(&run->attention),
        .wq = w[WQ].view,
        .wk = w[WK].view,
        .w_concat = w[W_CONCAT].view,
        .b = w[B].view,
        .w = w[W].view,
    };
    clattn_op *op = NULL;
    const clattn_status status = clattn_classic_create(check->context, &run->desc, &op);
    if (status != CLATTN_OK) {
        check_fail(result, "create: %s", clattn_error());
        result->outcome = status == CLATTN_ERR_UNSUPPORTED ? CHECK_SKIPPED : CHECK_FAILED;
        return false;
    }
    snprintf(result->kernel, sizeof result->kernel, "%s", clattn_op_kernel(op));
    const bool ok = clattn_classic_run(op, check->queue, &args, NULL) == CLATTN_OK;
    if (!ok) {
        check_fail(result, "run: %s", clattn_error());
    }
    clattn_op_destroy(op);
    return ok;
}

/* Where rows are rounded in between, that may fall the other way than the reference's. */
static void compare(const struct classic_run *run, struct check_result *result)
{
    const struct test_case *c = run->attention.c;
    const bool rounded = run->desc.kind == CLATTN_LUONG_GENERAL && c->type != CLATTN_F32;
    const double f32 = check_tolerance(c->type, CLATTN_F32);
    const double own = 2 * check_tolerance(c->type, c->type);
    const double out = check_tolerance(c->type, c->out_type);
    attention_compare(&run->attention, rounded ? fmax(own, out) : out, rounded ? own : f32, result);
}

static void run_case(const struct check *check, const struct test_case *c, const char *kernel,
                     struct check_result *result)
{
    struct classic_run run = {0};
    if (attention_begin(&run.attention, c, result)) {
        const clattn_attention_desc attention = attention_describe(&run.attention, kernel);
        run.attention.scale = c->scale != 0 ? c->scale : 1;
        if (!classic_describe(c, &attention, &run.desc)) {
            check_fail(result, "--kind: '%s' is not dot, general or concat", c->own.classic.kind);
        } else if (check_step(result, make_inputs(&run), "memory for the inputs") &&
                   check_step(result, reference(&run), "memory for the reference") &&
                   check_step(result, upload(check, &run), "making buffers") &&
                   execute(check, &run, result) &&
                   attention_download(check, &run.attention, result)) {
            compare(&run, result);
        }
    }
    for (int i = 0; i < WEIGHT_OPERANDS; i++) {
        buffer_free(&run.weight[i]);
    }
    attention_end(&run.attention);
    free(run.q);
    free(run.k);
    free(run.scores);
}

/* ---- The ops --------------------------------------------------------------- */

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_attention_desc attention = {.query_heads = c->heads, .head_dim = c->head_dim};
    clattn_classic_desc desc;
    if (classic_describe(c, &attention, &desc)) {
        return clattn_classic_variants(context, &desc, report, user);
    }
    report(user, c->op, NULL); /* the run says what is wrong */
    return CLATTN_OK;
}

static void candidates(const struct check *check, const struct test_case *c, const char *kernel,
                       clattn_candidate_report *visit, void *user)
{
    struct check_result unread;
    struct attention_run run;
    clattn_classic_desc desc;
    if (attention_begin(&run, c, &unread)) {
        const clattn_attention_desc attention = attention_describe(&run, kernel);
        if (classic_describe(c, &attention, &desc)) {
            clattn_classic_candidates(check->context, &desc, visit, user);
        }
    }
}

/* kind "" is additive. */
static void random_words(struct rng *rng, const char *kind, char *line, size_t bytes)
{
    static const int dims[] = {1, 3, 8, 16, 19, 31, 40, 64};
    static const char *const layouts[] = {"bnhd", "gaps"}, *const projected[] = {"", "q", "k",
                                                                                 "qk"};
    const bool concat = !strcmp(kind, "concat"), additive = !kind[0] || concat;
    const int kv = (int)rng_below(rng, 2) + 1, n_k = (int)rng_below(rng, 70) + 1;
    const char *came = kind[0] ? "" : PICK(rng, projected);
    random_add(line, bytes, " --batch %d --heads %d --kv-heads %d --nq %d --nk %d --head-dim %d",
               (int)rng_below(rng, 3) + 1, kv * (concat ? 1 : (int)rng_below(rng, 2) + 1), kv,
               rng_below(rng, 5) ? (int)rng_below(rng, 40) + 1 : 1, n_k, PICK(rng, dims));
    random_add(line, bytes, " --layout %s --type %s --value-dim %d", PICK(rng, layouts),
               random_type(rng), PICK(rng, dims));
    if (kind[0])
        random_add(line, bytes, " --kind %s", kind);
    if (additive)
        random_add(line, bytes, " --hidden %d", PICK(rng, dims));
    if (came[0])
        random_add(line, bytes, " --projected %s", came);
    if (rng_below(rng, 2))
        random_add(line, bytes, " --context %d", PICK(rng, dims));
    if (additive && !strchr(came, 'q') && rng_below(rng, 2))
        random_add(line, bytes, " --with-bias");
    random_options(rng, n_k, additive ? 2 : 4, line, bytes);
}

static void random_additive(struct rng *rng, char *line, size_t bytes)
{
    random_words(rng, "", line, bytes);
}

static void random_luong(struct rng *rng, char *line, size_t bytes)
{
    static const char *const kinds[] = {"dot", "general", "concat"};
    random_words(rng, PICK(rng, kinds), line, bytes);
}

static const struct case_option options[] = {
    CASE_OPTION("--kind", CASE_TEXT, own.classic.kind),
    CASE_OPTION("--hidden", CASE_INTEGER, own.classic.hidden),
    CASE_OPTION("--projected", CASE_TEXT, own.classic.projected),
    CASE_OPTION("--context", CASE_INTEGER, context_dim),
    CASE_OPTION("--with-bias", CASE_FLAG, project_bias),
    {0},
};

const struct check_op check_additive = {
    .name = "additive",
    .options = options,
    .run = run_case,
    .variants = variants,
    .random = random_additive,
    .candidates = candidates,
};
const struct check_op check_luong = {
    .name = "luong",
    .options = options,
    .run = run_case,
    .variants = variants,
    .random = random_luong,
    .candidates = candidates,
};
