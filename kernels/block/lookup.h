/* What both kernels of embed share: the rows that ids name, and one column of their sum.
 *
 * Params: TYPE (of the tables), OUT_TYPE. */
#define EMBED_ARGUMENTS                                                                                             \
    IN(ids), IN(table), IN(position_ids), IN(position_table), IN(type_ids), IN(type_table), OUT(y),                \
        const int rows, const int columns, const int words, const int positions, const int types, const float scale

/* Where the columns of each table's row begin; -1 = it has no such row, which adds nothing. */
struct found {
    long word, position, type;
};

/* Without ids, standard is the id. */
static inline long row_of_id(IN(ids), IN(table), const int standard, const int rows, const int b, const int i)
{
    const int id = ids ? ((__global const int *)ids)[place(ids_at, b, i, 0)] : standard;
    return table && id >= 0 && id < rows ? place(table_at, 0, id, 0) : -1;
}

#define FOUND(b, i)                                                                                                 \
    {row_of_id(ids, ids_at, table, table_at, -1, words, b, i),                                                     \
     row_of_id(position_ids, position_ids_at, position_table, position_table_at, i, positions, b, i),              \
     row_of_id(type_ids, type_ids_at, type_table, type_table_at, 0, types, b, i)}

static inline float look_up(__global const void *table, __global const void *position_table,
                            __global const void *type_table, const struct found *found, const int c,
                            const float scale)
{
    float value = found->word < 0 ? 0.0f : scale * load(TYPE, table, found->word + c);
    if (found->position >= 0) {
        value += load(TYPE, position_table, found->position + c);
    }
    if (found->type >= 0) {
        value += load(TYPE, type_table, found->type + c);
    }
    return value;
}
