/* Classic attention as workloads: additive scores, and Luong's three. */
#include "check/check.h"
#include "workload_attention.h"

enum { WQ = ATTENTION_OPERANDS, WK, W_CONCAT, B, W };

static clattn_status desc_of(const workload *w, const char *kernel, clattn_classic_desc *desc,
                             reason *why)
{
    clattn_attention_desc attention;
    if (!attention_desc_of(&w->c, kernel, &attention, why)) {
        return CLATTN_ERR_ARGUMENT;
    }
    if (!classic_describe(&w->c, &attention, desc)) {
        refuse(why, "--kind: '%s' is not dot, general or concat", w->c.own.classic.kind);
        return CLATTN_ERR_ARGUMENT;
    }
    return CLATTN_OK;
}

static bool is_additive(const clattn_classic_desc *d)
{
    return d->kind == CLATTN_ADDITIVE || d->kind == CLATTN_LUONG_CONCAT;
}

/* A sum, a tanh, a product and a sum per pair and column, or a product and a sum; tanh counts as
 * one operation, though it takes more. */
static double flops(const struct test_case *c, const clattn_classic_desc *d)
{
    const double D = d->attention.head_dim, rows = (double)c->batch * D;
    return attention_pairs(c) * ((is_additive(d) ? 4 : 2) * D + 2 * c->value_dim) +
           2 * rows *
               ((double)c->n_q * c->heads * d->query_dim +
                (double)c->n_k * c->kv_heads * d->key_dim);
}

static bool describe(workload *w, reason *why)
{
    const struct test_case *c = &w->c;
    clattn_classic_desc d;
    operand *o = w->operands;
    if (desc_of(w, NULL, &d, why) != CLATTN_OK) {
        return false;
    }
    const clattn_type t = c->type;
    const int64_t D = d.attention.head_dim, H = c->heads * D, G = c->kv_heads * D;
    const int64_t q = d.query_dim, k = d.key_dim;
    const bool concat = d.kind == CLATTN_LUONG_CONCAT;
    operands_of_attention(c, o);
    o[Q] = operand_of("q", true, FILL_NORMAL, t, c->batch, c->n_q, q ? 1 : c->heads, q ? q : D);
    o[K] = operand_of("k", true, FILL_NORMAL, t, c->batch, c->n_k, k ? 1 : c->kv_heads, k ? k : D);
    o[WQ] = operand_weight("wq", q && !concat, t, H, q);
    o[WK] = operand_weight("wk", k && !concat, t, G, k);
    o[W_CONCAT] = operand_weight("w-concat", concat, t, H, q + k);
    o[B] = operand_of("b", d.bias, FILL_NORMAL, t, 1, 1, 1, H);
    o[W] = operand_of("w", is_additive(&d), FILL_NORMAL, t, 1, 1, c->heads, D);
    o[W].divide = D;
    w->flops = flops(c, &d);
    return true;
}

static clattn_status create(workload *w, clattn_context *context, const char *kernel)
{
    clattn_classic_desc desc;
    reason why;
    desc_of(w, kernel, &desc, &why); /* describe has seen to it that it fits */
    desc.wq = w->operands[WQ].view;
    desc.wk = w->operands[WK].view;
    desc.w_concat = w->operands[W_CONCAT].view;
    return clattn_classic_create(context, &desc, &w->op);
}

static void bind(workload *w)
{
    const operand *o = w->operands;
    w->args.classic = (clattn_classic_args){
        .attention = args_of_attention(o), .b = o[B].view, .w = o[W].view, .scratch = w->scratch};
}

static size_t scratch(const workload *w) { return clattn_classic_scratch(w->op, &w->args.classic); }

static clattn_status run(const workload *w, cl_command_queue queue)
{
    return clattn_classic_run(w->op, queue, &w->args.classic, NULL);
}

static const char *kernel_of(const workload *w) { return clattn_op_kernel(w->op); }

static clattn_status candidates(const workload *w, clattn_context *context, const char *kernel,
                                clattn_candidate_report *report, void *user)
{
    clattn_classic_desc desc;
    reason why;
    desc_of(w, kernel, &desc, &why);
    return clattn_classic_candidates(context, &desc, report, user);
}

const workload_kind additive_kind = {"additive", describe, create,    bind,
                                     scratch,    run,      kernel_of, candidates};
/* Dot products are tuned as attention. */
const workload_kind luong_kind = {"luong", describe, create, bind, scratch, run, kernel_of, NULL};
