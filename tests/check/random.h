/* For making random cases. */
#ifndef CHECK_RANDOM_H
#define CHECK_RANDOM_H

#include "rng.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends to a line. */
void random_add(char *line, size_t bytes, const char *format, ...);

#define PICK(rng, list) (list)[rng_below(rng, (int64_t)(sizeof(list) / sizeof *(list)))]

/* "f32", "f16" or "bf16"; "bnhd", "bhnd" or "gaps" */
const char *random_type(struct rng *rng);
const char *random_layout(struct rng *rng);

/* True once in n times. */
bool random_one_of(struct rng *rng, int64_t n);

/* What may be said of any attention; weights at one of the first stages of softmax, masked, scores,
 * softcap. */
void random_options(struct rng *rng, int n_k, int stages, char *line, size_t bytes);

void random_attention(struct rng *rng, char *line, size_t bytes);

#endif /* CHECK_RANDOM_H */
