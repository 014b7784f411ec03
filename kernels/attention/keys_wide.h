/* Rows of keys and values as vectors.
 *
 * Params: WIDTH and those of keys.h. */

/* WIDTH columns from c on, all of one group of scales. */
static inline vfloat load_row_wide(const struct rows_of *rows, const struct row_place row, const int c)
{
    const vfloat values = load_wide(KV_TYPE, rows->values, row.values + c);
    return KV_TYPE == I8 ? values * rows->scale[row.scale + c / SCALED] : values;
}

/* The columns behind the last whole vector, as a vector: 0 behind its end. */
static inline vfloat load_row_tail(const struct rows_of *rows, const struct row_place row, const int columns)
{
    float tail[WIDTH];
    for (int n = 0; n < WIDTH; n++) {
        const int c = columns - columns % WIDTH + n;
        tail[n] = c < columns ? load_of(rows, row, c) : 0.0f;
    }
    return *(const vfloat_at *)tail;
}
