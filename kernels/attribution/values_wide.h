/* How large values are, in vectors.
 *
 * Params: VALUE_DIM, WIDTH and those of keys.h. */

/* |v_j| of WIDTH values from row j on; rows from end on repeat the last. */
static inline vfloat value_norms(const struct rows_of *values, const struct keys_of *keys, const int g, const int j,
                                 const int end)
{
    vfloat square[WIDTH];
    for (int t = 0; t < WIDTH; t++) {
        const struct row_place row = row_place(values, keys, min(j + t, end - 1), g);
        square[t] = 0.0f;
        for (int c = 0; c + WIDTH <= VALUE_DIM; c += WIDTH) {
            const vfloat value = load_row_wide(values, row, c);
            square[t] = fma(value, value, square[t]);
        }
        if (VALUE_DIM % WIDTH) {
            const vfloat value = load_row_tail(values, row, VALUE_DIM);
            square[t] = fma(value, value, square[t]);
        }
    }
    return sqrt(sum_each(square));
}
