#include "ref.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

static double frequency(const struct ref_rope *r, int64_t c)
{
    const double R = (double)r->rotary_dim;
    const double f = pow(r->base, -2 * (double)c / R), scaled = f / r->factor;
    const double wave = 2 * PI / f;
    switch (r->scaling) {
    case REF_UNSCALED: return f;
    case REF_LINEAR: return scaled;
    case REF_NTK:
        return c == 0 ? 1 : pow(r->base * pow(r->factor, R / (R - 2)), -2 * (double)c / R);
    case REF_YARN: {
        /* base^(2c/R) = wave / 2 pi; pairs whose wave fits 32 times and once into the original */
        double low = floor(R * log(r->original / 32 / (2 * PI)) / (2 * log(r->base)));
        double high = ceil(R * log(r->original / (2 * PI)) / (2 * log(r->base)));
        low = low < 0 ? 0 : low;
        high = high > R - 1 ? R - 1 : high;
        const double share = high > low ? ((double)c - low) / (high - low) : c > low ? 1 : 0;
        const double slow = share < 0 ? 0 : share > 1 ? 1 : share;
        return f * (1 - slow) + scaled * slow;
    }
    case REF_LLAMA3: {
        if (wave < r->original / 4) {
            return f;
        }
        if (wave > r->original / 1) {
            return scaled;
        }
        const double smooth = (r->original / wave - 1) / (4 - 1);
        return (1 - smooth) * scaled + smooth * f;
    }
    }
    return NAN;
}

void ref_rope_angles(const struct ref_rope *r, int64_t position, double *cosines, double *sines)
{
    const double magnitude = r->scaling == REF_YARN && r->factor > 1 ? 0.1 * log(r->factor) + 1 : 1;
    for (int64_t c = 0; c < r->rotary_dim / 2; c++) {
        const double f = frequency(r, c) / (r->divisors ? r->divisors[c] : 1);
        cosines[c] = magnitude * cos((double)position * f);
        sines[c] = magnitude * sin((double)position * f);
    }
}

void ref_rope_turn(int64_t rotary_dim, bool interleaved, const double *cosines, const double *sines,
                   double *x)
{
    for (int64_t c = 0; c < rotary_dim / 2; c++) {
        double *first = interleaved ? &x[2 * c] : &x[c];
        double *second = interleaved ? &x[2 * c + 1] : &x[c + rotary_dim / 2];
        const double a = *first, b = *second;
        *first = a * cosines[c] - b * sines[c];
        *second = b * cosines[c] + a * sines[c];
    }
}
