/* Random numbers of kinds, from the generator that the models have. */
#ifndef CHECK_RNG_H
#define CHECK_RNG_H

#include "../../src/models/common/rng.h"

#include <math.h>

/* 0 <= n < below */
static inline int64_t rng_below(struct rng *rng, int64_t below)
{
    return (int64_t)(rng_next(rng) % (uint64_t)below);
}

/* Normal, by Box and Muller. */
static inline double rng_normal(struct rng *rng)
{
    const double u = (double)((rng_next(rng) >> 11) + 1) / 9007199254740993.0;
    const double w = (double)(rng_next(rng) >> 11) / 9007199254740992.0;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * w);
}

#endif /* CHECK_RNG_H */
