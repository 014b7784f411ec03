#include "sample.h"

#include "check/rng.h"

#include <math.h>
#include <stdlib.h>

typedef struct candidate {
    int32_t id;
    float weight; /* how likely it is beside the most likely one, 0 to 1 */
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

/* Of equal ones the first; NaN is never the most likely.  -1 = nothing else is there. */
static int32_t most_likely(const float *logits, int32_t count)
{
    int32_t best = -1;
    for (int32_t n = 0; n < count; n++) {
        if (!isnan(logits[n]) && (best < 0 || logits[n] > logits[best])) {
            best = n;
        }
    }
    return best;
}

/* Those that min_p leaves; sum: the weights of all tokens. */
static int32_t weigh(const sampler *s, const float *logits, float top, double *sum)
{
    enum { NEVER = -30 }; /* one of e^-30 does not come up */
    int32_t count = 0;
    *sum = 0;
    for (int32_t n = 0; n < s->vocabulary; n++) {
        const float power = (logits[n] - top) / s->how.temperature;
        if (power >= NEVER) { /* not so of NaN */
            const float weight = expf(power);
            *sum += weight;
            if (weight >= s->how.min_p) {
                s->candidates[count++] = (candidate){n, weight};
            }
        }
    }
    return count;
}

static bool more_likely(candidate a, candidate b)
{
    return a.weight > b.weight || (a.weight == b.weight && a.id < b.id);
}

static void swap(candidate *a, candidate *b)
{
    const candidate kept = *a;
    *a = *b;
    *b = kept;
}

/* Makes a heap, its most likely one first, of one that is a heap but at that place. */
static void sift(candidate *heap, int32_t count, int32_t at)
{
    for (int32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && more_likely(heap[child + 1], heap[child])) {
            child++;
        }
        if (!more_likely(heap[child], heap[at])) {
            return;
        }
        swap(&heap[child], &heap[at]);
    }
}

/* Takes the most likely ones to the end, as many as top_k and top_p leave; returns the first.  Most
 * of a vocabulary is out, so nothing is sorted. */
static int32_t take_most_likely(const sampler *s, int32_t count, double sum)
{
    candidate *c = s->candidates;
    const int32_t least = s->how.top_k > 0 && s->how.top_k < count ? count - s->how.top_k : 0;
    double reached = 0;
    int32_t first = count;
    for (int32_t at = count / 2; at-- > 0;) {
        sift(c, count, at);
    }
    while (first > least && (first == count || reached < s->how.top_p * sum)) {
        swap(&c[0], &c[--first]);
        reached += c[first].weight;
        sift(c, first, 0);
    }
    return first;
}

/* Each as often as its weight says. */
static int32_t draw(sampler *s, int32_t first, int32_t count)
{
    double sum = 0;
    for (int32_t n = first; n < count; n++) {
        sum += s->candidates[n].weight;
    }
    double left = (double)(rng_next(&s->rng) >> 11) / 9007199254740992.0 * sum;
    for (; first < count - 1; first++) {
        left -= s->candidates[first].weight;
        if (left < 0) {
            break;
        }
    }
    return s->candidates[first].id;
}

int32_t sampler_next(sampler *s, const float *logits)
{
    const int32_t best = most_likely(logits, s->vocabulary);
    if (s->how.temperature <= 0 || best < 0 || isinf(logits[best])) {
        return best;
    }
    double sum;
    const int32_t count = weigh(s, logits, logits[best], &sum);
    const bool all = s->how.top_k == 0 && s->how.top_p >= 1;
    return draw(s, all ? 0 : take_most_likely(s, count, sum), count);
}
