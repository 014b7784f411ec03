/* The running softmax (Milakov and Gimelshein 2018): max is the largest score so far,
 * sum the sum of exp(score - max).  Scores stay in natural units: a bias of -FLT_MAX
 * is a legal score, and times log2(e) it would overflow. */
struct softmax {
    float max, sum;
};

/* e^(score - max), also where both are -inf. */
static inline float softmax_weight(const float score, const float max)
{
    return exp2((score - (max == -INFINITY ? 0.0f : max)) * LOG2E);
}

/* Nothing taken yet; the sink is a score that takes mass and has no value. */
static inline struct softmax softmax_begin(const float sink)
{
    const struct softmax state = {sink, sink == -INFINITY ? 0.0f : 1.0f};
    return state;
}

/* Takes one score: returns its weight, and in *factor by what older sums shrink. */
static inline float softmax_take(struct softmax *state, const float score, float *factor)
{
    const float max = fmax(state->max, score);
    const float weight = softmax_weight(score, max);
    *factor = softmax_weight(state->max, max);
    state->sum = state->sum * *factor + weight;
    state->max = max;
    return weight;
}

/* By what accumulated values are multiplied at the end; a row that saw nothing gives 0. */
static inline float softmax_scale(const struct softmax state)
{
    return state.sum == 0.0f ? 0.0f : 1.0f / state.sum;
}

static inline float softmax_lse(const struct softmax state)
{
    return state.sum == 0.0f ? -INFINITY : state.max + log(state.sum);
}
