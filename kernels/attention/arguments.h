/* What every attention kernel is given, in the order src/ops/attention/build.c binds it.
 * A tensor is a pointer and its place {offset, batch, row, head} in elements; the
 * stride of a repeated axis is 0, an absent tensor is a null pointer. */
#define ATTENTION_ARGUMENTS                                                                        \
    __global const void *q, const long4 q_at, __global const void *k, const long4 k_at,            \
        __global const void *v, const long4 v_at, __global void *out, const long4 out_at,          \
        __global const void *bias, const long4 bias_at, __global const uchar *mask,                \
        const long4 mask_at, __global const float *alibi, const long4 alibi_at,                    \
        __global const float *sinks, const long4 sinks_at, __global const int *kv_length,          \
        const long4 kv_length_at, __global const int *offset, const long4 offset_at,               \
        __global const int *q_start, const long4 q_start_at, __global const int *k_start,          \
        const long4 k_start_at, __global const int *page_table, const long4 page_table_at,         \
        __global const float *k_scale, const long4 k_scale_at, __global const float *v_scale,      \
        const long4 v_scale_at,                                                                    \
        __global float *lse, const long4 lse_at, __global float *weights, const long4 weights_at,  \
        const int n_q, const int n_k, const float scale, const float softcap,                      \
        const int window_left, const int window_right, const int q_rows, const int k_rows,         \
        const int capacity, const int pages

/* What scores and masks need of them. */
struct score_arguments {
    __global const void *bias;
    long4 bias_at;
    __global const uchar *mask;
    long4 mask_at;
    int window_left, window_right;
    float softcap;
};

#define SCORE_ARGUMENTS {bias, bias_at, mask, mask_at, window_left, window_right, softcap}
