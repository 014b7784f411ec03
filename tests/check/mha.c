/* Cases of the whole multi-head attention layer; the reference rounds q, k, v and what
 * attention gives to the storage type, as the layer does. */
#include "random.h"
#include "trial.h"

#include "ref/ref.h"

#include <stdlib.h>
#include <string.h>

enum { X, CONTEXT, WQ, WK, WV, BQ, BK, BV, WQKV, BQKV, WO, BO, OUT };

static int32_t context_dim(const struct test_case *c)
{
    return c->context_dim ? c->context_dim : c->in_dim;
}

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const int64_t B = c->batch, q = (int64_t)c->heads * c->head_dim,
                  k = (int64_t)c->kv_heads * c->head_dim;
    const int64_t v = (int64_t)c->kv_heads * c->value_dim,
                  attended = (int64_t)c->heads * c->value_dim;
    const bool cross = c->context_dim > 0, split = !c->fused, bias = c->project_bias;
    const struct trial_operand spec[] = {
        [X] = {"x", c->type, {B, c->n_q, 1, c->in_dim}},
        [CONTEXT] = {cross ? "context" : NULL, c->type, {B, c->n_k, 1, c->context_dim}},
        [WQ] = {split ? "wq" : NULL, c->type, {1, q, 1, c->in_dim}},
        [WK] = {split ? "wk" : NULL, c->type, {1, k, 1, context_dim(c)}},
        [WV] = {split ? "wv" : NULL, c->type, {1, v, 1, context_dim(c)}},
        [BQ] = {split && bias ? "bq" : NULL, c->type, {1, 1, 1, q}},
        [BK] = {split && bias ? "bk" : NULL, c->type, {1, 1, 1, k}},
        [BV] = {split && bias ? "bv" : NULL, c->type, {1, 1, 1, v}},
        [WQKV] = {!split ? "wqkv" : NULL, c->type, {1, q + k + v, 1, c->in_dim}},
        [BQKV] = {!split && bias ? "bqkv" : NULL, c->type, {1, 1, 1, q + k + v}},
        [WO] = {!c->no_out ? "wo" : NULL, c->type, {1, c->out_dim, 1, attended}},
        [BO] = {!c->no_out && bias ? "bo" : NULL, c->type, {1, 1, 1, c->out_dim}},
        /* Rounding between the steps may fall the other way than the reference's: twice the
         * tolerance. */
        [OUT] = {"out",
                 c->out_type,
                 {B, c->n_q, 1, c->no_out ? attended : c->out_dim},
                 .output = true,
                 .tolerance =
                     2 * check_tolerance(c->type, c->type == CLATTN_F32 ? c->out_type : c->type)},
    };
    (void)result;
    memcpy(t->spec, spec, sizeof spec);
    return true;
}

static void fill(struct trial *t, struct rng *rng)
{
    for (int i = X; i < OUT; i++) {
        const int64_t *size = t->spec[i].size;
        trial_normal(t, i, rng, size[1] > 1 && i > CONTEXT ? 1 / sqrt((double)size[3]) : 1, 0);
    }
}

/* Projects and rounds to the storage type; the caller frees. */
static double *project(const struct test_case *c, int64_t rows, int64_t in, int64_t out,
                       const double *x, const double *weight, const double *bias)
{
    double *y = malloc((size_t)(rows * out + 1) * sizeof *y);
    if (y) {
        ref_project(rows, in, out, x, weight, bias, y);
        for (int64_t n = 0; n < rows * out; n++) {
            y[n] = buffer_round(c->type, y[n]);
        }
    }
    return y;
}

/* Attention of q, k and v, rounded to the storage type where a projection follows. */
static bool attend(const struct test_case *c, int64_t n_k, const double *q, const double *k,
                   const double *v, double *out)
{
    const int64_t rows = (int64_t)c->batch * c->n_q * c->heads;
    double *lse = malloc((size_t)(rows + 1) * sizeof *lse);
    if (!q || !k || !v || !out || !lse) {
        free(lse);
        return false;
    }
    const struct ref_attention a = {
        .batch = c->batch,
        .n_q = c->n_q,
        .n_k = n_k,
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .head_dim = c->head_dim,
        .value_dim = c->value_dim,
        .q = q,
        .k = k,
        .v = v,
        .causal = c->causal,
        .window_left = -1,
        .window_right = -1,
        .scale = (float)(1 / sqrt(c->head_dim)),
    };
    ref_attention(&a, out, lse, NULL);
    for (int64_t n = 0; !c->no_out && n < rows * c->value_dim; n++) {
        out[n] = buffer_round(c->type, out[n]);
    }
    free(lse);
    return true;
}

static bool expect(struct trial *t)
{
    const struct test_case *c = t->c;
    const struct buffer *o = t->o;
    const int64_t q_cols = (int64_t)c->heads * c->head_dim,
                  k_cols = (int64_t)c->kv_heads * c->head_dim;
    const int64_t v_cols = (int64_t)c->kv_heads * c->value_dim,
                  attended = (int64_t)c->heads * c->value_dim;
    const int64_t n_k = c->context_dim ? c->n_k : c->n_q, in = c->in_dim, from = context_dim(c);
    const int64_t q_rows = (int64_t)c->batch * c->n_q, k_rows = (int64_t)c->batch * n_k;
    const double *source = c->context_dim ? o[CONTEXT].values : o[X].values;
    const double *w = o[WQKV].values, *b = o[BQKV].values;
    const bool fused = c->fused;
    double *q = project(c, q_rows, in, q_cols, o[X].values, fused ? w : o[WQ].values,
                        fused ? b : o[BQ].values);
    double *k = project(c, k_rows, from, k_cols, source, fused ? w + q_cols * in : o[WK].values,
                        fused ? (b ? b + q_cols : NULL) : o[BK].values);
    double *v =
        project(c, k_rows, from, v_cols, source, fused ? w + (q_cols + k_cols) * in : o[WV].values,
                fused ? (b ? b + q_cols + k_cols : NULL) : o[BV].values);
    double *rows = malloc((size_t)(q_rows * attended + 1) * sizeof *rows);
    double *out = c->no_out ? t->expected[OUT] : rows;
    const bool done = attend(c, n_k, q, k, v, out);
    if (done && !c->no_out) {
        ref_project(q_rows, attended, c->out_dim, out, o[WO].values, o[BO].values,
                    t->expected[OUT]);
    }
    free(q);
    free(k);
    free(v);
    free(rows);
    return done;
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    const struct test_case *c = t->c;
    const clattn_mha_desc desc = {.attention = {.head_dim = c->head_dim,
                                                .value_dim = c->value_dim,
                                                .query_heads = c->heads,
                                                .kv_heads = c->kv_heads,
                                                .type = c->type,
                                                .out_type = c->out_type,
                                                .causal = c->causal,
                                                .kernel = kernel,
                                                .params = c->params[0] ? c->params : NULL},
                                  .model_dim = c->in_dim,
                                  .context_dim = c->context_dim,
                                  .out_dim = c->no_out ? 0 : c->out_dim,
                                  .fused = c->fused,
                                  .qkv_bias = c->project_bias,
                                  .out_bias = c->project_bias && !c->no_out};
    return clattn_mha_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const struct buffer *o = t->o;
    const clattn_mha_args args = {.x = o[X].view,
                                  .context = o[CONTEXT].view,
                                  .wq = o[WQ].view,
                                  .wk = o[WK].view,
                                  .wv = o[WV].view,
                                  .wqkv = o[WQKV].view,
                                  .bq = o[BQ].view,
                                  .bk = o[BK].view,
                                  .bv = o[BV].view,
                                  .bqkv = o[BQKV].view,
                                  .wo = o[WO].view,
                                  .bo = o[BO].view,
                                  .out = o[OUT].view};
    return clattn_mha_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    const int kv = (int)rng_below(rng, 3) + 1;
    random_add(
        line, bytes,
        " --batch %d --heads %d --kv-heads %d --nq %d --nk %d --head-dim %d --in %d --out %d "
        "--type %s",
        (int)rng_below(rng, 2) + 1, kv * ((int)rng_below(rng, 3) + 1), kv,
        (int)rng_below(rng, 40) + 1, (int)rng_below(rng, 40) + 1, (int)rng_below(rng, 40) + 1,
        (int)rng_below(rng, 80) + 1, (int)rng_below(rng, 80) + 1, random_type(rng));
    switch (rng_below(rng, 3)) {
    case 0: random_add(line, bytes, " --fused"); break;
    case 1: random_add(line, bytes, " --context %d", (int)rng_below(rng, 60) + 1); break;
    default: break;
    }
    random_add(line, bytes, "%s%s%s --seed %d", rng_below(rng, 2) ? " --with-bias" : "",
               rng_below(rng, 3) ? "" : " --no-out", rng_below(rng, 2) ? " --causal" : "",
               (int)rng_below(rng, 1000000));
}

static const struct case_option options[] = {
    CASE_OPTION("--in", CASE_INTEGER, in_dim),
    CASE_OPTION("--out", CASE_INTEGER, out_dim),
    CASE_OPTION("--context", CASE_INTEGER, context_dim),
    CASE_OPTION("--with-bias", CASE_FLAG, project_bias),
    CASE_OPTION("--fused", CASE_FLAG, fused),
    CASE_OPTION("--no-out", CASE_FLAG, no_out),
    {0},
};

/* A layer is run with each variant of its attention. */
const struct check_op check_mha = {.name = "mha",
                                   .options = options,
                                   .trial = &trial,
                                   .variants = check_attention_variants,
                                   .random = random_words};
