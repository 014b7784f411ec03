/* From a scaled dot product to the score that softmax sees, and which keys a query sees.
 *
 * Params: CAUSAL, WINDOW, SOFTCAP, WITH_BIAS, WITH_MASK, WITH_ALIBI (0 or 1),
 *         BIAS_TYPE, ALIGN (a clattn_align), and those of keys.h. */
#include "attention/keys.h"

#define BOTTOM_RIGHT 0
#define TOP_LEFT 1

/* One head of one batch entry, as seen from its queries. */
struct head {
    int first, used; /* keys that are there: first <= j < used */
    int q0, n_q;     /* its queries: rows q0 .. q0 + n_q of the tensor */
    int position;    /* of query 0 among the keys; may be negative */
    float slope;     /* of ALiBi, negated: added per key of distance.  Subtracting here instead
                      * crashes the compiler of Intel's CPU runtime 2026.2. */
    long bias, mask; /* index of row 0, key 0 */
    struct keys_of keys;
};

/* begins[b] .. begins[b + 1], within 0 .. rows. */
static inline int2 packed_rows(__global const int *begins, const long4 at, const int b, const int rows)
{
    const int first = clamp(begins[at.x + b], 0, rows);
    return (int2)(first, clamp(begins[at.x + b + 1], first, rows));
}

static inline struct head head_of(const struct score_arguments *a, const int b, const int h,
                                  const int n_q, const int n_k, __global const float *alibi,
                                  const long4 alibi_at, __global const int *kv_length,
                                  const long4 kv_length_at, __global const int *offset,
                                  const long4 offset_at, __global const int *q_start,
                                  const long4 q_start_at, __global const int *k_start,
                                  const long4 k_start_at, __global const int *page_table,
                                  const long4 page_table_at, const int q_rows, const int k_rows,
                                  const int capacity, const int pages)
{
    struct head head = {0, n_k, 0, n_q};
    head.keys.b = b;
    head.keys.start = 0;
    head.keys.capacity = capacity;
    head.keys.pages = pages;
    head.keys.page_table = PAGE_ROWS && page_table ? page_table + place(page_table_at, b, 0, 0) : page_table;
    if (PACKED && q_start) {
        const int2 rows = packed_rows(q_start, q_start_at, b, q_rows);
        head.q0 = rows.x;
        head.n_q = min(rows.y - rows.x, n_q);
    }
    if (PACKED && k_start) {
        const int2 rows = packed_rows(k_start, k_start_at, b, k_rows);
        head.keys.start = rows.x;
        head.used = rows.y - rows.x;
    }
    if (kv_length) {
        head.used = clamp(kv_length[place(kv_length_at, b, 0, 0)], 0, head.used);
    }
    if (RING) {
        head.first = max(0, head.used - capacity);
    }
    if (ALIGN == BOTTOM_RIGHT) {
        head.position = head.used - head.n_q;
    } else {
        head.position = ALIGN == TOP_LEFT || !offset ? 0 : offset[place(offset_at, b, 0, 0)];
    }
    head.slope = WITH_ALIBI && alibi ? -alibi[place(alibi_at, b, 0, h)] : 0.0f;
    head.bias = place(a->bias_at, b, 0, h);
    head.mask = place(a->mask_at, b, 0, h);
    return head;
}

#define HEAD_OF(a, b, h)                                                                           \
    head_of(a, b, h, n_q, n_k, alibi, alibi_at, kv_length, kv_length_at, offset, offset_at,        \
            q_start, q_start_at, k_start, k_start_at, page_table, page_table_at, q_rows, k_rows,   \
            capacity, pages)

/* Keys first <= j < end: all that rows i0..i1 may see by length, causality and window. */
struct span {
    int first, end;
};

static inline struct span visible_span(const struct score_arguments *a, const struct head *head,
                                       const int i0, const int i1)
{
    struct span keys = {head->first, head->used};
    const int p0 = add_sat(head->position, i0), p1 = add_sat(head->position, i1);
    if (CAUSAL) {
        keys.end = min(keys.end, add_sat(p1, 1));
    }
    if (WINDOW && a->window_left >= 0) {
        keys.first = max(keys.first, sub_sat(p0, a->window_left));
    }
    if (WINDOW && a->window_right >= 0) {
        keys.end = min(keys.end, add_sat(add_sat(p1, a->window_right), 1));
    }
    return keys;
}

/* Whether length, causality and window let rows i0..i1 see every key of first <= j < end. */
static inline bool within_bounds(const struct score_arguments *a, const struct head *head,
                                 const int i0, const int i1, const int first, const int end)
{
    const int p0 = add_sat(head->position, i0), p1 = add_sat(head->position, i1);
    bool whole = first >= head->first && end <= head->used;
    if (CAUSAL) {
        whole = whole && end - 1 <= p0;
    }
    if (WINDOW) {
        whole = whole && (a->window_left < 0 || first >= sub_sat(p1, a->window_left)) &&
                (a->window_right < 0 || end - 1 <= add_sat(p0, a->window_right));
    }
    return whole;
}

#define BOUNDS_ONLY (!WITH_MASK && !WITH_BIAS)

/* The same where no mask or bias needs a look either. */
static inline bool wholly_visible(const struct score_arguments *a, const struct head *head,
                                  const int i0, const int i1, const int first, const int end)
{
    return BOUNDS_ONLY && within_bounds(a, head, i0, i1, first, end);
}

/* Whether query i sees key j, as far as that is known without the score. */
static inline bool sees(const struct score_arguments *a, const struct head *head, const int i, const int j)
{
    const int p = add_sat(head->position, i);
    bool seen = j >= head->first && j < head->used;
    if (CAUSAL) {
        seen = seen && j <= p;
    }
    if (WINDOW) {
        seen = seen && (a->window_left < 0 || j >= sub_sat(p, a->window_left)) &&
               (a->window_right < 0 || j <= add_sat(p, a->window_right));
    }
    if (WITH_MASK && seen && a->mask) {
        seen = a->mask[head->mask + i * a->mask_at.z + j] != 0;
    }
    return seen;
}

static inline float cap_score(const struct score_arguments *a, const float score)
{
    return SOFTCAP ? a->softcap * tanh(score / a->softcap) : score;
}

/* Softcap, bias and ALiBi of a key that query i sees; -inf = it does not after all. */
static inline float finish_score(const struct score_arguments *a, const struct head *head, const int i,
                                 const int j, float score)
{
    score = cap_score(a, score);
    if (WITH_BIAS && a->bias) {
        const float added = load(BIAS_TYPE, a->bias, head->bias + i * a->bias_at.z + j);
        score = added == -INFINITY ? -INFINITY : score + added;
    }
    if (WITH_ALIBI) {
        score = fma(head->slope, (float)abs_diff(add_sat(head->position, i), j), score);
    }
    return score;
}
