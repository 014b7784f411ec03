/* Vectors of WIDTH floats, for devices whose compilers do not vectorise work-items: CPUs.
 * Arrays of vectors stay in registers only where every index is known at compile time,
 * hence UNROLL on the loops over them.
 *
 * Params: WIDTH (4, 8 or 16: the device's float lanes). */
#define JOIN_TEXT(a, b) a##b
#define JOIN(a, b) JOIN_TEXT(a, b)

typedef JOIN(float, WIDTH) vfloat;
typedef JOIN(int, WIDTH) vint;
typedef JOIN(uint, WIDTH) vuint;
typedef JOIN(ushort, WIDTH) vushort;
typedef JOIN(char, WIDTH) vchar;

/* Vectors at any address that a float or ushort may have.  vloadn and vstoren would do, but PoCL
 * makes four moves of one. */
typedef vfloat vfloat_at __attribute__((aligned(4)));
typedef vint vint_at __attribute__((aligned(4)));
typedef vushort vushort_at __attribute__((aligned(2)));
typedef vchar vchar_at __attribute__((aligned(1)));

__constant int lane_numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static inline vint lanes(void)
{
    return JOIN(vload, WIDTH)(0, lane_numbers);
}

/* WIDTH consecutive values, widened.  Halves go through a variable: PoCL 3.1 takes the address
 * given to vload_halfn and vstore_halfn for aligned. */
static inline vfloat load_wide(const int type, __global const void *values, const long index)
{
    if (type == F16) {
        const vushort bits = *(__global const vushort_at *)((__global const ushort *)values + index);
        return JOIN(vload_half, WIDTH)(0, (const half *)&bits);
    }
    if (type == BF16) {
        const vushort bits = *(__global const vushort_at *)((__global const ushort *)values + index);
        return JOIN(as_float, WIDTH)(JOIN(convert_uint, WIDTH)(bits) << 16);
    }
    if (type == I8) {
        return JOIN(convert_float, WIDTH)(*(__global const vchar_at *)((__global const char *)values + index));
    }
    return *(__global const vfloat_at *)((__global const float *)values + index);
}

/* A simulator may not know it: -DNO_PREFETCH. */
#ifdef NO_PREFETCH
#define PREFETCH(address) (void)(address)
#else
#define PREFETCH(address) __builtin_prefetch(address, 0, 1)
#endif

/* Asks for memory that is read later, into the second cache: asking for the first one holds up
 * what is read now.  Any address will do.  OpenCL's own prefetch does nothing on PoCL. */
static inline void soon(const int type, __global const void *values, const long index)
{
    const int bytes = type == F32 ? 4 : type == I8 ? 1 : 2;
    PREFETCH((__global const void *)((__global const char *)values + index * bytes));
}

static inline void store_wide(const int type, __global void *values, const long index, const vfloat value)
{
    if (type == F16) {
        vushort bits;
        JOIN(JOIN(vstore_half, WIDTH), _rte)(value, 0, (half *)&bits);
        *(__global vushort_at *)((__global ushort *)values + index) = bits;
    } else if (type == BF16) {
        const vuint bits = JOIN(as_uint, WIDTH)(value);
        const vuint rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        const vuint quiet = bits >> 16 | 64;
        const vint nan = isnan(value);
        *(__global vushort_at *)((__global ushort *)values + index) =
            JOIN(convert_ushort, WIDTH)(nan ? quiet : rounded);
    } else {
        *(__global vfloat_at *)((__global float *)values + index) = value;
    }
}

/* One round of zipping: rows i and i + WIDTH / 2 become rows 2i and 2i + 1, interleaved. */
static inline void zip(vfloat rows[WIDTH])
{
    vfloat zipped[WIDTH];
    UNROLL
    for (int i = 0; i < WIDTH / 2; i++) {
        zipped[2 * i].even = rows[i].lo;
        zipped[2 * i].odd = rows[i + WIDTH / 2].lo;
        zipped[2 * i + 1].even = rows[i].hi;
        zipped[2 * i + 1].odd = rows[i + WIDTH / 2].hi;
    }
    UNROLL
    for (int i = 0; i < WIDTH; i++) {
        rows[i] = zipped[i];
    }
}

/* Row i, lane j becomes row j, lane i: log2(WIDTH) rounds. */
static inline void transpose(vfloat rows[WIDTH])
{
    zip(rows);
    zip(rows);
    if (WIDTH > 4) {
        zip(rows);
    }
    if (WIDTH > 8) {
        zip(rows);
    }
}

/* Which elements of two vectors side by side make one: of each four the first or last two, in
 * turns; and of the fours themselves the even or odd ones. */
#if WIDTH == 4
#define FIRST_PAIRS 0, 4, 1, 5
#define LAST_PAIRS 2, 6, 3, 7
#define EVEN_FOURS 0, 1, 2, 3
#define ODD_FOURS 4, 5, 6, 7
#elif WIDTH == 8
#define FIRST_PAIRS 0, 8, 1, 9, 4, 12, 5, 13
#define LAST_PAIRS 2, 10, 3, 11, 6, 14, 7, 15
#define EVEN_FOURS 0, 1, 2, 3, 8, 9, 10, 11
#define ODD_FOURS 4, 5, 6, 7, 12, 13, 14, 15
#elif WIDTH == 16
#define FIRST_PAIRS 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define LAST_PAIRS 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define EVEN_FOURS 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define ODD_FOURS 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
#endif

static inline vfloat fold_pairs(const vfloat a, const vfloat b)
{
    return __builtin_shufflevector(a, b, FIRST_PAIRS) + __builtin_shufflevector(a, b, LAST_PAIRS);
}

static inline vfloat fold_fours(const vfloat a, const vfloat b)
{
    return __builtin_shufflevector(a, b, EVEN_FOURS) + __builtin_shufflevector(a, b, ODD_FOURS);
}

/* The sum of each of WIDTH vectors, in the lane of its number: log2(WIDTH) rounds of an addition,
 * with shuffles that do not leave four lanes as long as that goes.  The same with .even and .odd
 * takes more than twice as long: compilers make horizontal additions of that. */
static inline vfloat sum_each(const vfloat rows[WIDTH])
{
    vfloat four[WIDTH / 4];
    UNROLL
    for (int i = 0; i < WIDTH / 4; i++) {
        __private const vfloat *row = rows + 4 * i;
        four[i] = fold_pairs(fold_pairs(row[0], row[2]), fold_pairs(row[1], row[3]));
    }
    UNROLL
    for (int i = 0; i < WIDTH / 8; i++) {
        four[i] = fold_fours(four[2 * i], four[2 * i + 1]);
    }
    return WIDTH == 16 ? fold_fours(four[0], four[WIDTH > 8]) : four[0];
}

static inline float largest_lane(const vfloat x)
{
    float lane[WIDTH], top = -INFINITY;
    *(vfloat_at *)lane = x;
    UNROLL
    for (int n = 0; n < WIDTH; n++) {
        top = lane[n] > top ? lane[n] : top;
    }
    return top;
}

static inline float sum_lanes(const vfloat x)
{
    float lane[WIDTH], sum = 0.0f;
    *(vfloat_at *)lane = x;
    UNROLL
    for (int n = 0; n < WIDTH; n++) {
        sum += lane[n];
    }
    return sum;
}

/* 2^x for x <= 126, to 2 units in the last place; 2^-126 below that; NaN stays NaN.
 * Adding 1.5 * 2^23 leaves round(x) in the low bits, from where it goes to the exponent. */
static inline vfloat exp2_wide(vfloat x)
{
    const vfloat least = -126.0f;
    x = least > x ? least : x;
    const vfloat shifted = x + 12582912.0f;
    const vfloat f = x - (shifted - 12582912.0f);
    vfloat p = 1.33336498402e-3f;
    p = fma(p, f, (vfloat)(9.61817800557e-3f));
    p = fma(p, f, (vfloat)(5.55041086648e-2f));
    p = fma(p, f, (vfloat)(2.40226506959e-1f));
    p = fma(p, f, (vfloat)(6.93147180559e-1f));
    p = fma(p, f, (vfloat)(1.0f));
    return JOIN(as_float, WIDTH)(JOIN(as_int, WIDTH)(p) + (JOIN(as_int, WIDTH)(shifted) << 23));
}

/* any() does as much, a lane at a time. */
static inline bool any_lane(const vint mask)
{
    long lane[WIDTH / 2], all = 0;
    *(vint_at *)lane = mask;
    UNROLL
    for (int n = 0; n < WIDTH / 2; n++) {
        all |= lane[n];
    }
    return all != 0;
}
