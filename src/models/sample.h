/* From logits to the next token. */
#ifndef TOOLS_SAMPLE_H
#define TOOLS_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

/* temperature 0 takes the most likely one.  The others leave tokens out: all but the k most likely
 * (0 = none), all behind those that together have probability top_p (1 = none; Holtzman et al.
 * 2020), and those less likely than min_p times the most likely one (0 = none).  Each looks at all
 * tokens, so that their order does not matter; the most likely one always stays. */
typedef struct sampling {
    float temperature, top_p, min_p;
    int32_t top_k;
    uint64_t seed;
} sampling;

typedef struct sampler sampler;

/* NULL without memory. */
sampler *sampler_create(const sampling *how, int32_t vocabulary);
void sampler_destroy(sampler *s);

/* -1 if no logit is a number. */
int32_t sampler_next(sampler *s, const float *logits);

#endif /* TOOLS_SAMPLE_H */
