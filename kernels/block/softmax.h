/* What both kernels of softmax share.
 *
 * Params: TYPE, OUT_TYPE. */

/* factor: log2(e) / temperature.  Also where max is -inf: -inf - -inf is NaN. */
static inline float softmax_weight_of(const float x, const float max, const float factor)
{
    return x == -INFINITY ? 0.0f : exp2((x - max) * factor);
}
