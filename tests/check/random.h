/* For making random cases. */
#ifndef CHECK_RANDOM_H
#define CHECK_RANDOM_H

#include "rng.h"

#include <stddef.h>

/* Appends to a line. */
void random_add(char *line, size_t bytes, const char *format, ...);

#define PICK(rng, list) (list)[rng_below(rng, (int64_t)(sizeof(list) / sizeof *(list)))]

/* "f32", "f16" or "bf16"; "bnhd", "bhnd" or "gaps" */
const char *random_type(struct rng *rng);
const char *random_layout(struct rng *rng);

void random_attention(struct rng *rng, char *line, size_t bytes);

#endif /* CHECK_RANDOM_H */
