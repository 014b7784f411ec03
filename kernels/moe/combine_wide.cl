/* moe/combine for CPU devices: lanes along the columns.
 *
 * Launch: global {tokens, 1, 1}, local {1, 1, 1}.
 * Params: OUT_TYPE (of y), K, WIDTH. */
#include "base.h"
#include "wide.h"
#include "block/arguments.h"

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void moe_combine_wide(IN(given), IN(places), IN(weights), OUT(y), const int tokens, const int batch_rows,
                      const int columns)
{
    const int t = get_group_id(0);
    if (t >= tokens) {
        return;
    }
    __global const int *at = (__global const int *)places + places_at.x + (long)t * K;
    __global const float *weight = (__global const float *)weights + weights_at.x + (long)t * K;
    const long y_row = place(y_at, t / batch_rows, t % batch_rows, 0);
    int c = 0;
    for (; c + WIDTH <= columns; c += WIDTH) {
        vfloat sum = 0.0f;
        for (int n = 0; n < K; n++) {
            sum = fma((vfloat)(weight[n]), load_wide(F32, given, place(given_at, 0, at[n], 0) + c), sum);
        }
        store_wide(OUT_TYPE, y, y_row + c, sum);
    }
    for (; c < columns; c++) {
        float sum = 0.0f;
        for (int n = 0; n < K; n++) {
            sum = fma(weight[n], load(F32, given, place(given_at, 0, at[n], 0) + c), sum);
        }
        store(OUT_TYPE, y, y_row + c, sum);
    }
}
