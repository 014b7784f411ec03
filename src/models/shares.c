#include "shares.h"

#include "common/error.h"

#include <stdlib.h>

/* Those of SmolLM2 whose attention tells best where an answer is from, layers 18 and 19 of 30
 * (docs/attribution.md), and the same depth of other models. */
static void choose_layers(const clattn__noted *n, clattn_shares *out)
{
    const bool rollout = n->method == CLATTN_SOURCES_ROLLOUT;
    const int32_t first = rollout ? n->layers - 1 : n->layers * 17 / 30;
    const int32_t last = rollout ? n->layers - 1 : n->layers * 19 / 30 - 1;
    out->first_layer = first;
    out->last_layer = last < first ? first : last;
}

static void add_token(const clattn__noted *n, size_t token, clattn_shares *out)
{
    const size_t spans = n->passages->count;
    const int32_t first = out->first_layer, last = out->last_layer;
    for (int32_t layer = 0; layer < n->layers; layer++) {
        const float *mass = n->masses + (token * (size_t)n->layers + (size_t)layer) * spans;
        for (size_t s = 0; s < spans; s++) {
            const clattn_passage *p = &n->passages->items[s];
            const double part = mass[s] / (double)n->tokens;
            if (p->kind == CLATTN_SOURCE_DOCUMENT) {
                out->by_layer[layer * n->documents + p->document] += part;
            }
            if (layer >= first && layer <= last) {
                out->token[token * spans + s] += mass[s] / (float)(last - first + 1);
                out->passage[s] += part / (last - first + 1);
            }
        }
    }
}

/* Each row divided by its sum, unless that is 0. */
static void normalise(double *rows, int32_t count, int32_t columns)
{
    for (int32_t r = 0; r < count; r++) {
        double sum = 0;
        for (int32_t c = 0; c < columns; c++) {
            sum += rows[r * columns + c];
        }
        for (int32_t c = 0; c < columns && sum > 0; c++) {
            rows[r * columns + c] /= sum;
        }
    }
}

static bool make(const clattn__noted *n, clattn_shares *out)
{
    const size_t spans = n->passages->count, documents = (size_t)n->documents;
    *out = (clattn_shares){.tokens = n->tokens,
                           .token = calloc(n->tokens * spans + 1, sizeof *out->token),
                           .passage = calloc(spans, sizeof *out->passage),
                           .document = calloc(documents + 1, sizeof *out->document),
                           .of_documents = calloc(documents + 1, sizeof *out->of_documents),
                           .by_layer =
                               calloc((size_t)n->layers * documents + 1, sizeof *out->by_layer)};
    return out->token && out->passage && out->document && out->of_documents && out->by_layer;
}

clattn_status clattn__shares_add_up(const clattn__noted *n, clattn_shares *out)
{
    clattn_shares s;
    if (!make(n, &s)) {
        clattn_shares_free(&s);
        return clattn__no_memory();
    }
    choose_layers(n, &s);
    for (size_t token = 0; token < n->tokens; token++) {
        add_token(n, token, &s);
    }
    for (size_t i = 0; i < n->passages->count; i++) {
        const clattn_passage *p = &n->passages->items[i];
        s.kind[p->kind] += s.passage[i];
        if (p->kind == CLATTN_SOURCE_DOCUMENT) {
            s.document[p->document] += s.passage[i];
            s.of_documents[p->document] += s.passage[i];
        }
    }
    normalise(s.of_documents, 1, n->documents);
    normalise(s.by_layer, n->layers, n->documents);
    *out = s;
    return CLATTN_OK;
}

void clattn_shares_free(clattn_shares *s)
{
    free(s->token);
    free(s->passage);
    free(s->document);
    free(s->of_documents);
    free(s->by_layer);
    *s = (clattn_shares){.tokens = 0};
}
