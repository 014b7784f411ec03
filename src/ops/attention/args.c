/* What attention is run with: sizes and operands, checked and made views. */
#include "attention.h"

#include <string.h>

enum { MAX_ROWS = INT32_MAX / 2 };

/* ---- Sizes --------------------------------------------------------------------- */

/* Keys follow each other in one batch entry. */
static bool keys_are_packed(const clattn_attention_args *args) { return args->k_start.mem; }

void clattn__attention_sizes(const clattn_attention_desc *d, const clattn_attention_args *args,
                             struct attention_problem *p)
{
    p->batch = d->packed ? args->q_start.size[3] - 1 : args->q.size[0];
    p->q_rows = args->q.size[1];
    p->k_rows = args->k.size[1];
    p->n_q = d->packed && args->most_queries ? args->most_queries : p->q_rows;
    p->pages = args->k.size[0];
    p->capacity = args->k.size[1];
    p->key_span = p->k_rows;
    if (d->page_rows && !clattn__mul_add(args->page_table.size[3], d->page_rows, 0, &p->key_span)) {
        p->key_span = INT64_MAX; /* refused below */
    }
    /* Lengths of a ring go on when it is full. */
    p->n_k = d->ring && args->kv_length.mem ? MAX_ROWS : p->key_span;
}

static clattn_status check_counts(const clattn_attention_desc *d, const struct attention_problem *p)
{
    const struct {
        const char *what;
        int64_t n;
    } counts[] = {
        {d->packed ? "q_start.size[3] - 1 (sequences)" : "q.size[0] (batch)", p->batch},
        {"q.size[1] (row)", p->q_rows},
        {"most_queries", p->n_q},
        {"k.size[0] (batch)", p->pages},
        {d->page_rows ? "page_table.size[3] times page_rows" : "k.size[1] (row)", p->key_span}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].n < 0 || counts[i].n > MAX_ROWS) {
            return clattn__refuse("attention: args.%s is %lld, must be 0..%d", counts[i].what,
                                  (long long)counts[i].n, MAX_ROWS);
        }
    }
    if (d->page_rows && p->pages == 0 && p->key_span > 0) {
        return clattn__refuse(
            "attention: args.k.size[0] (page) is 0: page_table has nothing to name");
    }
    return CLATTN_OK;
}

/* ---- Operands ------------------------------------------------------------------ */

/* An operand that the descriptor did not announce would be ignored: refuse it. */
static clattn_status check_announced(const clattn_attention_desc *d,
                                     const clattn_attention_args *args)
{
    const struct {
        const char *field, *flag;
        bool announced;
        cl_mem mem;
    } operands[] = {
        {"bias", "CLATTN_WITH_BIAS", d->with & CLATTN_WITH_BIAS, args->bias.mem},
        {"mask", "CLATTN_WITH_MASK", d->with & CLATTN_WITH_MASK, args->mask.mem},
        {"alibi", "CLATTN_WITH_ALIBI", d->with & CLATTN_WITH_ALIBI, args->alibi.mem},
        {"weights", "CLATTN_WITH_WEIGHTS", d->with & CLATTN_WITH_WEIGHTS, args->weights.mem},
        {"offset", "align CLATTN_OFFSET", d->align == CLATTN_OFFSET, args->offset.mem},
        {"page_table", "page_rows", d->page_rows > 0, args->page_table.mem},
        {"q_start", "packed", d->packed, args->q_start.mem},
        {"k_start", "packed", d->packed, args->k_start.mem},
        {"k_scale", "kv_type I8", d->kv_type == CLATTN_I8, args->k_scale.mem},
        {"v_scale", "kv_type I8", d->kv_type == CLATTN_I8, args->v_scale.mem},
    };
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++) {
        if (operands[i].mem && !operands[i].announced) {
            return clattn__refuse("attention: args.%s is given, but desc lacks %s",
                                  operands[i].field, operands[i].flag);
        }
    }
    return CLATTN_OK;
}

/* Packed rows are of one batch entry, whichever sequence asks. */
static void join_batch(struct clattn__view *view) { view->at[1] = 0; }

clattn_status clattn__attention_problem(const clattn_attention_desc *d, clattn_type q_type,
                                        clattn_type k_type, const clattn_attention_args *args,
                                        enum attention_use use, struct attention_problem *p)
{
    TRY(check_announced(d, args));
    clattn__attention_sizes(d, args, p);
    TRY(check_counts(d, p));
    if (args->k_start.mem && (d->page_rows || d->ring)) {
        return clattn__refuse("attention: args.k_start is given, but keys lie %s",
                              d->page_rows ? "on pages" : "in a ring");
    }
    const bool packed_keys = keys_are_packed(args);
    const int64_t B = p->batch, Bq = d->packed ? 1 : B, Nq = p->q_rows, Nk = p->k_rows;
    const int64_t Bk = d->page_rows ? p->pages : packed_keys ? 1 : B;
    const int64_t rows = d->page_rows ? d->page_rows : Nk;
    const int64_t H = d->query_heads, G = d->kv_heads, D = d->head_dim, Dv = d->value_dim;
    const unsigned F32 = 1u << CLATTN_F32, I32 = 1u << CLATTN_I32, U8 = 1u << CLATTN_U8;
    const unsigned any = CLATTN__BATCH | CLATTN__ROW | CLATTN__HEAD;
    const bool scaled = d->kv_type == CLATTN_I8, attends = use == ATTENDS;
    const struct {
        const char *field;
        const clattn_tensor *tensor;
        struct clattn__view *view;
        int64_t size[4];
        unsigned repeat, types;
        bool output, optional;
    } operands[] = {
        {"q", &args->q, &p->q, {Bq, Nq, H, D}, 0, 1u << q_type, false, false},
        {"k", &args->k, &p->k, {Bk, rows, G, D}, 0, 1u << k_type, false, false},
        {"v", &args->v, &p->v, {Bk, rows, G, Dv}, 0, 1u << d->kv_type, false, use == EXPLAINS},
        {"out", &args->out, &p->out, {Bq, Nq, H, Dv}, 0, 1u << d->out_type, true, !attends},
        {"bias",
         &args->bias,
         &p->bias,
         {B, Nq, H, p->key_span},
         any,
         1u << d->bias_type,
         false,
         !(d->with & CLATTN_WITH_BIAS)},
        {"mask",
         &args->mask,
         &p->mask,
         {B, Nq, H, p->key_span},
         any,
         U8,
         false,
         !(d->with & CLATTN_WITH_MASK)},
        {"alibi",
         &args->alibi,
         &p->alibi,
         {B, 1, H, 1},
         CLATTN__BATCH,
         F32,
         false,
         !(d->with & CLATTN_WITH_ALIBI)},
        {"sinks", &args->sinks, &p->sinks, {1, 1, H, 1}, 0, F32, false, true},
        {"kv_length", &args->kv_length, &p->kv_length, {B, 1, 1, 1}, 0, I32, false, true},
        {"offset",
         &args->offset,
         &p->offset,
         {B, 1, 1, 1},
         CLATTN__BATCH,
         I32,
         false,
         d->align != CLATTN_OFFSET},
        {"q_start", &args->q_start, &p->q_start, {1, 1, 1, B + 1}, 0, I32, false, !d->packed},
        {"k_start", &args->k_start, &p->k_start, {1, 1, 1, B + 1}, 0, I32, false, true},
        {"page_table",
         &args->page_table,
         &p->page_table,
         {B, 1, 1, args->page_table.size[3]},
         0,
         I32,
         false,
         !d->page_rows},
        {"k_scale",
         &args->k_scale,
         &p->k_scale,
         {Bk, rows, G, clattn__divide_up(D, 32)},
         0,
         F32,
         false,
         !scaled},
        {"v_scale",
         &args->v_scale,
         &p->v_scale,
         {Bk, rows, G, clattn__divide_up(Dv, 32)},
         0,
         F32,
         false,
         !scaled || use == EXPLAINS},
        {"lse", &args->lse, &p->lse, {Bq, Nq, H, 1}, 0, F32, attends, attends},
        {"weights",
         &args->weights,
         &p->weights,
         {B, Nq, H, p->key_span},
         0,
         F32,
         true,
         !(d->with & CLATTN_WITH_WEIGHTS)},
    };
    const size_t count = sizeof operands / sizeof *operands;
    for (size_t i = 0; i < count; i++) {
        struct clattn__want want = {.op = "attention",
                                    .field = operands[i].field,
                                    .repeat = operands[i].repeat,
                                    .types = operands[i].types,
                                    .output = operands[i].output,
                                    .optional = operands[i].optional};
        memcpy(want.size, operands[i].size, sizeof want.size);
        TRY(clattn__view(&want, operands[i].tensor, operands[i].view));
    }
    for (size_t o = 0; o < count; o++) {
        for (size_t i = 0; operands[o].output && i < count; i++) {
            if (i != o) {
                TRY(clattn__no_overlap("attention", operands[o].field, operands[o].view,
                                       operands[i].field, operands[i].view));
            }
        }
    }
    if (d->packed) {
        join_batch(&p->q);
        join_batch(&p->out);
        join_batch(&p->lse);
    }
    if (packed_keys) {
        join_batch(&p->k);
        join_batch(&p->v);
        join_batch(&p->k_scale);
        join_batch(&p->v_scale);
    }
    return CLATTN_OK;
}
