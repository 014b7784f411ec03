#include "shares.h"

#include <stdlib.h>
#include <string.h>

/* Those of SmolLM2 whose attention tells best where an answer is from, layers 18 and 19 of 30
 * (docs/attribution.md), and the same depth of other models.  Rollout has all layers in its last.
 */
void shares_layers(attribute_method method, int layers, int *first, int *last)
{
    *first = method == ATTRIBUTE_ROLLOUT ? layers - 1 : layers * 17 / 30;
    *last = method == ATTRIBUTE_ROLLOUT ? layers - 1 : layers * 19 / 30 - 1;
    *last = *last < *first ? *first : *last;
}

static void add_token(const answer_sources *a, size_t n, shares *out)
{
    const size_t spans = a->passages->count;
    const int documents = a->documents->count;
    int first, last;
    shares_layers(a->method, a->layers, &first, &last);
    for (int layer = 0; layer < a->layers; layer++) {
        const float *mass = a->masses + (n * (size_t)a->layers + (size_t)layer) * spans;
        for (size_t s = 0; s < spans; s++) {
            const passage *p = &a->passages->items[s];
            const double part = mass[s] / (double)a->answer->count;
            if (p->kind == SOURCE_DOCUMENT) {
                out->by_layer[layer * documents + p->document] += part;
            }
            if (layer >= first && layer <= last) {
                out->token[n * spans + s] += mass[s] / (float)(last - first + 1);
                out->passage[s] += part / (last - first + 1);
            }
        }
    }
}

/* Each row divided by its sum, unless that is 0. */
static void normalise(double *rows, int count, int columns)
{
    for (int r = 0; r < count; r++) {
        double sum = 0;
        for (int c = 0; c < columns; c++) {
            sum += rows[r * columns + c];
        }
        for (int c = 0; c < columns && sum > 0; c++) {
            rows[r * columns + c] /= sum;
        }
    }
}

bool shares_add_up(const answer_sources *a, shares *out, reason *why)
{
    const size_t spans = a->passages->count, documents = (size_t)a->documents->count;
    *out = (shares){.token = calloc(a->answer->count * spans + 1, sizeof *out->token),
                    .passage = calloc(spans, sizeof *out->passage),
                    .document = calloc(documents + 1, sizeof *out->document),
                    .of_documents = calloc(documents + 1, sizeof *out->of_documents),
                    .by_layer = calloc((size_t)a->layers * documents + 1, sizeof *out->by_layer)};
    if (!out->token || !out->passage || !out->document || !out->of_documents || !out->by_layer) {
        shares_free(out);
        return refuse(why, "out of memory");
    }
    for (size_t n = 0; n < a->answer->count; n++) {
        add_token(a, n, out);
    }
    for (size_t s = 0; s < spans; s++) {
        const passage *p = &a->passages->items[s];
        out->kind[p->kind] += out->passage[s];
        if (p->kind == SOURCE_DOCUMENT) {
            out->document[p->document] += out->passage[s];
            out->of_documents[p->document] += out->passage[s];
        }
    }
    normalise(out->of_documents, 1, (int)documents);
    normalise(out->by_layer, a->layers, (int)documents);
    return true;
}

void shares_free(shares *s)
{
    free(s->token);
    free(s->passage);
    free(s->document);
    free(s->of_documents);
    free(s->by_layer);
    *s = (shares){0};
}

size_t shares_best(const answer_sources *a, const shares *s, size_t *order, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < a->passages->count; i++) {
        if (a->passages->items[i].kind != SOURCE_DOCUMENT) {
            continue;
        }
        size_t at = count < most ? count++ : most;
        for (; at > 0 && s->passage[order[at - 1]] < s->passage[i]; at--) {
            if (at < most) {
                order[at] = order[at - 1];
            }
        }
        if (at < most) {
            order[at] = i;
        }
    }
    return count;
}

const char *source_name(const answer_sources *a, source_kind kind, int document)
{
    static const char *const names[] = {[SOURCE_SINK] = "first token (sink)",
                                        [SOURCE_MARKUP] = "chat markup",
                                        [SOURCE_PROMPT] = "prompt",
                                        [SOURCE_ANSWER] = "answer so far"};
    if (kind != SOURCE_DOCUMENT) {
        return names[kind];
    }
    const char *path = a->documents->items[document], *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}
