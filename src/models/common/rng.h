/* A small generator with a seed that can be printed: splitmix64 (Steele et al. 2014). */
#ifndef MODELS_COMMON_RNG_H
#define MODELS_COMMON_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif /* MODELS_COMMON_RNG_H */
