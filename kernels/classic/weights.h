/* Additive attention leaves a row's finished scores in weights while it walks the keys, as a score
 * is dear: HEAD_DIM times tanh.  Once the sum is known they become what the caller asked for.
 *
 * Params: STAGE (a clattn_stage: softmax or masked). */
#define STAGE_SOFTMAX 0

/* Of a key outside the span that was walked, the score is -inf. */
static inline float weight_of(const float score, const float log_sum)
{
    if (STAGE != STAGE_SOFTMAX) {
        return score;
    }
    return score == -INFINITY ? 0.0f : softmax_weight(score, log_sum);
}
