/* What a device can do at most: multiply and add, and read memory.
 *
 * Params: WIDTH (floats of one vector), CHAINS (independent sums of one work-item: enough to
 * hide the multiplier's latency, few enough to stay in registers). */
#define JOIN_TEXT(a, b) a##b
#define JOIN(a, b) JOIN_TEXT(a, b)
#define PRAGMA(text) _Pragma(#text)
#define UNROLL PRAGMA(unroll)

#if WIDTH == 1
typedef float vfloat;
#else
typedef JOIN(float, WIDTH) vfloat;
#endif

/* CHAINS * rounds fused multiply-adds on vectors; factor and addend are arguments, so that
 * nothing is known at compile time, and such that the values stay ordinary numbers. */
__kernel void roofline_fma(const int rounds, const float factor, const float addend,
                           __global vfloat *out)
{
    const size_t me = get_global_id(0);
    const vfloat m = factor, a = addend;
    vfloat chain[CHAINS];
    UNROLL
    for (int i = 0; i < CHAINS; i++) {
        chain[i] = (float)(me + i) * addend;
    }
    for (int r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++) {
            chain[i] = fma(chain[i], m, a);
        }
    }
    vfloat sum = 0;
    UNROLL
    for (int i = 0; i < CHAINS; i++) {
        sum += chain[i];
    }
    out[me] = sum;
}

/* Work-item i reads count vectors from i * apart on, step apart: a block of its own on CPU
 * devices (step 1), side by side with its neighbours on others (apart 1).  count is a
 * multiple of CHAINS. */
__kernel void roofline_read(__global const vfloat *from, const long count, const long apart,
                            const long step, __global vfloat *out)
{
    const size_t me = get_global_id(0);
    __global const vfloat *mine = from + me * apart;
    vfloat chain[CHAINS];
    UNROLL
    for (int i = 0; i < CHAINS; i++) {
        chain[i] = 0;
    }
    for (long n = 0; n < count; n += CHAINS) {
        UNROLL
        for (int i = 0; i < CHAINS; i++) {
            chain[i] += mine[(n + i) * step];
        }
    }
    vfloat sum = 0;
    UNROLL
    for (int i = 0; i < CHAINS; i++) {
        sum += chain[i];
    }
    out[me] = sum;
}
