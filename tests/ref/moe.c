#include "ref.h"

#include <math.h>

static double score(const struct ref_moe *m, double logit, double max)
{
    return m->sigmoid ? 1 / (1 + exp(-logit)) : exp(logit - max);
}

void ref_moe_logits(int64_t tokens, const struct ref_moe *m, const double *x, double *logits)
{
    ref_project(tokens, m->expert[0].model_dim, m->experts, x, m->router, m->router_bias, logits);
}

/* The chosen experts of one token, best first, and their weights. */
static void route(const struct ref_moe *m, const double *logits, double *chosen, double *weights)
{
    double sum = 0;
    ref_topk(m->experts, logits, m->k, weights, chosen);
    const double max = weights[0];
    for (int64_t e = 0; e < m->experts; e++) {
        sum += score(m, logits[e], max);
    }
    if (m->renormalise) {
        sum = 0;
        for (int64_t n = 0; n < m->k; n++) {
            sum += score(m, weights[n], max);
        }
    } else if (m->sigmoid) {
        sum = 1;
    }
    for (int64_t n = 0; n < m->k; n++) {
        weights[n] = score(m, weights[n], max) / sum;
    }
}

void ref_moe(int64_t tokens, const struct ref_moe *m, const double *x, double *y)
{
    const int64_t model = m->expert[0].model_dim;
    double *logits = ref_array(tokens * m->experts), *given = ref_array(model);
    double *chosen = ref_array(m->k), *weights = ref_array(m->k);
    ref_moe_logits(tokens, m, x, logits);
    for (int64_t t = 0; t < tokens; t++) {
        route(m, logits + t * m->experts, chosen, weights);
        for (int64_t c = 0; c < model; c++) {
            y[t * model + c] = 0;
        }
        for (int64_t n = 0; n < m->k; n++) {
            ref_ffn(1, &m->expert[(int64_t)chosen[n]], x + t * model, given);
            for (int64_t c = 0; c < model; c++) {
                y[t * model + c] += weights[n] * given[c];
            }
        }
    }
    free(logits);
    free(given);
    free(chosen);
    free(weights);
}
