/* Where an answer came from: the model is watched, and of each layer's attention the masses of the
 * passages are taken. */
#include <clattn/models/sources.h>

#include "common/error.h"
#include "llama.h"
#include "shares.h"

#include <clattn/attribution.h>

#include <stdlib.h>

struct clattn_sources {
    const clattn__home *home; /* the model's */
    clattn_model *model;
    clattn__passages spans;
    clattn_sources_method method;
    clattn__buffers kept;
    clattn_op *share, *rollout;
    clattn_tensor cuts;
    clattn_tensor mass;     /* of all layers, one after the other */
    clattn_tensor mixed[2]; /* rollout up to a layer, and up to the next */
    int32_t layers, heads, documents;
    float *by_head; /* mass, read */
    float *masses;  /* tokens x layers x spans */
    size_t tokens;  /* noted */
    int32_t first;  /* what made the first of them: its place */
};

static bool joins(const clattn_sources *a) { return a->method == CLATTN_SOURCES_ROLLOUT; }

const char *clattn_sources_method_name(clattn_sources_method method)
{
    static const char *const names[] = {"attention", "value", "rollout"};
    return (size_t)method < sizeof names / sizeof *names ? names[method] : NULL;
}

/* ---- What is asked for -------------------------------------------------------------------- */

static clattn_status check_parts(const clattn_sources_desc *d)
{
    size_t before = 0;
    for (size_t i = 0; i < d->part_count; i++) {
        const clattn_source_part *p = &d->parts[i];
        if (p->kind != CLATTN_SOURCE_MARKUP && p->kind != CLATTN_SOURCE_DOCUMENT &&
            p->kind != CLATTN_SOURCE_PROMPT) {
            return clattn__refuse("sources: part %zu is neither markup, document nor prompt", i);
        }
        if (p->kind == CLATTN_SOURCE_DOCUMENT && (p->document < 0 || p->document >= d->documents)) {
            return clattn__refuse("sources: part %zu is of document %d, of which there are %d", i,
                                  (int)p->document, (int)d->documents);
        }
        if (p->end < before || p->end > (size_t)d->prompt_count) {
            return clattn__refuse("sources: part %zu ends at token %zu, must end at %zu to %d", i,
                                  p->end, before, (int)d->prompt_count);
        }
        before = p->end;
    }
    return before == (size_t)d->prompt_count
               ? CLATTN_OK
               : clattn__refuse("sources: parts end at token %zu of %d", before,
                                (int)d->prompt_count);
}

static clattn_status check(const clattn_sources_desc *d)
{
    NEED(d->model, "sources: model");
    NEED(d->tokenizer, "sources: tokenizer");
    NEED(d->prompt, "sources: prompt");
    NEED(d->parts, "sources: parts");
    if (!clattn_sources_method_name(d->method)) {
        return clattn__refuse("sources: method is %d", (int)d->method);
    }
    if (d->documents < 0) {
        return clattn__refuse("sources: documents is %d, must not be negative", (int)d->documents);
    }
    if (d->prompt_count < 1 || d->prompt_count > d->rows || d->rows > clattn_model_room(d->model)) {
        return clattn__refuse("sources: prompt_count is %d, must be 1 to rows, which is %d, of the "
                              "model's %d",
                              (int)d->prompt_count, (int)d->rows, (int)clattn_model_room(d->model));
    }
    if (clattn_model_rows(d->model) != 0) {
        return clattn__refuse("sources: the model has read %d tokens before",
                              (int)clattn_model_rows(d->model));
    }
    return check_parts(d);
}

/* ---- Opening ----------------------------------------------------------------------------- */

static clattn_status make_tensor(clattn_sources *a, clattn_type type, int64_t rows, int64_t columns,
                                 const void *data, clattn_tensor *out)
{
    const size_t bytes = (size_t)(rows * columns) * clattn_type_size(type);
    *out = (clattn_tensor){.size = {1, rows, 1, columns}, .type = type};
    return clattn__buffers_add(a->home, &a->kept, bytes, data, &out->mem);
}

static clattn_status make_cuts(clattn_sources *a)
{
    const size_t count = a->spans.count;
    int32_t *cuts = malloc((count + 1) * sizeof *cuts);
    if (!cuts) {
        return clattn__no_memory();
    }
    for (size_t i = 0; i < count; i++) {
        cuts[i] = a->spans.items[i].begin;
    }
    cuts[count] = a->spans.items[count - 1].end;
    const clattn_status status = make_tensor(a, CLATTN_I32, 1, (int64_t)count + 1, cuts, &a->cuts);
    free(cuts);
    return status;
}

/* Of all layers in one buffer; zeros, where rows of several calls come together. */
static clattn_status make_masses(clattn_sources *a)
{
    const int64_t spans = (int64_t)a->spans.count;
    const int64_t rows = joins(a) ? spans : a->heads;
    float *zeros = calloc((size_t)(a->layers * rows * spans), sizeof *zeros);
    a->by_head = calloc((size_t)(a->layers * rows * spans), sizeof *a->by_head);
    clattn_status status =
        zeros && a->by_head ? make_tensor(a, CLATTN_F32, a->layers * rows, spans, zeros, &a->mass)
                            : clattn__no_memory();
    for (int i = 0; status == CLATTN_OK && joins(a) && i < 2; i++) {
        status = make_tensor(a, CLATTN_F32, rows, spans, zeros, &a->mixed[i]);
    }
    free(zeros);
    return status;
}

/* A layer's: of the last row's heads, or span by span. */
static clattn_tensor mass_of(const clattn_sources *a, int layer)
{
    clattn_tensor mass = a->mass;
    mass.size[1] /= a->layers;
    mass.offset = layer * mass.size[1] * mass.size[3];
    if (!joins(a)) {
        mass.size[2] = mass.size[1];
        mass.size[1] = 1;
    }
    return mass;
}

static clattn_status make_ops(clattn_sources *a)
{
    const clattn_attribution_desc share = {
        .attention = clattn_model_attention(a->model),
        .value_weighted = a->method == CLATTN_SOURCES_VALUE,
        .rows = joins(a) ? CLATTN_ROWS_BY_SPAN : CLATTN_ROWS_EACH,
        .heads = joins(a) ? CLATTN_HEADS_MEAN : CLATTN_HEADS_EACH};
    const clattn_rollout_desc rollout = {0};
    TRY(clattn_attribution_create(a->home->context, &share, &a->share));
    return joins(a) ? clattn_rollout_create(a->home->context, &rollout, &a->rollout) : CLATTN_OK;
}

/* ---- Watching ---------------------------------------------------------------------------- */

/* The last row of a tensor of queries. */
static clattn_tensor last_row(const clattn_tensor *all)
{
    clattn_tensor row = *all;
    const int64_t dense = all->size[2] * all->size[3];
    row.offset += (all->size[1] - 1) * (all->stride[1] ? all->stride[1] : dense);
    row.size[1] = 1;
    return row;
}

static clattn_status attended(void *user, int32_t layer, const clattn_attention_args *args)
{
    const clattn_sources *a = user;
    clattn_attribution_args call = {
        .attention = *args, .spans = a->cuts, .mass = mass_of(a, layer), .accumulate = joins(a)};
    if (!joins(a)) {
        call.attention.q = last_row(&args->q);
        call.attention.lse = last_row(&args->lse);
    }
    return clattn_attribution_run(a->share, a->home->queue, &call, NULL);
}

/* d: with nothing left to be chosen. */
static clattn_status open_sources(clattn_sources *a, const clattn_sources_desc *d)
{
    const clattn_model_shape *shape = clattn_model_shape_of(d->model);
    a->home = clattn__llama_home(d->model);
    a->method = d->method;
    a->layers = shape->layers;
    a->heads = shape->heads;
    a->documents = d->documents;
    TRY(clattn__passages_cut(d, &a->spans));
    a->model = d->model;
    TRY(make_cuts(a));
    TRY(make_masses(a));
    TRY(make_ops(a));
    return clattn_model_watch(d->model, attended, a);
}

clattn_status clattn_sources_create(const clattn_sources_desc *desc, clattn_sources **out)
{
    NEED(desc, "sources: desc");
    NEED(out, "sources: out");
    clattn_sources_desc d = *desc;
    if (d.rows == 0 && d.model) {
        d.rows = clattn_model_room(d.model);
    }
    TRY(check(&d));
    clattn_sources *a = calloc(1, sizeof *a);
    if (!a) {
        return clattn__no_memory();
    }
    const clattn_status status = open_sources(a, &d);
    if (status == CLATTN_OK) {
        *out = a;
    } else {
        clattn_sources_destroy(a);
    }
    return status;
}

void clattn_sources_destroy(clattn_sources *a)
{
    if (!a) {
        return;
    }
    if (a->model) {
        clattn_model_watch(a->model, NULL, NULL);
    }
    clattn_op_destroy(a->share);
    clattn_op_destroy(a->rollout);
    clattn__buffers_release(&a->kept);
    clattn__passages_free(&a->spans);
    free(a->by_head);
    free(a->masses);
    free(a);
}

const clattn_passage *clattn_sources_passages(const clattn_sources *a, size_t *count)
{
    *count = a->spans.count;
    return a->spans.items;
}

/* ---- Taking ------------------------------------------------------------------------------ */

static clattn_status read_rows(const clattn_sources *a, const clattn_tensor *from, int64_t row,
                               int64_t count, float *to)
{
    const size_t bytes = a->spans.count * sizeof *to;
    return CL(clEnqueueReadBuffer, a->home->queue, from->mem, CL_TRUE, (size_t)row * bytes,
              (size_t)count * bytes, to, 0, NULL, NULL);
}

/* The span that ends with the token that made the n-th of the answer. */
static int64_t span_before(const clattn_sources *a, size_t n)
{
    int64_t row = 0;
    while (a->spans.items[row].end <= a->first + (int32_t)n) {
        row++;
    }
    return row;
}

static float *kept_of(const clattn_sources *a, size_t token, int32_t layer)
{
    return a->masses + (token * (size_t)a->layers + (size_t)layer) * a->spans.count;
}

/* The mean of heads is taken here: on the device it were another launch for each layer. */
static clattn_status read_heads(const clattn_sources *a, float *to)
{
    const size_t spans = a->spans.count, heads = (size_t)a->heads;
    TRY(read_rows(a, &a->mass, 0, a->layers * a->heads, a->by_head));
    for (size_t layer = 0; layer < (size_t)a->layers; layer++) {
        for (size_t s = 0; s < spans; s++) {
            float sum = 0;
            for (size_t h = 0; h < heads; h++) {
                sum += a->by_head[(layer * heads + h) * spans + s];
            }
            to[layer * spans + s] = sum / (float)heads;
        }
    }
    return CLATTN_OK;
}

clattn_status clattn_sources_note(clattn_sources *a)
{
    NEED(a, "sources");
    const size_t step = (size_t)a->layers * a->spans.count;
    const int32_t last = clattn_model_rows(a->model) - 1;
    if (last < 0 || last >= a->spans.items[a->spans.count - 1].end) {
        return clattn__refuse(
            "sources: the model has read %d tokens, of which 1 to %d can be noted", (int)last + 1,
            (int)a->spans.items[a->spans.count - 1].end);
    }
    float *more = realloc(a->masses, (a->tokens + 1) * step * sizeof *more);
    if (!more) {
        return clattn__no_memory();
    }
    a->masses = more;
    a->first = a->tokens ? a->first : last;
    if (!joins(a)) {
        TRY(read_heads(a, kept_of(a, a->tokens, 0)));
    }
    a->tokens++;
    return CLATTN_OK;
}

/* ---- Adding up ---------------------------------------------------------------------------- */

/* Rows do not depend on later ones: one rollout at the end serves all tokens. */
static clattn_status roll_out(clattn_sources *a)
{
    for (int32_t i = 0; i < a->layers; i++) {
        clattn_rollout_args args = {.mass = mass_of(a, i), .rollout = a->mixed[i % 2]};
        if (i > 0) {
            args.previous = a->mixed[(i - 1) % 2];
        }
        const clattn_status status = clattn_rollout_run(a->rollout, a->home->queue, &args, NULL);
        if (status != CLATTN_OK) {
            return clattn__within(status, "%s", "rollout");
        }
        for (size_t n = 0; n < a->tokens; n++) {
            TRY(read_rows(a, &args.rollout, span_before(a, n), 1, kept_of(a, n, i)));
        }
    }
    return CLATTN_OK;
}

clattn_status clattn_sources_shares(clattn_sources *a, clattn_shares *out)
{
    NEED(a, "sources");
    NEED(out, "sources: out");
    if (joins(a)) {
        TRY(roll_out(a));
    }
    const clattn__noted n = {a->method, &a->spans, a->layers, a->documents, a->tokens, a->masses};
    return clattn__shares_add_up(&n, out);
}
