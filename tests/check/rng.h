/* A small generator with a seed that can be printed: splitmix64 (Steele et al. 2014). */
#ifndef CHECK_RNG_H
#define CHECK_RNG_H

#include <math.h>
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
