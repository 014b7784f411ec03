/* Angles of rotary position embedding (Su et al. 2021).
 *
 * An angle is kept in turns, as whole ones do not matter.  A frequency, in turns per position,
 * comes in two floats that hold 48 bits of it; position * frequency is multiplied out in two
 * floats as well, whole turns taken off, and what is left is exact to 2^-24 of a turn at any
 * position that a float can hold, up to 2^24.
 *
 * Params: ROTARY_DIM. */
#define PAIRS (ROTARY_DIM / 2)
#define PITCH ((PAIRS + 15) / 16 * 16) /* from the larger parts of frequencies to the smaller ones */

#define ROPE_ARGUMENTS                                                                                              \
    IN(q), IN(k), OUT(q_out), OUT(k_out), IN(positions), IN(start), IN(cosines), IN(sines), IN(frequencies),      \
        const int rows, const int q_heads, const int k_heads, const int cache_rows, const float magnitude

/* Of pair at position, whole turns taken off. */
static inline float turns_of(__global const void *frequencies, const int pair, const float position)
{
    const float large = load(F32, frequencies, pair), small = load(F32, frequencies, PITCH + pair);
    const float product = position * large, rest = fma(position, large, -product) + position * small;
    return product - rint(product) + rest;
}

static inline long position_of(IN(positions), IN(start), const int b, const int i)
{
    if (positions) {
        return ((__global const int *)positions)[place(positions_at, b, i, 0)];
    }
    return (start ? ((__global const int *)start)[place(start_at, b, 0, 0)] : 0) + (long)i;
}

/* Where the cos of row i's first pair lies in the caller's table, or -1 - a position outside. */
static inline long table_row(const long4 at, const bool by_position, const long position, const int cache_rows,
                             const int b, const int i)
{
    if (!by_position) {
        return place(at, b, i, 0);
    }
    return position >= 0 && position < cache_rows ? place(at, 0, position, 0) : -1;
}
