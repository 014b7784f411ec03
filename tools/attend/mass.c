#include "mass.h"
#include "heatmap.h"
#include "shared/message.h"

#include <stdlib.h>

bool attend_mass_prepare(call *c)
{
    const attend_inputs *in = c->inputs;
    const attend_options *o = c->options;
    if (!o->out[OUT_MASS] && !o->out[OUT_HEATMAP]) {
        return true;
    }
    const size_t rows = (size_t)(in->batch * in->n_q * in->query_heads);
    if (!o->out[OUT_LSE] &&
        !(c->lse = session_buffer(c->session, rows * sizeof(float), NULL, "lse"))) {
        return false;
    }
    if (!in->layer) {
        return true;
    }
    c->scratch =
        session_buffer(c->session, clattn_mha_scratch(c->op, &c->args), NULL, "the projections");
    return c->scratch != NULL;
}

/* ---- A pass ------------------------------------------------------------------------- */

typedef struct pass {
    const call *call;
    clattn_attribution_desc desc;
    clattn_attribution_args args; /* but for mass */
    int64_t shape[4];             /* of mass: batch, heads, queries, spans; one more with sinks */
    result slot;
} pass;

/* False after a line; mass is released by the caller. */
static bool run_pass(pass *p, cl_mem mass)
{
    const session *s = p->call->session;
    clattn_op *op = NULL;
    p->args.mass = call_heads_first(mass, CLATTN_F32, p->shape);
    const bool done = clattn_attribution_create(s->context, &p->desc, &op) == CLATTN_OK &&
                      clattn_attribution_run(op, s->queue, &p->args, NULL) == CLATTN_OK;
    if (!done) {
        fail("--%s: %s", result_names[p->slot], clattn_error());
    }
    clattn_op_destroy(op);
    return done;
}

static bool measure(pass *p, attend_results *results)
{
    const session *s = p->call->session;
    const char *name = result_names[p->slot];
    clattn_array *a = &results->out[p->slot];
    p->shape[3] += p->args.attention.sinks.mem ? 1 : 0;
    if (clattn_array_make(CLATTN_ARRAY_F32, 4, p->shape, a) != CLATTN_OK) {
        fail("--%s: %s", name, clattn_error());
        return false;
    }
    const size_t bytes = (size_t)clattn_array_count(a) * sizeof(float);
    cl_mem mass = session_buffer(s, bytes, NULL, name);
    const bool done = mass && run_pass(p, mass) && session_read(s, mass, bytes, a->data, name);
    if (mass) {
        clReleaseMemObject(mass);
    }
    return done;
}

/* The attention that was run, as attribution takes it. */
static bool begin(const call *c, result slot, pass *p)
{
    const attend_inputs *in = c->inputs;
    *p = (pass){.call = c,
                .desc = {.attention = c->desc.attention},
                .args = {.attention = c->args.attention},
                .shape = {in->batch, in->query_heads, in->n_q, 0},
                .slot = slot};
    if (in->layer && clattn_mha_attention(c->op, &c->args, &p->args.attention) != CLATTN_OK) {
        fail("--%s: %s", result_names[slot], clattn_error());
        return false;
    }
    return true;
}

static clattn_tensor cut_points(cl_mem mem, int64_t spans)
{
    return (clattn_tensor){.mem = mem, .size = {1, 1, 1, spans + 1}, .type = CLATTN_I32};
}

static bool measure_spans(const call *c, attend_results *results)
{
    pass p;
    if (!begin(c, OUT_MASS, &p)) {
        return false;
    }
    p.shape[3] = c->inputs->in[IN_SPANS].shape[0] - 1;
    p.args.spans = cut_points(c->in[IN_SPANS], p.shape[3]);
    return measure(&p, results);
}

/* ---- Cells of the heat map -------------------------------------------------------------- */

/* Of pages the batch is not an axis. */
static void keep_first_batch(clattn_attention_args *args, bool pages)
{
    clattn_tensor *const batched[] = {&args->q,         &args->lse,        &args->bias, &args->mask,
                                      &args->kv_length, &args->page_table, &args->k,    &args->v,
                                      &args->k_scale,   &args->v_scale};
    const size_t count = sizeof batched / sizeof batched[0] - (pages ? 4 : 0);
    for (size_t i = 0; i < count; i++) {
        if (batched[i]->size[0] > 1) {
            batched[i]->size[0] = 1;
        }
    }
}

static cl_mem make_cells(const call *c, int64_t bin, int64_t cells)
{
    int32_t *cut = malloc((size_t)(cells + 1) * sizeof *cut);
    for (int64_t s = 0; cut && s <= cells; s++) {
        cut[s] = (int32_t)(s < cells ? s * bin : c->inputs->n_k);
    }
    cl_mem mem =
        cut ? session_buffer(c->session, (size_t)(cells + 1) * sizeof *cut, cut, "cells") : NULL;
    if (!cut) {
        fail("--heatmap: out of memory");
    }
    free(cut);
    return mem;
}

static bool measure_cells(const call *c, attend_results *results)
{
    const bool mean = c->options->heatmap_mean;
    const int64_t tiles = mean ? 1 : c->inputs->query_heads;
    const int64_t bin = heatmap_bin(tiles, c->inputs->n_k);
    pass p;
    if (!begin(c, OUT_HEATMAP, &p)) {
        return false;
    }
    keep_first_batch(&p.args.attention, c->options->page_rows > 0);
    p.desc.heads = mean ? CLATTN_HEADS_MEAN : CLATTN_HEADS_EACH;
    p.shape[0] = 1;
    p.shape[1] = tiles;
    p.shape[3] = (c->inputs->n_k + bin - 1) / bin;
    cl_mem cut = make_cells(c, bin, p.shape[3]);
    p.args.spans = cut_points(cut, p.shape[3]);
    const bool done = cut && measure(&p, results);
    if (cut) {
        clReleaseMemObject(cut);
    }
    return done;
}

bool attend_mass_run(const call *c, attend_results *results)
{
    return (!c->options->out[OUT_MASS] || measure_spans(c, results)) &&
           (!c->options->out[OUT_HEATMAP] || measure_cells(c, results));
}
