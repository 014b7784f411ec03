/* Cases of the whole multi-head attention layer; the reference rounds q, k, v and what
 * attention gives to the storage type, as the layer does. */
#include "check.h"
#include "rng.h"

#include "../ref/ref.h"

#include <stdio.h>
#include <stdlib.h>

enum { X, CONTEXT, WQ, WK, WV, BQ, BK, BV, WQKV, BQKV, WO, BO, OUT, OPERANDS };

static int32_t context_dim(const struct test_case *c)
{
    return c->context_dim ? c->context_dim : c->in_dim;
}

static bool make_buffers(const struct test_case *c, struct buffer o[OPERANDS])
{
    const int64_t B = c->batch, q = (int64_t)c->heads * c->head_dim,
                  k = (int64_t)c->kv_heads * c->head_dim;
    const int64_t v = (int64_t)c->kv_heads * c->value_dim,
                  attended = (int64_t)c->heads * c->value_dim;
    const bool cross = c->context_dim > 0, split = !c->fused, bias = c->project_bias;
    const struct {
        bool present;
        int64_t size[4];
    } specs[OPERANDS] = {
        [X] = {true, {B, c->n_q, 1, c->in_dim}},
        [CONTEXT] = {cross, {B, c->n_k, 1, c->context_dim}},
        [WQ] = {split, {1, q, 1, c->in_dim}},
        [WK] = {split, {1, k, 1, context_dim(c)}},
        [WV] = {split, {1, v, 1, context_dim(c)}},
        [BQ] = {split && bias, {1, 1, 1, q}},
        [BK] = {split && bias, {1, 1, 1, k}},
        [BV] = {split && bias, {1, 1, 1, v}},
        [WQKV] = {!split, {1, q + k + v, 1, c->in_dim}},
        [BQKV] = {!split && bias, {1, 1, 1, q + k + v}},
        [WO] = {!c->no_out, {1, c->out_dim, 1, attended}},
        [BO] = {!c->no_out && bias, {1, 1, 1, c->out_dim}},
        [OUT] = {true, {B, c->n_q, 1, c->no_out ? attended : c->out_dim}},
    };
    struct rng rng = {c->seed};
    for (int i = 0; i < OPERANDS; i++) {
        if (specs[i].present &&
            !buffer_make(&o[i], i == OUT ? c->out_type : c->type, specs[i].size, c->layout)) {
            return false;
        }
        for (int64_t n = 0; i != OUT && n < o[i].count; n++) {
            buffer_put_nth(&o[i], n,
                           rng_normal(&rng) / (o[i].view.size[1] > 1 && i > CONTEXT
                                                   ? sqrt((double)o[i].view.size[3])
                                                   : 1));
        }
    }
    return true;
}

/* Projects and rounds to the storage type; the caller frees. */
static double *project(const struct test_case *c, int64_t rows, int64_t in, int64_t out,
                       const double *x, const double *weight, const double *bias, bool rounded)
{
    double *y = malloc((size_t)(rows * out + 1) * sizeof *y);
    if (y) {
        ref_project(rows, in, out, x, weight, bias, y);
        for (int64_t n = 0; rounded && n < rows * out; n++) {
            y[n] = buffer_round(c->type, y[n]);
        }
    }
    return y;
}

static double *reference(const struct test_case *c, const struct buffer o[OPERANDS])
{
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
                        fused ? b : o[BQ].values, true);
    double *k = project(c, k_rows, from, k_cols, source, fused ? w + q_cols * in : o[WK].values,
                        fused ? (b ? b + q_cols : NULL) : o[BK].values, true);
    double *v =
        project(c, k_rows, from, v_cols, source, fused ? w + (q_cols + k_cols) * in : o[WV].values,
                fused ? (b ? b + q_cols + k_cols : NULL) : o[BV].values, true);
    double *out = malloc((size_t)(q_rows * attended + 1) * sizeof *out);
    double *lse = malloc((size_t)(q_rows * c->heads + 1) * sizeof *lse), *result = NULL;
    if (q && k && v && out && lse) {
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
        for (int64_t n = 0; !c->no_out && n < q_rows * attended; n++) {
            out[n] = buffer_round(c->type, out[n]);
        }
        if (!c->no_out) {
            result =
                project(c, q_rows, attended, c->out_dim, out, o[WO].values, o[BO].values, false);
        }
    }
    free(q);
    free(k);
    free(v);
    free(lse);
    if (c->no_out) {
        return out;
    }
    free(out);
    return result;
}

static bool execute(const struct check *check, const struct test_case *c, const char *kernel,
                    struct buffer o[OPERANDS], struct check_result *result)
{
    const clattn_mha_desc desc = {.attention = {.head_dim = c->head_dim,
                                                .value_dim = c->value_dim,
                                                .query_heads = c->heads,
                                                .kv_heads = c->kv_heads,
                                                .type = c->type,
                                                .out_type = c->out_type,
                                                .causal = c->causal,
                                                .kernel = kernel && kernel[0] ? kernel : NULL,
                                                .params = c->params[0] ? c->params : NULL},
                                  .model_dim = c->in_dim,
                                  .context_dim = c->context_dim,
                                  .out_dim = c->no_out ? 0 : c->out_dim,
                                  .fused = c->fused,
                                  .qkv_bias = c->project_bias,
                                  .out_bias = c->project_bias && !c->no_out};
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
    clattn_op *op = NULL;
    const clattn_status status = clattn_mha_create(check->context, &desc, &op);
    if (status != CLATTN_OK) {
        check_fail(result, "create: %s", clattn_error());
        result->outcome = status == CLATTN_ERR_UNSUPPORTED ? CHECK_SKIPPED : CHECK_FAILED;
        return false;
    }
    snprintf(result->kernel, sizeof result->kernel, "%s", clattn_op_kernel(op));
    const bool ok = clattn_mha_run(op, check->queue, &args, NULL) == CLATTN_OK;
    if (!ok) {
        check_fail(result, "run: %s", clattn_error());
    }
    clattn_op_destroy(op);
    return ok &&
           check_step(result, buffer_download(&o[OUT], check->queue) == CL_SUCCESS, "reading out");
}

void check_mha(const struct check *check, const struct test_case *c, const char *kernel,
               struct check_result *result)
{
    struct buffer o[OPERANDS] = {0};
    double *expected = NULL;
    bool ok = check_step(result, make_buffers(c, o), "memory for the inputs");
    for (int i = 0; ok && i < OPERANDS; i++) {
        ok = !o[i].bytes ||
             check_step(result,
                        buffer_upload(&o[i], clattn_context_cl(check->context)) == CL_SUCCESS,
                        "making buffers");
    }
    if (ok && execute(check, c, kernel, o, result) &&
        check_step(result, (expected = reference(c, o)) != NULL, "memory for the reference")) {
        /* Rounding between the steps may fall the other way than the reference's: twice the
         * tolerance. */
        check_compare(result, "out", &o[OUT], expected,
                      2 * check_tolerance(c->type, c->type == CLATTN_F32 ? c->out_type : c->type));
    }
    for (int i = 0; i < OPERANDS; i++) {
        buffer_free(&o[i]);
    }
    free(expected);
}
