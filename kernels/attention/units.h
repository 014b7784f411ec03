/* Rows read 16 bytes at a time: a unit is as many consecutive columns as that holds.
 *
 * Units begin at columns that UNIT divides.  Where every row of a tensor begins at a multiple of
 * 16 bytes they are one load each, else, and at a row's end, their columns are collected singly. */
#define UNIT(type) ((type) == F32 ? 4 : (type) == I8 ? 16 : 8)

/* Whether the whole units of all rows lie at multiples of 16 bytes. */
static inline bool aligned_rows(const int type, const long4 at)
{
    return ((at.x | at.y | at.z | at.w) & (UNIT(type) - 1)) == 0;
}

/* Columns index .. of a row as they are stored, the first in the lowest bits; 0 behind count. */
INLINE uint4 unit_at(const int type, __global const void *values, const long index, const int count,
                     const bool aligned)
{
    if (aligned && count >= UNIT(type)) {
        return ((__global const uint4 *)values)[index / UNIT(type)];
    }
    const int bits = 128 / UNIT(type);
    uint word[4] = {0};
    UNROLL
    for (int n = 0; n < UNIT(type); n++) {
        if (n < count) {
            const uint number = type == F32  ? ((__global const uint *)values)[index + n]
                                : type == I8 ? ((__global const uchar *)values)[index + n]
                                             : ((__global const ushort *)values)[index + n];
            word[n * bits / 32] |= number << n * bits % 32;
        }
    }
    return (uint4)(word[0], word[1], word[2], word[3]);
}

/* The two numbers of 16 bits in a word. */
INLINE float2 pair_of(const int type, const uint word)
{
    return type == BF16 ? as_float2((uint2)(word << 16, word & 0xffff0000u)) : vload_half2(0, (const half *)&word);
}

/* The numbers of a unit. */
INLINE void numbers_of(const int type, const uint4 unit, float *to)
{
    const uint word[4] = {unit.s0, unit.s1, unit.s2, unit.s3};
    UNROLL
    for (int n = 0; n < UNIT(type); n++) {
        if (type == F32) {
            to[n] = as_float(word[n % 4]);
        } else if (type == I8) {
            to[n] = (char)(word[n / 4 % 4] >> n % 4 * 8 & 0xff);
        } else {
            const float2 pair = pair_of(type, word[n / 2 % 4]);
            to[n] = n % 2 ? pair.y : pair.x;
        }
    }
}
