/* Attention as a workload: its operands, and what a run costs at least. */
#include "workload_attention.h"

#include <string.h>

/* ---- Descriptor ------------------------------------------------------------------------- */

static bool read_stage(const char *text, clattn_stage *stage, reason *why)
{
    static const struct {
        const char *name;
        clattn_stage stage;
    } stages[] = {{"", CLATTN_STAGE_SOFTMAX},
                  {"softmax", CLATTN_STAGE_SOFTMAX},
                  {"scores", CLATTN_STAGE_SCORES},
                  {"softcap", CLATTN_STAGE_SOFTCAP},
                  {"masked", CLATTN_STAGE_MASKED}};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        if (strcmp(text, stages[i].name) == 0) {
            *stage = stages[i].stage;
            return true;
        }
    }
    return refuse(why, "--weights: '%s' is not a stage", text);
}

static bool top_left(const struct test_case *c) { return strcmp(c->offset, "top-left") == 0; }

static bool explicit_offset(const struct test_case *c) { return c->offset[0] && !top_left(c); }

static clattn_window window_of(const struct test_case *c)
{
    clattn_window window = {.on = c->window[0] != '\0', .left = -1, .right = -1};
    if (window.on) {
        window.left = (int32_t)case_number(c->window, 0);
        window.right = (int32_t)case_number(c->window, 1);
    }
    return window;
}

bool attention_desc_of(const struct test_case *c, const char *kernel, clattn_attention_desc *desc,
                       reason *why)
{
    *desc = (clattn_attention_desc){
        .head_dim = c->head_dim,
        .value_dim = c->value_dim,
        .query_heads = c->heads,
        .kv_heads = c->kv_heads,
        .type = c->type,
        .out_type = c->out_type,
        .causal = c->causal,
        .align = top_left(c)          ? CLATTN_TOP_LEFT
                 : explicit_offset(c) ? CLATTN_OFFSET
                                      : CLATTN_BOTTOM_RIGHT,
        .window = window_of(c),
        .scale = c->scale,
        .softcap = c->softcap,
        .with = (c->bias[0] ? CLATTN_WITH_BIAS : 0u) | (c->mask[0] ? CLATTN_WITH_MASK : 0u) |
                (c->alibi[0] ? CLATTN_WITH_ALIBI : 0u) | (c->weights[0] ? CLATTN_WITH_WEIGHTS : 0u),
        .kernel = kernel,
        .bias_type = c->bias_type,
        .params = c->params[0] ? c->params : NULL,
    };
    return read_stage(c->weights, &desc->weights_stage, why);
}

/* ---- Cost ------------------------------------------------------------------------------- */

typedef struct span {
    int64_t first, end; /* keys */
} span;

/* The keys that lengths, causality and window let query i of batch entry b see.  What a mask
 * or a bias hides is counted: no kernel can know it beforehand. */
static span visible(const struct test_case *c, int64_t b, int64_t i)
{
    const clattn_window window = window_of(c);
    const int64_t in_use = c->kv_length[0] ? case_number(c->kv_length, b) : c->n_k;
    const int64_t offset = top_left(c)          ? 0
                           : explicit_offset(c) ? case_number(c->offset, b)
                                                : in_use - c->n_q;
    const int64_t position = i + offset;
    span s = {0, in_use};
    if (c->causal && position + 1 < s.end) {
        s.end = position + 1;
    }
    if (window.on && window.right >= 0 && position + window.right + 1 < s.end) {
        s.end = position + window.right + 1;
    }
    if (window.on && window.left >= 0 && position - window.left > s.first) {
        s.first = position - window.left;
    }
    s.end = s.end > s.first ? s.end : s.first;
    return s;
}

double attention_pairs(const struct test_case *c)
{
    double pairs = 0;
    for (int64_t b = 0; b < c->batch; b++) {
        for (int64_t i = 0; i < c->n_q; i++) {
            const span s = visible(c, b, i);
            pairs += (double)(s.end - s.first);
        }
    }
    return pairs * c->heads;
}

/* Two products, each a multiplication and an addition per pair and column. */
double attention_flops(const struct test_case *c)
{
    return 2 * attention_pairs(c) * (c->head_dim + c->value_dim);
}

/* Rows of k and v that no query sees. */
static double unread_rows(const struct test_case *c)
{
    double rows = 0;
    for (int64_t b = 0; b < c->batch && c->n_q > 0; b++) {
        const span first = visible(c, b, 0), last = visible(c, b, c->n_q - 1);
        rows += (double)(c->n_k - (last.end - first.first));
    }
    return rows;
}

/* ---- Kind ------------------------------------------------------------------------------- */

static int64_t axis(const char *axes, char letter, int64_t n)
{
    return strchr(axes, letter) ? n : 1;
}

static operand broadcast(const char *name, const char *axes, operand_fill fill, clattn_type type,
                         const struct test_case *c)
{
    return operand_of(name, axes[0] != '\0', fill, type, axis(axes, 'b', c->batch),
                      axis(axes, 'n', c->n_q), axis(axes, 'h', c->heads), c->n_k);
}

void operands_of_attention(const struct test_case *c, operand operands[ATTENTION_OPERANDS])
{
    const int64_t B = c->batch, N = c->n_q, M = c->n_k, H = c->heads, G = c->kv_heads;
    const clattn_type t = c->type;
    const operand made[ATTENTION_OPERANDS] = {
        [Q] = operand_of("q", true, FILL_NORMAL, t, B, N, H, c->head_dim),
        [K] = operand_of("k", true, FILL_NORMAL, t, B, M, G, c->head_dim),
        [V] = operand_of("v", true, FILL_NORMAL, t, B, M, G, c->value_dim),
        [OUT] = operand_of("out", true, FILL_OUTPUT, c->out_type, B, N, H, c->value_dim),
        [BIAS] = broadcast("bias", c->bias, FILL_NORMAL, c->bias_type, c),
        [MASK] = broadcast("mask", c->mask, FILL_MASK, CLATTN_U8, c),
        [ALIBI] = operand_of("alibi", c->alibi[0] != '\0', FILL_SLOPES, CLATTN_F32,
                             axis(c->alibi, 'b', B), 1, H, 1),
        [SINKS] = operand_of("sinks", c->sinks, FILL_NORMAL, CLATTN_F32, 1, 1, H, 1),
        [KV_LENGTH] = operand_numbers("kv-length", c->kv_length, B),
        [OFFSET] = operand_numbers("offset", explicit_offset(c) ? c->offset : "", B),
        [LSE] = operand_of("lse", c->lse, FILL_OUTPUT, CLATTN_F32, B, N, H, 1),
        [WEIGHTS] =
            operand_of("weights", c->weights[0] != '\0', FILL_OUTPUT, CLATTN_F32, B, N, H, M),
    };
    memcpy(operands, made, sizeof made);
}

clattn_attention_args args_of_attention(const operand o[ATTENTION_OPERANDS])
{
    return (clattn_attention_args){.q = o[Q].view,
                                   .k = o[K].view,
                                   .v = o[V].view,
                                   .out = o[OUT].view,
                                   .bias = o[BIAS].view,
                                   .mask = o[MASK].view,
                                   .alibi = o[ALIBI].view,
                                   .sinks = o[SINKS].view,
                                   .kv_length = o[KV_LENGTH].view,
                                   .offset = o[OFFSET].view,
                                   .lse = o[LSE].view,
                                   .weights = o[WEIGHTS].view};
}

static bool describe(workload *w, reason *why)
{
    const struct test_case *c = &w->c;
    clattn_attention_desc desc;
    operands_of_attention(c, w->operands);
    w->flops = attention_flops(c);
    w->bytes = -unread_rows(c) * (double)c->kv_heads * (c->head_dim + c->value_dim) *
               (double)clattn_type_size(c->type);
    return attention_desc_of(c, NULL, &desc, why);
}

static clattn_status create(workload *w, clattn_context *context, const char *kernel)
{
    clattn_attention_desc desc;
    reason why;
    attention_desc_of(&w->c, kernel, &desc, &why); /* describe has seen to it that it fits */
    return clattn_attention_create(context, &desc, &w->op);
}

static void bind(workload *w)
{
    w->args.attention = args_of_attention(w->operands);
    w->args.attention.scratch = w->scratch;
}

static size_t scratch(const workload *w)
{
    return clattn_attention_scratch(w->op, &w->args.attention);
}

static clattn_status run(const workload *w, cl_command_queue queue)
{
    return clattn_attention_run(w->op, queue, &w->args.attention, NULL);
}

static const char *kernel_of(const workload *w)
{
    return clattn_attention_kernel(w->op, &w->args.attention);
}

static clattn_status candidates(const workload *w, clattn_context *context, const char *kernel,
                                clattn_candidate_report *report, void *user)
{
    clattn_attention_desc desc;
    reason why;
    attention_desc_of(&w->c, kernel, &desc, &why); /* describe has seen to it that it fits */
    return clattn_attention_candidates(context, &desc, report, user);
}

const workload_kind attention_kind = {"attention", describe, create,    bind,
                                      scratch,     run,      kernel_of, candidates};
