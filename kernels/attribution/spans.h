/* What attribution's kernels are given beside attention's arguments, in the order that
 * src/ops/attribution/build.c binds it; which span a key is in; where masses go.
 *
 * Params: OVER_ROWS (a clattn_rows), VALUE_WEIGHTED (0 or 1). */
#define EACH_ROW 0
#define SUM_OF_ROWS 1
#define BY_SPAN 2

#define ATTRIBUTION_ARGUMENTS                                                                      \
    __global const int *spans, const long4 spans_at, __global const float *row_weight,             \
        const long4 row_weight_at, __global float *mass, const long4 mass_at,                      \
        __global float *parts, const long4 parts_at, const int span_count, const int mass_rows,    \
        const int accumulate, const int walkers, const int split_keys, const int heads

/* ---- Spans ------------------------------------------------------------------- */

/* The span of a key, for keys that come in rising order: -1 before the first span, count behind the
 * last.  Cut points that do not rise count as the largest so far. */
struct cursor {
    __global const int *cut; /* null = every key is a span */
    int count, span, end;    /* keys below end are in span, or in one before it */
};

static inline struct cursor first_span(__global const int *cut, const int count)
{
    const struct cursor cursor = {cut, count, -1, cut ? cut[0] : 0};
    return cursor;
}

#define FIRST_SPAN(b) first_span(spans ? spans + place(spans_at, b, 0, 0) : spans, span_count)

static inline void move_to(struct cursor *cursor, const int j)
{
    if (!cursor->cut) {
        cursor->span = j < 0 ? -1 : min(j, cursor->count);
        cursor->end = j < cursor->count ? max(j + 1, 0) : INT_MAX;
        return;
    }
    while (cursor->end <= j) {
        cursor->span++;
        cursor->end = cursor->span < cursor->count ? max(cursor->end, cursor->cut[cursor->span + 1]) : INT_MAX;
    }
}

static inline bool in_a_span(const struct cursor *cursor)
{
    return cursor->span >= 0 && cursor->span < cursor->count;
}

/* ---- Where masses go ----------------------------------------------------------- */

/* The masses of a head: of mass itself, or of the part of one work-item, which attribution/reduce
 * adds up. */
struct cells {
    __global float *to;
    long first, row; /* index of row 0, column 0; from row to row */
    int columns;
    bool clear; /* they have no value yet */
};

static inline struct cells cells_of(__global float *mass, const long4 mass_at, __global float *parts, const int part,
                                    const int b, const int h, const int q0, const int heads, const int mass_rows,
                                    const int columns, const int accumulate)
{
    struct cells cells = {parts, 0, (long)heads * columns, columns, true};
    cells.first = (((long)part * get_num_groups(2) + b) * mass_rows * heads + h) * columns;
    if (!parts) {
        cells.to = mass;
        cells.first = place(mass_at, b, OVER_ROWS == EACH_ROW ? q0 : 0, h);
        cells.row = mass_at.z;
        cells.clear = !accumulate;
    }
    return cells;
}

#define CELLS_OF(part, b, h, q0)                                                                   \
    cells_of(mass, mass_at, parts, part, b, h, q0, heads, mass_rows, span_count + (sinks ? 1 : 0), accumulate)

static inline void clear_row(const struct cells *cells, const int row)
{
    for (int s = 0; cells->clear && s < cells->columns; s++) {
        cells->to[cells->first + row * cells->row + s] = 0.0f;
    }
}

/* Before any row is added: all rows, unless each has a work-item of its own. */
static inline void clear_rows(const struct cells *cells, const int rows)
{
    for (int row = 0; OVER_ROWS != EACH_ROW && row < rows; row++) {
        clear_row(cells, row);
    }
}

/* The row of masses that query i counts in, before = in front of the first span; -1 = none.
 * (rusticl gives a function the caller's own struct, not a copy: nothing passed by value is changed.) */
static inline int mass_row(const struct cursor before, const struct head *head, const int i)
{
    struct cursor cursor = before;
    if (OVER_ROWS == BY_SPAN) {
        move_to(&cursor, add_sat(head->position, i));
        return in_a_span(&cursor) ? cursor.span : -1;
    }
    return OVER_ROWS == EACH_ROW ? i : 0;
}

/* The row's own weight, times 1 / total where masses are divided by their sum. */
static inline float row_factor(__global const float *row_weight, const long place_of_row, const float total)
{
    float factor = row_weight ? row_weight[place_of_row] : 1.0f;
    if (VALUE_WEIGHTED) {
        factor = total == 0.0f ? 0.0f : factor / total;
    }
    return factor;
}
