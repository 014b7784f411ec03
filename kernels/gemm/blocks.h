/* Weights in blocks, as GGUF files store them: a row's columns in groups of 32 whose numbers are
 * scale * q + least.
 *
 *   Q8_0   34 bytes  scale, 32 signed bytes
 *   Q4_0   18 bytes  scale, 16 bytes of two 4-bit numbers (low: columns 0 to 15), about 8
 *   Q4_1   20 bytes  scale, least, the same
 *   Q4_K  144 bytes  for 8 groups: scale and least of all, 12 bytes of 6-bit factors, 4-bit numbers
 *                    (a byte's halves are of two groups)
 *   Q6_K  210 bytes  for 8 groups: low 4 bits of all, high 2 bits of all, a signed factor for every
 *                    16, scale; about 32
 *
 * Numbers such as scale are f16.  Nothing is aligned.  The types' numbers are those of clattn_type. */
#define Q8_0 6
#define Q4_0 7
#define Q4_1 8
#define Q4_K 9
#define Q6_K 10
#define GROUP_COLUMNS 32

typedef __global const uchar *bytes;

static inline float half_at(bytes at)
{
    const uint bits = at[0] | (uint)at[1] << 8;
    /* Exponent and fraction of an f16 moved into those of a float, which is 2^112 too small. */
    const float size = as_float((bits & 0x7fff) << 13) * 0x1p112f;
    return bits & 0x8000 ? -size : size;
}

/* Bytes of a row of so many columns. */
static inline long row_bytes(const int type, const int columns)
{
    const int groups = columns / GROUP_COLUMNS;
    return type == Q8_0   ? groups * 34L
           : type == Q4_0 ? groups * 18L
           : type == Q4_1 ? groups * 20L
           : type == Q4_K ? groups / 8 * 144L
                          : groups / 8 * 210L;
}

/* Where a group's block begins, in a row. */
static inline bytes block_of(const int type, bytes row, const int group)
{
    return type == Q8_0   ? row + group * 34
           : type == Q4_0 ? row + group * 18
           : type == Q4_1 ? row + group * 20
           : type == Q4_K ? row + group / 8 * 144
                          : row + group / 8 * 210;
}

/* The scale of columns 0 to 15 of a group and of 16 to 31, and what is added. */
struct group_scale {
    float first, second, least;
};

static inline struct group_scale group_scale(const int type, bytes block, const int group)
{
    struct group_scale s;
    const int g = group % 8;
    s.least = 0.0f;
    if (type == Q4_K) {
        bytes packed = block + 4;
        const int factor = g < 4 ? packed[g] & 63 : (packed[g + 4] & 15) | (packed[g - 4] >> 6) << 4;
        const int least = g < 4 ? packed[g + 4] & 63 : packed[g + 4] >> 4 | (packed[g] >> 6) << 4;
        s.first = s.second = half_at(block) * factor;
        s.least = -half_at(block + 2) * least;
    } else if (type == Q6_K) {
        const float scale = half_at(block + 208);
        s.first = scale * as_char(block[192 + 2 * g]);
        s.second = scale * as_char(block[193 + 2 * g]);
    } else {
        s.first = s.second = half_at(block);
        s.least = type == Q4_1 ? half_at(block + 2) : type == Q4_0 ? -8.0f * s.first : 0.0f;
    }
    return s;
}

/* q of column c, 0 <= c < 32, of a group. */
static inline int group_number(const int type, bytes block, const int group, const int c)
{
    const int g = group % 8;
    if (type == Q8_0) {
        return as_char(block[2 + c]);
    }
    if (type == Q4_0 || type == Q4_1) {
        const int byte = block[(type == Q4_0 ? 2 : 4) + c % 16];
        return c < 16 ? byte & 15 : byte >> 4;
    }
    if (type == Q4_K) {
        const int byte = block[16 + g / 2 * 32 + c];
        return g % 2 ? byte >> 4 : byte & 15;
    }
    const int low = block[g / 4 * 64 + g % 2 * 32 + c] >> (g % 4 / 2 * 4) & 15;
    const int high = block[128 + g / 4 * 32 + c] >> (g % 4 * 2) & 3;
    return (low | high << 4) - 32;
}

/* A weight, read the plain way. */
static inline float block_value(const int type, bytes row, const int c)
{
    const int group = c / GROUP_COLUMNS, column = c % GROUP_COLUMNS;
    bytes block = block_of(type, row, group);
    const struct group_scale s = group_scale(type, block, group);
    return fma(column < 16 ? s.first : s.second, (float)group_number(type, block, group, column), s.least);
}
