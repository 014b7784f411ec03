/* Random cases: every option of attention in any combination, sizes that divide nothing. */
#include "check.h"
#include "rng.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add(char *line, size_t bytes, const char *format, ...)
{
    const size_t used = strlen(line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + used, bytes - used, format, arguments);
    va_end(arguments);
}

#define PICK(rng, list) (list)[rng_below(rng, (int64_t)(sizeof(list) / sizeof *(list)))]

static void random_attention(struct rng *rng, char *line, size_t bytes)
{
    static const int dims[] = {1, 3, 8, 16, 31, 40, 64, 72, 80, 96, 128, 200},
                     groups[] = {1, 1, 2, 3, 4, 8};
    static const char *const types[] = {"f32", "f16", "bf16"}, *const layouts[] = {"bnhd", "bhnd",
                                                                                   "gaps"};
    static const char *const axes[] = {"1", "n", "h", "bn", "bnh", "b", "nh"};
    static const char *const stages[] = {"scores", "softcap", "masked", "softmax"};
    const int batch = (int)rng_below(rng, 3) + 1, kv = (int)rng_below(rng, 3) + 1;
    const int n_q = (int)rng_below(rng, 5) == 0 ? 1 : (int)rng_below(rng, 90) + 1;
    const int n_k = (int)rng_below(rng, 150) + 1;
#define CHANCE(n) (rng_below(rng, n) == 0)
    add(line, bytes, " --batch %d --heads %d --kv-heads %d --nq %d --nk %d --head-dim %d", batch,
        kv * PICK(rng, groups), kv, n_q, n_k, PICK(rng, dims));
    add(line, bytes, " --layout %s --type %s", PICK(rng, layouts), PICK(rng, types));
    if (CHANCE(3))
        add(line, bytes, " --value-dim %d", PICK(rng, dims));
    if (CHANCE(4))
        add(line, bytes, " --out-type %s", PICK(rng, types));
    if (CHANCE(2))
        add(line, bytes, " --causal");
    if (CHANCE(4))
        add(line, bytes, " --offset top-left");
    else if (CHANCE(4))
        add(line, bytes, " --offset %d,%d", (int)rng_below(rng, 60) - 30, (int)rng_below(rng, 60));
    if (CHANCE(4))
        add(line, bytes, " --window %d,%d", (int)rng_below(rng, 40) - 1,
            (int)rng_below(rng, 40) - 1);
    if (CHANCE(4))
        add(line, bytes, " --softcap %d", (int)rng_below(rng, 30) + 1);
    if (CHANCE(5))
        add(line, bytes, " --scale 0.3");
    if (CHANCE(3))
        add(line, bytes, " --bias %s --bias-type %s", PICK(rng, axes), PICK(rng, types));
    if (CHANCE(3))
        add(line, bytes, " --mask %s", PICK(rng, axes));
    if (CHANCE(5))
        add(line, bytes, " --alibi %s", CHANCE(2) ? "h" : "bh");
    if (CHANCE(5))
        add(line, bytes, " --sinks");
    if (CHANCE(3))
        add(line, bytes, " --kv-length %d,%d", (int)rng_below(rng, n_k + 1),
            (int)rng_below(rng, n_k + 1));
    if (CHANCE(2))
        add(line, bytes, " --lse");
    if (CHANCE(5))
        add(line, bytes, " --weights %s", PICK(rng, stages));
    if (CHANCE(6))
        add(line, bytes, " --nan");
    add(line, bytes, " --seed %d", (int)rng_below(rng, 1000000));
#undef CHANCE
}

static void random_project(struct rng *rng, char *line, size_t bytes)
{
    static const char *const types[] = {"f32", "f16", "bf16"}, *const layouts[] = {"bnhd", "gaps"};
    add(line, bytes, " --batch %d --rows %d --in %d --out %d --layout %s --type %s%s --seed %d",
        (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 70) + 1, (int)rng_below(rng, 150) + 1,
        (int)rng_below(rng, 150) + 1, PICK(rng, layouts), PICK(rng, types),
        rng_below(rng, 2) ? " --with-bias" : "", (int)rng_below(rng, 1000000));
}

static void random_mha(struct rng *rng, char *line, size_t bytes)
{
    static const char *const types[] = {"f32", "f16", "bf16"};
    const int kv = (int)rng_below(rng, 3) + 1;
    add(line, bytes,
        " --batch %d --heads %d --kv-heads %d --nq %d --nk %d --head-dim %d --in %d --out %d "
        "--type %s",
        (int)rng_below(rng, 2) + 1, kv * ((int)rng_below(rng, 3) + 1), kv,
        (int)rng_below(rng, 40) + 1, (int)rng_below(rng, 40) + 1, (int)rng_below(rng, 40) + 1,
        (int)rng_below(rng, 80) + 1, (int)rng_below(rng, 80) + 1, PICK(rng, types));
    switch (rng_below(rng, 3)) {
    case 0: add(line, bytes, " --fused"); break;
    case 1: add(line, bytes, " --context %d", (int)rng_below(rng, 60) + 1); break;
    default: break;
    }
    add(line, bytes, "%s%s%s --seed %d", rng_below(rng, 2) ? " --with-bias" : "",
        rng_below(rng, 3) ? "" : " --no-out", rng_below(rng, 2) ? " --causal" : "",
        (int)rng_below(rng, 1000000));
}

void check_random_line(const char *op, uint64_t seed, char *line, size_t bytes)
{
    struct rng rng = {seed};
    snprintf(line, bytes, "%s", op);
    if (!strcmp(op, "project")) {
        random_project(&rng, line, bytes);
    } else if (!strcmp(op, "mha")) {
        random_mha(&rng, line, bytes);
    } else {
        random_attention(&rng, line, bytes);
    }
}
