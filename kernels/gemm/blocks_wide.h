/* Weights in blocks, a group of 32 columns at a time, as vectors. */
#include "gemm/blocks.h"

#define GROUP_VECTORS (GROUP_COLUMNS / WIDTH)
#define HALF_VECTORS (GROUP_VECTORS / 2) /* of columns that share a scale in every type */

typedef JOIN(uchar, WIDTH) vuchar;
typedef vuchar vuchar_at __attribute__((aligned(1)));

static inline vuint bytes_at(bytes at)
{
    return JOIN(convert_uint, WIDTH)(*(__global const vuchar_at *)at);
}

/* The numbers q of a group. */
INLINE void group_numbers(const int type, bytes block, const int group, vfloat q[GROUP_VECTORS])
{
    const int g = group % 8;
    UNROLL
    for (int n = 0; n < GROUP_VECTORS; n++) {
        const int c = n * WIDTH;
        if (type == Q8_0) {
            q[n] = JOIN(convert_float, WIDTH)(*(__global const vchar_at *)(block + 2 + c));
        } else if (type == Q4_0 || type == Q4_1) {
            const vuint pair = bytes_at(block + (type == Q4_0 ? 2 : 4) + c % 16);
            q[n] = JOIN(convert_float, WIDTH)(JOIN(as_int, WIDTH)(c < 16 ? pair & 15 : pair >> 4));
        } else if (type == Q4_K) {
            const vuint pair = bytes_at(block + 16 + g / 2 * 32 + c);
            q[n] = JOIN(convert_float, WIDTH)(JOIN(as_int, WIDTH)(pair >> (g % 2 * 4) & 15));
        } else {
            const vuint low = bytes_at(block + g / 4 * 64 + g % 2 * 32 + c) >> (g % 4 / 2 * 4) & 15;
            const vuint high = bytes_at(block + 128 + g / 4 * 32 + c) >> (g % 4 * 2) & 3;
            q[n] = JOIN(convert_float, WIDTH)(JOIN(as_int, WIDTH)(low | high << 4) - 32);
        }
    }
}

/* The weights of a group. */
INLINE void group_values(const int type, bytes row, const int group, vfloat value[GROUP_VECTORS])
{
    bytes block = block_of(type, row, group);
    const struct group_scale s = group_scale(type, block, group);
    vfloat q[GROUP_VECTORS];
    group_numbers(type, block, group, q);
    UNROLL
    for (int n = 0; n < GROUP_VECTORS; n++) {
        value[n] = fma(q[n], (vfloat)(n < HALF_VECTORS ? s.first : s.second), (vfloat)(s.least));
    }
}
