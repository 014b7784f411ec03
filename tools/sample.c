#include "sample.h"

#include "rng.h"

#include <math.h>
#include <stdlib.h>

typedef struct candidate {
    int32_t id;
    float logit;
} candidate;

struct sampler {
    sampling how;
    int32_t vocabulary;
    struct rng rng;
    candidate *candidates;
};

sampler *sampler_create(const sampling *how, int32_t vocabulary)
{
    sampler *s = calloc(1, sizeof *s);
    if (s) {
        s->how = *how;
        s->vocabulary = vocabulary;
        s->rng.state = how->seed;
        s->candidates = malloc((size_t)vocabulary * sizeof *s->candidates);
    }
    if (s && !s->candidates) {
        free(s);
        s = NULL;
    }
    return s;
}

void sampler_destroy(sampler *s)
{
    if (s) {
        free(s->candidates);
    }
    free(s);
}

/* Of equal ones the first; NaN is never the most likely. */
static int32_t most_likely(const float *logits, int32_t count)
{
    int32_t best = 0;
    for (int32_t n = 1; n < count; n++) {
        if (logits[n] > logits[best] || (isnan(logits[best]) && !isnan(logits[n]))) {
            best = n;
        }
    }
    return best;
}

static int more_likely_first(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    return x->logit > y->logit ? -1 : x->logit < y->logit ? 1 : x->id < y->id ? -1 : 1;
}

/* Those that are left, most likely first. */
static int32_t choose_from(sampler *s, const float *logits)
{
    const float top = logits[most_likely(logits, s->vocabulary)];
    const float t = s->how.temperature;
    /* Less likely than this share of the most likely one is out; e^-30 never comes up. */
    const float least = s->how.min_p > 0 ? logf(s->how.min_p) : -30;
    int32_t count = 0;
    for (int32_t n = 0; n < s->vocabulary; n++) {
        if ((logits[n] - top) / t >= least) {
            s->candidates[count++] = (candidate){n, logits[n]};
        }
    }
    qsort(s->candidates, (size_t)count, sizeof *s->candidates, more_likely_first);
    return s->how.top_k > 0 && s->how.top_k < count ? s->how.top_k : count;
}

static double weight_of(const sampler *s, int32_t n)
{
    return exp(((double)s->candidates[n].logit - s->candidates[0].logit) / s->how.temperature);
}

int32_t sampler_next(sampler *s, const float *logits)
{
    if (s->how.temperature <= 0) {
        return most_likely(logits, s->vocabulary);
    }
    int32_t count = choose_from(s, logits);
    double sum = 0, reached = 0;
    for (int32_t n = 0; n < count; n++) {
        sum += weight_of(s, n);
    }
    if (count == 0 || !isfinite(sum)) {
        return most_likely(logits, s->vocabulary);
    }
    int32_t kept = 0;
    while (kept < count && (kept == 0 || reached < s->how.top_p * sum)) {
        reached += weight_of(s, kept++);
    }
    double left = (double)(rng_next(&s->rng) >> 11) / 9007199254740992.0 * reached;
    for (count = 0; count < kept - 1; count++) {
        left -= weight_of(s, count);
        if (left < 0) {
            break;
        }
    }
    return s->candidates[count].id;
}
