/* What AMD's engines have in common.
 *
 * A is the column_part, B the row_part: a lane has results of one query, and C of the first product,
 * packed, is (nearly) B of the second.  Values lie in local memory by columns, hence in pairs of
 * keys, so that an operand's neighbours are neighbours there, too.
 *
 * The instructions are reached by builtins alone: the compiler keeps the distances between them and
 * what uses their results. */
#define QUERIES 16
#define ROWS 1
#define LOWEST_SHARED 16
#define SHARED SUBGROUP
#define VALUES_PAIRED 1
#define ASYNC_COPY 0

static inline int slot_of(const int e) { return 0; }
static inline int row_of(const int lane, const int slot) { return lane % 16; }

/* The matrix instructions' own rounding is to nearest even; so is this. */
#if EMULATED
static inline uint pack(const float low, const float high) { return part_bits(low) | (uint)part_bits(high) << 16; }
#else
/* A weight that is not a number need not stay so: the sum of the weights does. */
static inline uint bf16_rounded(const float value)
{
    const uint bits = as_uint(value);
    return bits + 0x7fff + (bits >> 16 & 1);
}

static inline uint pack(const float low, const float high)
{
    return TYPE == BF16 ? upper_halves(bf16_rounded(low), bf16_rounded(high)) : as_uint((half2)((half)low, (half)high));
}
#endif
