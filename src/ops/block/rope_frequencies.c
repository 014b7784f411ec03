/* Sources: Su et al. 2021 (RoPE), Chen et al. 2023 (linear), Peng et al. 2023 (NTK-aware, YaRN),
 * Llama 3.1's model card (Llama-3). */
#include "rope_frequencies.h"
#include "ops/common/simple.h"

#include "registry/context.h"

#include <math.h>
#include <stddef.h>

static const double PI = 3.14159265358979323846;

/* ---- Descriptor ------------------------------------------------------------- */

enum { MAX_DIM = 512 };

enum {
    LINEAR = 1 << CLATTN_ROPE_LINEAR,
    NTK = 1 << CLATTN_ROPE_NTK,
    YARN = 1 << CLATTN_ROPE_YARN,
    LLAMA3 = 1 << CLATTN_ROPE_LLAMA3
};

/* Numbers that belong to scalings: each is finite and positive where its scaling is chosen, and
 * absent elsewhere. */
static const struct {
    const char *name;
    size_t at;
    unsigned scalings;
    float standard; /* 0 = required */
} numbers[] = {
    {"factor", offsetof(clattn_rope_desc, factor), LINEAR | NTK | YARN | LLAMA3, 0},
    {"beta_fast", offsetof(clattn_rope_desc, beta_fast), YARN, 32},
    {"beta_slow", offsetof(clattn_rope_desc, beta_slow), YARN, 1},
    {"magnitude", offsetof(clattn_rope_desc, magnitude), YARN, -1 /* by factor, below */},
    {"low_factor", offsetof(clattn_rope_desc, low_factor), LLAMA3, 1},
    {"high_factor", offsetof(clattn_rope_desc, high_factor), LLAMA3, 4},
};

static clattn_status complete_numbers(clattn_rope_desc *d)
{
    const float magnitude = d->factor > 1 ? 0.1f * logf(d->factor) + 1 : 1;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        float *value = (float *)((char *)d + numbers[i].at);
        if (!(numbers[i].scalings & 1u << d->scaling)) {
            if (*value != 0) {
                return clattn__refuse("rope: %s is %g, but this scaling has none", numbers[i].name,
                                      *value);
            }
            continue;
        }
        if (*value == 0) {
            *value = numbers[i].standard < 0 ? magnitude : numbers[i].standard;
        }
        if (!(*value > 0 && isfinite(*value))) {
            return clattn__refuse("rope: %s is %g, must be positive", numbers[i].name, *value);
        }
    }
    return CLATTN_OK;
}

static clattn_status check_order(const clattn_rope_desc *d)
{
    const bool has_original = (YARN | LLAMA3) & 1 << d->scaling;
    if (has_original ? d->original < 1 : d->original != 0) {
        return clattn__refuse("rope: original is %d, %s", d->original,
                              has_original ? "must be at least 1" : "but this scaling has none");
    }
    if (d->scaling == CLATTN_ROPE_YARN && d->beta_slow > d->beta_fast) {
        return clattn__refuse("rope: beta_slow is %g, must not be above beta_fast, %g",
                              d->beta_slow, d->beta_fast);
    }
    if (d->scaling == CLATTN_ROPE_LLAMA3 && d->low_factor >= d->high_factor) {
        return clattn__refuse("rope: low_factor is %g, must be below high_factor, %g",
                              d->low_factor, d->high_factor);
    }
    return CLATTN_OK;
}

static clattn_status complete_scaling(clattn_rope_desc *d)
{
    if ((unsigned)d->scaling > CLATTN_ROPE_LLAMA3) {
        return clattn__refuse("rope: scaling is %d, must be 0..%d", (int)d->scaling,
                              CLATTN_ROPE_LLAMA3);
    }
    if (d->tables) {
        const char *const field = d->base != 0                         ? "base"
                                  : d->scaling != CLATTN_ROPE_UNSCALED ? "scaling"
                                  : d->divisors                        ? "divisors"
                                                                       : NULL;
        if (field) {
            return clattn__refuse("rope: %s is given, but with tables angles are the caller's",
                                  field);
        }
    }
    d->base = d->base == 0 ? 10000 : d->base;
    if (!(d->base > 1 && isfinite(d->base))) {
        return clattn__refuse("rope: base is %g, must be greater than 1", d->base);
    }
    TRY(complete_numbers(d));
    TRY(check_order(d));
    for (int c = 0; d->divisors && c < d->rotary_dim / 2; c++) {
        if (!(d->divisors[c] > 0 && isfinite(d->divisors[c]))) {
            return clattn__refuse("rope: divisors[%d] is %g, must be positive", c, d->divisors[c]);
        }
    }
    return CLATTN_OK;
}

/* ---- Frequencies ------------------------------------------------------------- */

static double clamp(double x, double low, double high) { return fmin(fmax(x, low), high); }

/* The pair, a fraction, that turns so many times in the original length. */
static double pair_of_turns(const clattn_rope_desc *d, double turns)
{
    return d->rotary_dim * log(d->original / (turns * 2 * PI)) / (2 * log(d->base));
}

static double yarn(const clattn_rope_desc *d, int c, double f)
{
    const double low = fmax(floor(pair_of_turns(d, d->beta_fast)), 0);
    const double high = fmin(ceil(pair_of_turns(d, d->beta_slow)), d->rotary_dim - 1);
    const double slow = clamp((c - low) / fmax(high - low, 0.001), 0, 1);
    return slow * f / d->factor + (1 - slow) * f;
}

static double llama3(const clattn_rope_desc *d, double f)
{
    const double turns = d->original * f / (2 * PI); /* in the original length */
    const double fast = clamp((turns - d->low_factor) / (d->high_factor - d->low_factor), 0, 1);
    return (1 - fast) * f / d->factor + fast * f;
}

static double frequency(const clattn_rope_desc *d, int c)
{
    const double R = d->rotary_dim, f = pow(d->base, -2 * c / R);
    const double divisor = d->divisors ? d->divisors[c] : 1;
    switch (d->scaling) {
    case CLATTN_ROPE_LINEAR: return f / d->factor / divisor;
    /* base^(-2c/R) with the larger base; pair 0 keeps its frequency */
    case CLATTN_ROPE_NTK: return f * (c ? pow(d->factor, -2 * c / (R - 2)) : 1) / divisor;
    case CLATTN_ROPE_YARN: return yarn(d, c, f) / divisor;
    case CLATTN_ROPE_LLAMA3: return llama3(d, f) / divisor;
    case CLATTN_ROPE_UNSCALED: break;
    }
    return f / divisor;
}

/* ---- For the ops ------------------------------------------------------------- */

clattn_status clattn__rope_complete(clattn_rope_desc *d)
{
    const struct {
        const char *field;
        clattn_type type;
    } types[] = {{"type", d->type}, {"table_type", d->table_type}};
    if (d->head_dim < 2 || d->head_dim > MAX_DIM) {
        return clattn__refuse("rope: head_dim is %d, must be 2..%d", d->head_dim, MAX_DIM);
    }
    d->rotary_dim = d->rotary_dim ? d->rotary_dim : d->head_dim;
    if (d->rotary_dim < 2 || d->rotary_dim > d->head_dim || d->rotary_dim % 2) {
        return clattn__refuse("rope: rotary_dim is %d, must be even, 2..%d (head_dim)",
                              d->rotary_dim, d->head_dim);
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        TRY(clattn__check_float("rope", types[i].field, types[i].type));
    }
    return complete_scaling(d);
}

/* Turns per position, each in two floats, which hold 48 bits of it: all those of the larger parts,
 * then all the smaller ones, both filled up with zeros to whole vectors. */
clattn_status clattn__rope_frequencies(clattn_context *context, const clattn_rope_desc *d,
                                       cl_mem *out)
{
    enum { VECTOR = 16 }; /* as in kernels/block/rope.h */
    const int pairs = d ? d->rotary_dim / 2 : 1, pitch = (pairs + VECTOR - 1) / VECTOR * VECTOR;
    float turns[2 * (MAX_DIM / 2 + VECTOR)] = {0};
    cl_int code;
    for (int c = 0; d && c < pairs; c++) {
        const double exact = frequency(d, c) / (2 * PI);
        turns[c] = (float)exact;
        turns[pitch + c] = (float)(exact - turns[c]);
    }
    *out = clCreateBuffer(context->device.cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                          (size_t)(2 * pitch) * sizeof *turns, turns, &code);
    return clattn__opencl(code, "clCreateBuffer");
}
