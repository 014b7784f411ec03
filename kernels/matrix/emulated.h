/* Matrix instructions computed lane by lane: an engine's header gives the layout of its operands,
 * these give the product, through local memory.
 *
 * multiply wants of the header
 *   COPIES, copy_of(lane)                   1 and 0, or how often operands are held
 *   column_inner(lane, e), column_k(lane, e)  of half e of a column_part
 *   row_query(lane, e), row_k(lane, e)        of half e of a row_part
 *   COLUMN_HALVES, ROW_HALVES                 that a lane holds */
#define EXCHANGE (2 * 2 * 16 * 16)

static inline void team_barrier(void) { sub_group_barrier(CLK_LOCAL_MEM_FENCE); }

/* Defined by a macro since its types and maps come later. */
#define EMULATED_MULTIPLY                                                                          \
    static inline block multiply(const struct engine *engine, const column_part column,            \
                                 const row_part row, block sum)                                    \
    {                                                                                              \
        const int lane = engine->lane;                                                             \
        __local float *columns = engine->exchange + copy_of(lane) * 512, *rows = columns + 256;    \
        const ushort *column_halves = (const ushort *)&column, *row_halves = (const ushort *)&row; \
        team_barrier();                                                                            \
        for (int e = 0; e < COLUMN_HALVES; e++) {                                                  \
            columns[column_inner(lane, e) * 16 + column_k(lane, e)] = part_value(column_halves[e]); \
        }                                                                                          \
        for (int e = 0; e < ROW_HALVES; e++) {                                                     \
            rows[row_query(lane, e) * 16 + row_k(lane, e)] = part_value(row_halves[e]);            \
        }                                                                                          \
        team_barrier();                                                                            \
        float *results = (float *)&sum;                                                            \
        for (int e = 0; e < SCORES; e++) {                                                         \
            for (int k = 0; k < 16; k++) {                                                         \
                results[e] = fma(columns[inner_of(lane, e) * 16 + k],                              \
                                 rows[row_of(lane, slot_of(e)) * 16 + k], results[e]);             \
            }                                                                                      \
        }                                                                                          \
        return sum;                                                                                \
    }
