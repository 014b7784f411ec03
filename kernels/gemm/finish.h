/* What becomes of the sums of a product: y = act(sum), times up where it is gated, plus residual. */
#include "block/activation.h"

static inline void finish(const float sum, const float up, __global const void *residual, const long residual_at,
                          __global void *y, const long y_at)
{
    const float value = activate(ACTIVATION, sum) * (GATED ? up : 1.0f);
    store(OUT_TYPE, y, y_at, WITH_RESIDUAL ? value + load(OUT_TYPE, residual, residual_at) : value);
}
