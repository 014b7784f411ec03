/* Where the rows of keys and values lie, and how they are read.
 *
 *   in order   row j of batch entry b is row j of the tensor
 *   packed     sequences one after the other: row j is row k_start[b] + j of the only entry
 *   ring       row j is row j mod capacity: the newest capacity rows are there
 *   paged      row j is row j mod PAGE_ROWS of page page_table[b][j / PAGE_ROWS]; a page is a
 *              batch entry of the tensor
 *
 * What a table says is bounded here, so that nothing outside the buffers is touched.
 *
 * Params: KV_TYPE, PAGE_ROWS (0 = not paged), RING, PACKED (0 or 1). */
#define SCALED 32 /* columns of an i8 row that share a scale */
#define SCATTERED (PAGE_ROWS || RING) /* rows do not follow each other */

/* How the keys of one batch entry are found. */
struct keys_of {
    int b, start, capacity, pages;
    __global const int *page_table; /* of this entry */
};

/* The index of column 0 of row j. */
static inline long key_place(const struct keys_of *keys, const long4 at, const int j, const int g)
{
    if (PAGE_ROWS) {
        const int page = clamp(keys->page_table[j / max(PAGE_ROWS, 1)], 0, keys->pages - 1);
        return place(at, page, j % max(PAGE_ROWS, 1), g);
    }
    return place(at, keys->b, RING ? j % max(keys->capacity, 1) : keys->start + j, g);
}

/* Keys or values: with i8, scale holds a number for every SCALED columns of a row. */
struct rows_of {
    __global const void *values;
    long4 at;
    __global const float *scale;
    long4 scale_at;
};

#define KEY_ROWS {k, k_at, k_scale, k_scale_at}
#define VALUE_ROWS {v, v_at, v_scale, v_scale_at}

/* Where a row and its scales begin. */
struct row_place {
    long values, scale;
};

static inline struct row_place row_place(const struct rows_of *rows, const struct keys_of *keys, const int j,
                                         const int g)
{
    const struct row_place row = {key_place(keys, rows->at, j, g),
                                  KV_TYPE == I8 ? key_place(keys, rows->scale_at, j, g) : 0};
    return row;
}

static inline float load_of(const struct rows_of *rows, const struct row_place row, const int c)
{
    const float value = load(KV_TYPE, rows->values, row.values + c);
    return KV_TYPE == I8 ? value * rows->scale[row.scale + c / SCALED] : value;
}
