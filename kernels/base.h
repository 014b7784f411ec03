/* Storage types and constants.  Values are stored as TYPE and computed as float;
 * the type of a load is a compile-time constant, so its branch costs nothing and
 * every path is checked in every build.  The numbers are those of clattn_type. */
#define F32 0
#define F16 1
#define BF16 2
#define I8 5

#define LOG2E 1.44269504088896340736f

#define PRAGMA(text) _Pragma(#text)
#define UNROLL PRAGMA(unroll)
#define UNROLL_BY(n) PRAGMA(unroll n)
#define ROLLED UNROLL_BY(1)
/* For functions whose loops are unrolled by an argument: it has to be known by then. */
#define INLINE static inline __attribute__((always_inline))

static inline float load(const int type, __global const void *values, const long index)
{
    if (type == F16) {
        return vload_half(index, (__global const half *)values);
    }
    if (type == BF16) {
        return as_float((uint)((__global const ushort *)values)[index] << 16);
    }
    if (type == I8) {
        return ((__global const char *)values)[index];
    }
    return ((__global const float *)values)[index];
}

/* The upper half of a float, rounded to nearest even; NaN stays NaN. */
static inline ushort bf16_bits(const float value)
{
    const uint bits = as_uint(value);
    return isnan(value) ? (ushort)(bits >> 16 | 64) : (ushort)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline void store(const int type, __global void *values, const long index, const float value)
{
    if (type == F16) {
        vstore_half_rte(value, index, (__global half *)values);
    } else if (type == BF16) {
        ((__global ushort *)values)[index] = bf16_bits(value);
    } else {
        ((__global float *)values)[index] = value;
    }
}

/* The index of column 0 in a tensor whose place is {offset, batch, row, head}. */
static inline long place(const long4 at, const long batch, const long row, const long head)
{
    return at.x + batch * at.y + row * at.z + head * at.w;
}
