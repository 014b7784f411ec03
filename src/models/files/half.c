#include <clattn/models/array.h>

#include <math.h>
#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The nearest float whose last bit is odd unless x is exact: rounding that once more to a
 * narrower type gives what rounding x itself would (Boldo and Melquiond 2008). */
static float round_to_odd(double x)
{
    float f = (float)x;
    if (isnan(x) || (double)f == x) {
        return f;
    }
    if (fabs((double)f) > fabs(x)) {
        f = nextafterf(f, 0.0f);
    }
    return float_of(bits_of(f) | 1u);
}

float clattn_bfloat_to_float(uint16_t bfloat) { return float_of((uint32_t)bfloat << 16); }

uint16_t clattn_double_to_bfloat(double x)
{
    const uint32_t bits = bits_of(round_to_odd(x));
    if (isnan(x)) {
        return (uint16_t)(bits >> 16 | 0x40u); /* quiet: the payload left may be zero */
    }
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

float clattn_half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;
    if (exponent == 0) { /* zero and subnormals: fraction * 2^-24 */
        return float_of(sign | bits_of((float)fraction * 0x1p-24f));
    }
    if (exponent == 31) {
        return float_of(sign | 0x7f800000u | fraction << 13);
    }
    return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t clattn_double_to_half(double x)
{
    const uint32_t bits = bits_of(round_to_odd(x));
    const uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        return (uint16_t)(sign | 0x7e00u);
    }
    if (magnitude >= 0x47800000u) { /* 2^16 and more; from 65520 the rounding below carries to inf
                                     */
        return (uint16_t)(sign | 0x7c00u);
    }
    if (magnitude < 0x38800000u) { /* below 2^-14: adding 0.5 makes the float unit round for us */
        const float shifted = float_of(magnitude) + 0.5f;
        return (uint16_t)(sign | (bits_of(shifted) - bits_of(0.5f)));
    }
    const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return (uint16_t)(sign | (rounded - 0x38000000u) >> 13);
}
