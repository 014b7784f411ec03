/* Random cases: every option of attention in any combination, sizes that divide nothing. */
#include "random.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void random_add(char *line, size_t bytes, const char *format, ...)
{
    const size_t used = strlen(line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + used, bytes - used, format, arguments);
    va_end(arguments);
}

const char *random_type(struct rng *rng)
{
    static const char *const types[] = {"f32", "f16", "bf16"};
    return PICK(rng, types);
}

const char *random_layout(struct rng *rng)
{
    static const char *const layouts[] = {"bnhd", "bhnd", "gaps"};
    return PICK(rng, layouts);
}

bool random_one_of(struct rng *rng, int64_t n) { return rng_below(rng, n) == 0; }

void random_options(struct rng *rng, int n_k, int stages, char *line, size_t bytes)
{
    static const char *const axes[] = {"1", "n", "h", "bn", "bnh", "b", "nh"};
    static const char *const names[] = {"softmax", "masked", "scores", "softcap"};
    if (random_one_of(rng, 4))
        random_add(line, bytes, " --out-type %s", random_type(rng));
    if (random_one_of(rng, 2))
        random_add(line, bytes, " --causal");
    if (random_one_of(rng, 4))
        random_add(line, bytes, " --offset top-left");
    else if (random_one_of(rng, 4))
        random_add(line, bytes, " --offset %d,%d", (int)rng_below(rng, 60) - 30,
                   (int)rng_below(rng, 60));
    if (random_one_of(rng, 4))
        random_add(line, bytes, " --window %d,%d", (int)rng_below(rng, 40) - 1,
                   (int)rng_below(rng, 40) - 1);
    if (random_one_of(rng, 4))
        random_add(line, bytes, " --softcap %d", (int)rng_below(rng, 30) + 1);
    if (random_one_of(rng, 5))
        random_add(line, bytes, " --scale 0.3");
    if (random_one_of(rng, 3))
        random_add(line, bytes, " --bias %s --bias-type %s", PICK(rng, axes), random_type(rng));
    if (random_one_of(rng, 3))
        random_add(line, bytes, " --mask %s", PICK(rng, axes));
    if (random_one_of(rng, 5))
        random_add(line, bytes, " --alibi %s", random_one_of(rng, 2) ? "h" : "bh");
    if (random_one_of(rng, 5))
        random_add(line, bytes, " --sinks");
    if (random_one_of(rng, 3))
        random_add(line, bytes, " --kv-length %d,%d", (int)rng_below(rng, n_k + 1),
                   (int)rng_below(rng, n_k + 1));
    if (random_one_of(rng, 2))
        random_add(line, bytes, " --lse");
    if (random_one_of(rng, 5))
        random_add(line, bytes, " --weights %s", names[rng_below(rng, stages)]);
    if (random_one_of(rng, 6))
        random_add(line, bytes, " --nan");
    random_add(line, bytes, " --seed %d", (int)rng_below(rng, 1000000));
}

void random_attention(struct rng *rng, char *line, size_t bytes)
{
    static const int dims[] = {1, 3, 8, 16, 31, 40, 64, 72, 80, 96, 128, 200},
                     groups[] = {1, 1, 2, 3, 4, 8};
    const int batch = (int)rng_below(rng, 3) + 1, kv = (int)rng_below(rng, 3) + 1;
    const int n_q = (int)rng_below(rng, 5) == 0 ? 1 : (int)rng_below(rng, 90) + 1;
    const int n_k = (int)rng_below(rng, 150) + 1;
    random_add(line, bytes, " --batch %d --heads %d --kv-heads %d --nq %d --nk %d --head-dim %d",
               batch, kv * PICK(rng, groups), kv, n_q, n_k, PICK(rng, dims));
    random_add(line, bytes, " --layout %s --type %s", random_layout(rng), random_type(rng));
    if (random_one_of(rng, 3))
        random_add(line, bytes, " --value-dim %d", PICK(rng, dims));
    random_options(rng, n_k, 4, line, bytes);
}
