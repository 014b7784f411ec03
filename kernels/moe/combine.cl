/* y = sum over a token's K entries of weight * what the expert gave, in the order of its choice: one
 * work-item per column of a token.
 *
 * Launch: global {columns rounded up, tokens, 1}; any local size.
 * Params: OUT_TYPE (of y), K. */
#include "base.h"
#include "block/arguments.h"

__kernel void moe_combine(IN(given), IN(places), IN(weights), OUT(y), const int tokens, const int batch_rows,
                          const int columns)
{
    const int c = get_global_id(0), t = get_global_id(1);
    if (c >= columns || t >= tokens) {
        return;
    }
    float sum = 0.0f;
    for (int n = 0; n < K; n++) {
        const int at = ((__global const int *)places)[places_at.x + (long)t * K + n];
        const float weight = load(F32, weights, weights_at.x + (long)t * K + n);
        sum = fma(weight, load(F32, given, place(given_at, 0, at, 0) + c), sum);
    }
    store(OUT_TYPE, y, place(y_at, t / batch_rows, t % batch_rows, 0) + c, sum);
}
