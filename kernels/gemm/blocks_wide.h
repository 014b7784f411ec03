/* Weights in blocks as vectors, a unit of 256 columns at a time: 8 blocks of 32 columns, or one of
 * 256.  A unit has SCALES groups of GROUP columns, and a weight of group g is
 *
 *   scale[g] * number + least[g]
 *
 * Scales are made of a unit's bytes all at once, and lie in memory: from there a multiplication
 * takes one of them for all its lanes. */
#include "gemm/blocks.h"

#define UNIT 256
#define GROUP (WEIGHT_TYPE == Q6_K ? 16 : 32)
#define SCALES (UNIT / GROUP)
#define GROUP_VECTORS (GROUP / WIDTH)
#define HAS_LEAST (WEIGHT_TYPE == Q4_1 || WEIGHT_TYPE == Q4_K) /* else it is 0 */
#define UNIT_BYTES row_bytes(WEIGHT_TYPE, UNIT)
#define BLOCK_BYTES (WEIGHT_TYPE >= Q4_K ? UNIT_BYTES : UNIT_BYTES / 8)

typedef JOIN(uchar, WIDTH) vuchar;
typedef vuchar vuchar_at __attribute__((aligned(1)));
typedef uint uint_at __attribute__((aligned(2)));
typedef ushort8 ushort8_at __attribute__((aligned(2)));
typedef char16 char16_at __attribute__((aligned(2)));
typedef float8 float8_at __attribute__((aligned(4)));

/* The f16 numbers at the same place of count blocks of 32 columns, 0 behind them.  A lone number
 * would be widened by a call. */
INLINE float8 halves_at(bytes at, const int count)
{
    ushort bits[8];
    UNROLL
    for (int g = 0; g < 8; g++) {
        bits[g] = g < count ? *(__global const ushort *)(at + g * BLOCK_BYTES) : 0;
    }
    const ushort8 vector = *(const ushort8_at *)bits;
    return vload_half8(0, (const half *)&vector);
}

/* scale and least of a unit's groups; of blocks of 32 columns the first count. */
INLINE void unit_scales(bytes unit, const int count, float scale[SCALES], float least[SCALES])
{
    if (WEIGHT_TYPE == Q4_K) { /* the factors of four groups in 6 bits of each byte at once */
        const uint a = *(__global const uint_at *)(unit + 4), b = *(__global const uint_at *)(unit + 8),
                   c = *(__global const uint_at *)(unit + 12);
        const uint2 factor = {a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030)};
        const uint2 below = {b & 0x3f3f3f3f, (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)};
        *(float8_at *)scale = halves_at(unit, 1).s0 * convert_float8(as_uchar8(factor));
        *(float8_at *)least = -halves_at(unit + 2, 1).s0 * convert_float8(as_uchar8(below));
    } else if (WEIGHT_TYPE == Q6_K) {
        const char16 factor = *(__global const char16_at *)(unit + 192);
        const float8 all = halves_at(unit + 208, 1).s0;
        *(float8_at *)scale = all * convert_float8(factor.lo);
        *(float8_at *)(scale + SCALES - 8) = all * convert_float8(factor.hi);
    } else {
        *(float8_at *)scale = halves_at(unit, count);
        if (HAS_LEAST) {
            *(float8_at *)least = halves_at(unit + 2, count);
        }
    }
}

/* Vector n of the numbers of group g + e of a unit.  Written so that shifts are known at compile
 * time where e is, and g is a multiple of 8. */
INLINE vfloat group_numbers(bytes unit, const uint g, const uint e, const int n)
{
    const int c = n * WIDTH;
    bytes block = unit + (g + e) * BLOCK_BYTES;
    if (WEIGHT_TYPE == Q8_0) {
        return JOIN(convert_float, WIDTH)(*(__global const vchar_at *)(block + 2 + c));
    }
    if (WEIGHT_TYPE == Q4_K) {
        const vuchar_at pair = *(__global const vuchar_at *)(unit + 16 + (g + e) / 2 * 32 + c);
        return JOIN(convert_float, WIDTH)(JOIN(convert_int, WIDTH)(pair) >> (e % 2 * 4) & 15);
    }
    if (WEIGHT_TYPE == Q4_1) {
        const vuchar_at pair = *(__global const vuchar_at *)(block + 4 + c % 16);
        return JOIN(convert_float, WIDTH)(JOIN(convert_int, WIDTH)(pair) >> (c / 16 * 4) & 15);
    }
    /* Two bytes at a time, as no device shifts single ones. */
    ushort8 bits;
    if (WEIGHT_TYPE == Q4_0) {
        bits = *(__global const ushort8_at *)(block + 2) >> (ushort)(c / 16 * 4) & (ushort)0x0f0f;
    } else {
        const uint quarter = e / 2 % 4, place = quarter % 2 * 32 + e % 2 * 16;
        const ushort8 low = *(__global const ushort8_at *)(unit + g * 8 + e / 8 * 64 + place);
        const ushort8 high = *(__global const ushort8_at *)(unit + 128 + g * 4 + e / 8 * 32 + e % 2 * 16);
        bits = (low >> (ushort)(quarter / 2 * 4) & (ushort)0x0f0f) |
               ((quarter < 2 ? high << (ushort)(4 - 2 * quarter) : high >> (ushort)(2 * quarter - 4)) & (ushort)0x3030);
    }
    const char16 number = as_char16(bits) - (char)(WEIGHT_TYPE == Q4_0 ? 8 : 32);
    return JOIN(convert_float, WIDTH)(*(const vchar_at *)((const char *)&number + c % 16));
}
