#include <clattn/models/sampler.h>

#include "common/error.h"
#include "common/rng.h"

#include <math.h>
#include <stdlib.h>

typedef struct candidate {
    int32_t id;
    float weight; /* how likely it is beside the most likely one, 0 to 1 */
} candidate;

struct clattn_sampler {
    clattn_sampler_desc how;
    int32_t vocabulary;
    struct rng rng;
    candidate *candidates;
};

static clattn_status check(const clattn_sampler_desc *how, int32_t vocabulary)
{
    const struct {
        const char *name;
        float value, most;
    } rows[] = {{"temperature", how->temperature, HUGE_VALF},
                {"top_p", how->top_p, 1},
                {"min_p", how->min_p, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!(rows[i].value >= 0 && rows[i].value <= rows[i].most)) {
            return clattn__refuse("sampler: %s is %g, must be %s", rows[i].name,
                                  (double)rows[i].value, i ? "0 to 1" : "0 or more");
        }
    }
    if (how->top_k < 0) {
        return clattn__refuse("sampler: top_k is %d, must be 0 or more", (int)how->top_k);
    }
    if (vocabulary < 1) {
        return clattn__refuse("sampler: vocabulary is %d, must be 1 or more", (int)vocabulary);
    }
    return CLATTN_OK;
}

clattn_status clattn_sampler_create(const clattn_sampler_desc *desc, int32_t vocabulary,
                                    clattn_sampler **out)
{
    const clattn_sampler_desc how = desc ? *desc : (clattn_sampler_desc){0};
    NEED(out, "sampler: out");
    TRY(check(&how, vocabulary));
    clattn_sampler *s = calloc(1, sizeof *s);
    candidate *candidates = malloc((size_t)vocabulary * sizeof *candidates);
    if (!s || !candidates) {
        free(s);
        free(candidates);
        return clattn__no_memory();
    }
    *s = (clattn_sampler){how, vocabulary, {how.seed}, candidates};
    s->how.top_p = how.top_p > 0 ? how.top_p : 1;
    *out = s;
    return CLATTN_OK;
}

void clattn_sampler_destroy(clattn_sampler *s)
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
static int32_t weigh(const clattn_sampler *s, const float *logits, float top, double *sum)
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
static int32_t take_most_likely(const clattn_sampler *s, int32_t count, double sum)
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
static int32_t draw(clattn_sampler *s, int32_t first, int32_t count)
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

int32_t clattn_sampler_next(clattn_sampler *s, const float *logits)
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
