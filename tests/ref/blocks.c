/* Weights in blocks, by the layout of GGUF files: scalar, one number after the other. */
#include "ref.h"

#include <math.h>
#include <string.h>

/* An f16 of two bytes. */
static double half_at(const unsigned char *at)
{
    const int bits = at[0] | at[1] << 8, exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits & 0x8000 ? -size : size;
}

static int nibble(const unsigned char *bytes, int n, int high)
{
    return high ? bytes[n] >> 4 : bytes[n] & 15;
}

static void decode_32(enum ref_block type, const unsigned char *b, double *out)
{
    const double scale = half_at(b);
    for (int n = 0; n < 32; n++) {
        switch (type) {
        case REF_Q8_0: out[n] = scale * (signed char)b[2 + n]; break;
        case REF_Q4_0: out[n] = scale * (nibble(b + 2, n % 16, n / 16) - 8); break;
        default: out[n] = scale * nibble(b + 4, n % 16, n / 16) + half_at(b + 2); break;
        }
    }
}

/* The 6-bit factors of eight scales, then of eight least values, in 12 bytes: the first four of
 * each in 6 bits of a byte, the others in 4 bits and the 2 that those bytes have left. */
static int factor(const unsigned char *packed, int g, bool least)
{
    if (g < 4) {
        return packed[g + (least ? 4 : 0)] & 63;
    }
    return nibble(packed, g + 4, least) | (packed[g - (least ? 0 : 4)] >> 6) << 4;
}

static void decode_q4_k(const unsigned char *b, double *out)
{
    for (int n = 0; n < 256; n++) {
        const int g = n / 32;
        out[n] = half_at(b) * factor(b + 4, g, false) * nibble(b + 16 + g / 2 * 32, n % 32, g % 2) -
                 half_at(b + 2) * factor(b + 4, g, true);
    }
}

static void decode_q6_k(const unsigned char *b, double *out)
{
    for (int n = 0; n < 256; n++) {
        const int half = n / 128, quarter = n % 128 / 32, lane = n % 32;
        const int low = nibble(b + half * 64 + quarter % 2 * 32, lane, quarter / 2);
        const int high = b[128 + half * 32 + lane] >> (2 * quarter) & 3;
        out[n] = half_at(b + 208) * (signed char)b[192 + n / 16] * ((low | high << 4) - 32);
    }
}

void ref_decode_row(enum ref_block type, const unsigned char *row, int64_t columns, double *out)
{
    static const int bytes[] = {34, 18, 20, 144, 210};
    const int64_t block = type >= REF_Q4_K ? 256 : 32;
    for (int64_t c = 0; c < columns; c += block, row += bytes[type]) {
        if (type == REF_Q4_K) {
            decode_q4_k(row, out + c);
        } else if (type == REF_Q6_K) {
            decode_q6_k(row, out + c);
        } else {
            decode_32(type, row, out + c);
        }
    }
}
