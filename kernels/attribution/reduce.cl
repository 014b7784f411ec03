/* Adds up what several work-items found, and joins heads: one work-item gives one mass.
 *
 * Launch: global {columns, rows of mass * heads of mass, batch}; any local size.
 * Params: OVER_HEADS (a clattn_heads), and those of spans.h. */
#define EACH_HEAD 0
#define MEAN_OF_HEADS 1
#define MAX_OF_HEADS 2

__kernel void attribution_reduce(ATTENTION_ARGUMENTS, ATTRIBUTION_ARGUMENTS)
{
    const int s = get_global_id(0), b = get_global_id(2);
    const int columns = get_global_size(0), batch = get_global_size(2);
    const int mass_heads = OVER_HEADS == EACH_HEAD ? heads : 1;
    const int row = get_global_id(1) / max(mass_heads, 1), first = get_global_id(1) % max(mass_heads, 1);
    if (row >= mass_rows) {
        return;
    }
    int q0 = 0;
    if (OVER_ROWS == EACH_ROW && PACKED && q_start) {
        const int2 rows = packed_rows(q_start, q_start_at, b, q_rows);
        if (row >= rows.y - rows.x) {
            return;
        }
        q0 = rows.x;
    }
    float result = 0.0f;
    for (int h = first; h < (OVER_HEADS == EACH_HEAD ? first + 1 : heads); h++) {
        float sum = 0.0f;
        for (int part = 0; part < walkers; part++) {
            sum += parts[((((long)part * batch + b) * mass_rows + row) * heads + h) * columns + s];
        }
        if (OVER_HEADS == MAX_OF_HEADS) {
            result = h == first || isnan(sum) || sum > result ? sum : result;
        } else {
            result += sum;
        }
    }
    if (OVER_HEADS == MEAN_OF_HEADS) {
        result /= heads;
    }
    const long cell = place(mass_at, b, q0 + row, first) + s;
    mass[cell] = accumulate ? mass[cell] + result : result;
}
