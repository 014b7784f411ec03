/* The same as gemm/finish.h for WIDTH sums side by side, of which the first count are wanted. */
#include "block/activation.h"
#include "block/activation_wide.h"

static inline void finish_wide(const vfloat sum, const vfloat up, __global const void *residual,
                               const long residual_at, __global void *y, const long y_at, const int count)
{
    const vfloat value = activate_wide(ACTIVATION, sum) * (GATED ? up : (vfloat)(1.0f));
    if (count >= WIDTH) {
        store_wide(OUT_TYPE, y, y_at, WITH_RESIDUAL ? value + load_wide(OUT_TYPE, residual, residual_at) : value);
        return;
    }
    float lane[WIDTH];
    *(vfloat_at *)lane = value;
    for (int c = 0; c < count; c++) {
        const float rest = WITH_RESIDUAL ? load(OUT_TYPE, residual, residual_at + c) : 0.0f;
        store(OUT_TYPE, y, y_at + c, lane[c] + rest);
    }
}
