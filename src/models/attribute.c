#include "attribute.h"

#include "buffers.h"

#include <clattn/attribution.h>

#include <stdlib.h>
#include <string.h>

const char *const attribute_methods[] = {"attention", "value", "rollout", NULL};

struct attribution {
    const session *session;
    llama *model;
    const passages *spans;
    attribute_method method;
    buffers kept;
    clattn_op *share, *rollout;
    clattn_tensor cuts;
    clattn_tensor mass;     /* of all layers, one after the other */
    clattn_tensor mixed[2]; /* rollout up to a layer, and up to the next */
    int layers, heads;
    float *by_head; /* mass, read */
    float *masses;  /* tokens x layers x spans */
    size_t tokens;  /* noted */
    int32_t first;  /* what made the first of them: its place */
};

/* ---- Opening ----------------------------------------------------------------------------- */

static bool make_tensor(attribution *a, clattn_type type, int64_t rows, int64_t columns,
                        const void *data, clattn_tensor *out, reason *why)
{
    const size_t bytes = (size_t)(rows * columns) * clattn_type_size(type);
    *out = (clattn_tensor){.size = {1, rows, 1, columns}, .type = type};
    out->mem = buffers_make(a->session, &a->kept, bytes, data, why);
    return out->mem != NULL;
}

static bool make_cuts(attribution *a, reason *why)
{
    const size_t count = a->spans->count;
    int32_t *cuts = malloc((count + 1) * sizeof *cuts);
    if (!cuts) {
        return refuse(why, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        cuts[i] = a->spans->items[i].begin;
    }
    cuts[count] = a->spans->items[count - 1].end;
    const bool done = make_tensor(a, CLATTN_I32, 1, (int64_t)count + 1, cuts, &a->cuts, why);
    free(cuts);
    return done;
}

/* Of all layers in one buffer; zeros, where rows of several calls come together. */
static bool make_masses(attribution *a, reason *why)
{
    const int64_t spans = (int64_t)a->spans->count;
    const bool joins = a->method == ATTRIBUTE_ROLLOUT;
    const int64_t rows = joins ? spans : a->heads;
    float *zeros = calloc((size_t)(a->layers * rows * spans), sizeof *zeros);
    a->by_head = calloc((size_t)(a->layers * rows * spans), sizeof *a->by_head);
    bool done = ((zeros && a->by_head) || refuse(why, "out of memory")) &&
                make_tensor(a, CLATTN_F32, a->layers * rows, spans, zeros, &a->mass, why);
    for (int i = 0; done && joins && i < 2; i++) {
        done = make_tensor(a, CLATTN_F32, rows, spans, zeros, &a->mixed[i], why);
    }
    free(zeros);
    return done;
}

/* A layer's: of the last row's heads, or span by span. */
static clattn_tensor mass_of(const attribution *a, int layer)
{
    clattn_tensor mass = a->mass;
    mass.size[1] /= a->layers;
    mass.offset = layer * mass.size[1] * mass.size[3];
    if (a->method != ATTRIBUTE_ROLLOUT) {
        mass.size[2] = mass.size[1];
        mass.size[1] = 1;
    }
    return mass;
}

static bool make_ops(attribution *a, reason *why)
{
    const bool joins = a->method == ATTRIBUTE_ROLLOUT;
    const clattn_attribution_desc share = {.attention = llama_attention_of(a->model),
                                           .value_weighted = a->method == ATTRIBUTE_VALUE,
                                           .rows = joins ? CLATTN_ROWS_BY_SPAN : CLATTN_ROWS_EACH,
                                           .heads = joins ? CLATTN_HEADS_MEAN : CLATTN_HEADS_EACH};
    const clattn_rollout_desc rollout = {0};
    if (clattn_attribution_create(a->session->context, &share, &a->share) != CLATTN_OK ||
        (joins && clattn_rollout_create(a->session->context, &rollout, &a->rollout) != CLATTN_OK)) {
        return refuse(why, "%s", clattn_error());
    }
    return true;
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

static clattn_status attended(void *user, int layer, const clattn_attention_args *args)
{
    const attribution *a = user;
    clattn_attribution_args call = {.attention = *args,
                                    .spans = a->cuts,
                                    .mass = mass_of(a, layer),
                                    .accumulate = a->method == ATTRIBUTE_ROLLOUT};
    if (a->method != ATTRIBUTE_ROLLOUT) {
        call.attention.q = last_row(&args->q);
        call.attention.lse = last_row(&args->lse);
    }
    return clattn_attribution_run(a->share, a->session->queue, &call, NULL);
}

bool attribution_open(const session *s, llama *model, const passages *p, attribute_method method,
                      attribution **out, reason *why)
{
    attribution *a = calloc(1, sizeof *a);
    if (!a) {
        return refuse(why, "out of memory");
    }
    *a = (attribution){.session = s,
                       .model = model,
                       .spans = p,
                       .method = method,
                       .layers = llama_shape_of(model)->layers,
                       .heads = llama_shape_of(model)->heads};
    if (!make_cuts(a, why) || !make_masses(a, why) || !make_ops(a, why) ||
        !llama_watch(model, attended, a, why)) {
        attribution_close(a);
        return false;
    }
    *out = a;
    return true;
}

void attribution_close(attribution *a)
{
    if (!a) {
        return;
    }
    clattn_op_destroy(a->share);
    clattn_op_destroy(a->rollout);
    buffers_release(&a->kept);
    free(a->by_head);
    free(a->masses);
    free(a);
}

/* ---- Taking ------------------------------------------------------------------------------ */

static bool read_rows(const attribution *a, const clattn_tensor *from, int64_t row, int64_t count,
                      float *to, reason *why)
{
    const size_t bytes = a->spans->count * sizeof *to;
    const cl_int code =
        clEnqueueReadBuffer(a->session->queue, from->mem, CL_TRUE, (size_t)row * bytes,
                            (size_t)count * bytes, to, 0, NULL, NULL);
    return code == CL_SUCCESS || refuse(why, "reading attribution gave OpenCL error %d", code);
}

/* The span that ends with the token that made the n-th of the answer. */
static int64_t span_before(const attribution *a, size_t n)
{
    int64_t row = 0;
    while (a->spans->items[row].end <= a->first + (int32_t)n) {
        row++;
    }
    return row;
}

static float *kept_of(const attribution *a, size_t token, int layer)
{
    return a->masses + (token * (size_t)a->layers + (size_t)layer) * a->spans->count;
}

/* The mean of heads is taken here: on the device it were another launch for each layer. */
static bool read_heads(const attribution *a, float *to, reason *why)
{
    const size_t spans = a->spans->count, heads = (size_t)a->heads;
    if (!read_rows(a, &a->mass, 0, a->layers * a->heads, a->by_head, why)) {
        return false;
    }
    for (size_t layer = 0; layer < (size_t)a->layers; layer++) {
        for (size_t s = 0; s < spans; s++) {
            float sum = 0;
            for (size_t h = 0; h < heads; h++) {
                sum += a->by_head[(layer * heads + h) * spans + s];
            }
            to[layer * spans + s] = sum / (float)heads;
        }
    }
    return true;
}

bool attribution_note(attribution *a, reason *why)
{
    const size_t step = (size_t)a->layers * a->spans->count;
    float *more = realloc(a->masses, (a->tokens + 1) * step * sizeof *more);
    if (!more) {
        return refuse(why, "out of memory");
    }
    a->masses = more;
    a->first = a->tokens ? a->first : llama_rows(a->model) - 1;
    a->tokens++;
    return a->rollout || read_heads(a, kept_of(a, a->tokens - 1, 0), why);
}

/* Rows do not depend on later ones: one rollout at the end serves all tokens. */
const float *attribution_masses(attribution *a, reason *why)
{
    for (int i = 0; i < a->layers && a->rollout; i++) {
        clattn_rollout_args args = {.mass = mass_of(a, i), .rollout = a->mixed[i % 2]};
        if (i > 0) {
            args.previous = a->mixed[(i - 1) % 2];
        }
        if (clattn_rollout_run(a->rollout, a->session->queue, &args, NULL) != CLATTN_OK) {
            refuse(why, "rollout: %s", clattn_error());
            return NULL;
        }
        for (size_t n = 0; n < a->tokens; n++) {
            if (!read_rows(a, &args.rollout, span_before(a, n), 1, kept_of(a, n, i), why)) {
                return NULL;
            }
        }
    }
    return a->masses;
}
