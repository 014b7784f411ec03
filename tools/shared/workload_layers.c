/* Projections and multi-head attention layers as workloads. */
#include "check/activation.h"
#include "workload.h"

#include <string.h>

/* ---- Projection ------------------------------------------------------------------------- */

enum { X, WEIGHT, BIAS, RESIDUAL, Y };

static bool describe_project(workload *w, reason *why)
{
    const struct test_case *c = &w->c;
    const int64_t in = c->in_dim, out = c->out_dim, outputs = c->own.project.gated ? 2 * out : out;
    const operand operands[] = {
        [X] = operand_of("x", true, FILL_NORMAL, c->type, c->batch, c->rows, 1, in),
        [WEIGHT] = operand_weight("weight", true, case_weight_type(c), outputs, in),
        [BIAS] = operand_of("bias", c->project_bias, FILL_NORMAL, c->type, 1, 1, 1, outputs),
        [RESIDUAL] = operand_of("residual", c->own.project.residual, FILL_NORMAL, c->out_type,
                                c->batch, c->rows, 1, out),
        [Y] = operand_of("y", true, FILL_OUTPUT, c->out_type, c->batch, c->rows, 1, out),
    };
    if (c->own.project.activation[0] && !activation_named(c->own.project.activation)) {
        return refuse(why, "there is no activation '%s'", c->own.project.activation);
    }
    memcpy(w->operands, operands, sizeof operands);
    w->flops = 2.0 * c->batch * c->rows * (double)in * (double)outputs;
    return true;
}

static clattn_project_desc project_desc_of(const workload *w, const char *kernel)
{
    const struct test_case *c = &w->c;
    const struct activation_kind *activation = activation_named(c->own.project.activation);
    /* As a model's weights are: known once, so that the kernel may order them as it likes. */
    const clattn_project_desc desc = {.in_dim = c->in_dim,
                                      .out_dim = c->out_dim,
                                      .type = c->type,
                                      .out_type = c->out_type,
                                      .bias = c->project_bias,
                                      .activation = activation ? activation->kind : CLATTN_IDENTITY,
                                      .gated = c->own.project.gated,
                                      .residual = c->own.project.residual,
                                      .kernel = kernel,
                                      .weight = w->operands[WEIGHT].view,
                                      .weight_type = case_weight_type(c),
                                      .params = c->params[0] ? c->params : NULL};
    return desc;
}

static clattn_status create_project(workload *w, clattn_context *context, const char *kernel)
{
    const clattn_project_desc desc = project_desc_of(w, kernel);
    return clattn_project_create(context, &desc, &w->op);
}

static void bind_project(workload *w)
{
    const operand *o = w->operands;
    w->args.project = (clattn_project_args){.x = o[X].view,
                                            .bias = o[BIAS].view,
                                            .residual = o[RESIDUAL].view,
                                            .y = o[Y].view,
                                            .scratch = w->scratch};
}

static size_t scratch_project(const workload *w)
{
    return clattn_project_scratch(w->op, &w->args.project);
}

static clattn_status run_project(const workload *w, cl_command_queue queue)
{
    return clattn_project_run(w->op, queue, &w->args.project, NULL);
}

static const char *kernel_of_project(const workload *w)
{
    return clattn_project_kernel(w->op, &w->args.project);
}

static clattn_status candidates_project(const workload *w, clattn_context *context,
                                        const char *kernel, clattn_candidate_report *report,
                                        void *user)
{
    const clattn_project_desc desc = project_desc_of(w, kernel);
    return clattn_project_candidates(context, &desc, report, user);
}

static clattn_status variants_project(const workload *w, clattn_context *context,
                                      clattn_variant_report *report, void *user)
{
    const clattn_project_desc desc = project_desc_of(w, NULL);
    return clattn_project_variants(context, &desc, report, user);
}

const workload_kind project_kind = {"project",         describe_project,   create_project,
                                    bind_project,      scratch_project,    run_project,
                                    kernel_of_project, candidates_project, variants_project};

/* ---- Layer ------------------------------------------------------------------------------ */

enum { LAYER_X, CONTEXT, WQ, WK, WV, BQ, BK, BV, WQKV, BQKV, WO, BO, OUT };

/* Columns of the projections. */
typedef struct columns {
    int64_t q, k, v, attended, context;
} columns;

static columns columns_of(const struct test_case *c)
{
    return (columns){.q = (int64_t)c->heads * c->head_dim,
                     .k = (int64_t)c->kv_heads * c->head_dim,
                     .v = (int64_t)c->kv_heads * c->value_dim,
                     .attended = (int64_t)c->heads * c->value_dim,
                     .context = c->context_dim ? c->context_dim : c->in_dim};
}

static double layer_flops(const struct test_case *c)
{
    const columns n = columns_of(c);
    struct test_case self = *c;
    self.n_k = c->context_dim ? c->n_k : c->n_q;
    const double q_rows = (double)c->batch * c->n_q, k_rows = (double)c->batch * self.n_k;
    const double out = c->no_out ? 0 : (double)c->out_dim;
    return attention_flops(&self) + 2 * q_rows * (double)n.q * c->in_dim +
           2 * k_rows * (double)(n.k + n.v) * (double)n.context +
           2 * q_rows * (double)n.attended * out;
}

static bool describe_layer(workload *w, reason *why)
{
    const struct test_case *c = &w->c;
    const columns n = columns_of(c);
    const int64_t B = c->batch, E = c->in_dim, C = n.context;
    const bool split = !c->fused, bias = c->project_bias, out = !c->no_out;
    const clattn_type t = c->type;
    const operand operands[] = {
        [LAYER_X] = operand_of("x", true, FILL_NORMAL, t, B, c->n_q, 1, E),
        [CONTEXT] = operand_of("context", c->context_dim > 0, FILL_NORMAL, t, B, c->n_k, 1, C),
        [WQ] = operand_weight("wq", split, t, n.q, E),
        [WK] = operand_weight("wk", split, t, n.k, C),
        [WV] = operand_weight("wv", split, t, n.v, C),
        [BQ] = operand_of("bq", split && bias, FILL_NORMAL, t, 1, 1, 1, n.q),
        [BK] = operand_of("bk", split && bias, FILL_NORMAL, t, 1, 1, 1, n.k),
        [BV] = operand_of("bv", split && bias, FILL_NORMAL, t, 1, 1, 1, n.v),
        [WQKV] = operand_weight("wqkv", !split, t, n.q + n.k + n.v, E),
        [BQKV] = operand_of("bqkv", !split && bias, FILL_NORMAL, t, 1, 1, 1, n.q + n.k + n.v),
        [WO] = operand_weight("wo", out, t, c->out_dim, n.attended),
        [BO] = operand_of("bo", out && bias, FILL_NORMAL, t, 1, 1, 1, c->out_dim),
        [OUT] = operand_of("out", true, FILL_OUTPUT, c->out_type, B, c->n_q, 1,
                           out ? c->out_dim : n.attended),
    };
    clattn_attention_desc desc;
    memcpy(w->operands, operands, sizeof operands);
    w->flops = layer_flops(c);
    return attention_desc_of(c, NULL, &desc, why);
}

static clattn_status create_layer(workload *w, clattn_context *context, const char *kernel)
{
    const struct test_case *c = &w->c;
    clattn_mha_desc desc = {.model_dim = c->in_dim,
                            .context_dim = c->context_dim,
                            .out_dim = c->no_out ? 0 : c->out_dim,
                            .fused = c->fused,
                            .qkv_bias = c->project_bias,
                            .out_bias = c->project_bias && !c->no_out};
    reason why;
    attention_desc_of(c, kernel, &desc.attention, &why); /* describe has seen to it that it fits */
    return clattn_mha_create(context, &desc, &w->op);
}

static void bind_layer(workload *w)
{
    const operand *o = w->operands;
    w->args.mha = (clattn_mha_args){.x = o[LAYER_X].view,
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
                                    .out = o[OUT].view,
                                    .scratch = w->scratch};
}

static size_t scratch_layer(const workload *w) { return clattn_mha_scratch(w->op, &w->args.mha); }

static clattn_status run_layer(const workload *w, cl_command_queue queue)
{
    return clattn_mha_run(w->op, queue, &w->args.mha, NULL);
}

static const char *kernel_of_layer(const workload *w) { return clattn_op_kernel(w->op); }

const workload_kind mha_kind = {"mha",         describe_layer, create_layer,    bind_layer,
                                scratch_layer, run_layer,      kernel_of_layer, NULL};
