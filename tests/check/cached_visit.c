#include "cached.h"

#include <math.h>
#include <stdlib.h>

static double value_at(const struct buffer *o, const int64_t at[4])
{
    const int64_t *size = o->view.size;
    return o->values[((at[0] * size[1] + at[1]) * size[2] + at[2]) * size[3] + at[3]];
}

/* What the device sees: i8 times its scale. */
static double number_at(const struct trial *t, int which, const int64_t at[4])
{
    const int64_t scale_at[4] = {at[0], at[1], at[2], at[3] / SCALED};
    const double value = value_at(&t->o[which], at);
    return t->spec[which].type == CLATTN_I8 ? value * value_at(&t->o[which - K + K_SCALE], scale_at)
                                            : value;
}

/* Rows first .. keys of an entry in order; what a ring has lost is 0. */
static void gather(const struct trial *t, int which, int64_t b, double *to)
{
    const struct test_case *c = t->c;
    const int64_t columns = t->o[which].view.size[3], keys = cached_keys(c, b);
    for (int64_t n = 0; n < keys * c->kv_heads * columns; n++) {
        int64_t at[4] = {0, 0, n / columns % c->kv_heads, n % columns};
        const int64_t j = n / columns / c->kv_heads;
        cached_place(t, b, j, at);
        to[n] = j < cached_first_key(c, b) ? 0 : number_at(t, which, at);
    }
}

struct gathered {
    double *k, *v, *mask, *bias;
};

/* Of an operand that may repeat its axes. */
static double broadcast_at(const struct buffer *o, int64_t b, int64_t i, int64_t h, int64_t j)
{
    const int64_t *size = o->view.size;
    const int64_t at[4] = {size[0] == 1 ? 0 : b, size[1] == 1 ? 0 : i, size[2] == 1 ? 0 : h, j};
    return value_at(o, at);
}

static struct ref_attention entry_of(struct trial *t, int64_t b, const struct gathered *g)
{
    const struct test_case *c = t->c;
    const int64_t queries = cached_queries(c, b), keys = cached_keys(c, b);
    gather(t, K, b, g->k);
    gather(t, V, b, g->v);
    for (int64_t n = 0; n < queries * c->heads * keys; n++) {
        const int64_t i = n / keys / c->heads, h = n / keys % c->heads, j = n % keys;
        g->mask[n] = j >= cached_first_key(c, b) &&
                     (!t->spec[MASK].name || broadcast_at(&t->o[MASK], b, i, h, j) != 0);
        g->bias[n] = t->spec[BIAS].name ? broadcast_at(&t->o[BIAS], b, i, h, j) : 0;
    }
    return (struct ref_attention){
        .batch = 1,
        .n_q = queries,
        .n_k = keys,
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .head_dim = c->head_dim,
        .value_dim = c->value_dim,
        .q = t->o[Q].values + cached_first_query(c, b) * c->heads * c->head_dim,
        .k = g->k,
        .v = g->v,
        .mask = g->mask,
        .bias = g->bias,
        .slopes = t->spec[ALIBI].name ? t->o[ALIBI].values : NULL,
        .sinks = t->spec[SINKS].name ? t->o[SINKS].values : NULL,
        .causal = c->causal,
        .window_left = c->window[0] ? case_number(c->window, 0) : -1,
        .window_right = c->window[0] ? case_number(c->window, 1) : -1,
        .scale = c->scale != 0 ? c->scale : (float)(1 / sqrt(c->head_dim)),
        .softcap = c->softcap,
    };
}

bool cached_visit(struct trial *t,
                  void (*visit)(struct trial *t, int64_t b, const struct ref_attention *a))
{
    const struct test_case *c = t->c;
    int64_t queries = 0;
    for (int64_t b = 0; b < c->batch; b++) {
        queries = cached_queries(c, b) > queries ? cached_queries(c, b) : queries;
    }
    const size_t keys = (size_t)c->n_k * (size_t)c->kv_heads, rows = (size_t)(queries * c->heads),
                 scores = rows * (size_t)c->n_k;
    struct gathered g = {malloc((keys * (size_t)c->head_dim + 1) * sizeof(double)),
                         malloc((keys * (size_t)c->value_dim + 1) * sizeof(double)),
                         malloc((scores + 1) * sizeof(double)),
                         malloc((scores + 1) * sizeof(double))};
    const bool ok = g.k && g.v && g.mask && g.bias;
    for (int64_t b = 0; ok && b < c->batch; b++) {
        const int64_t offset = cached_offset(c, b);
        struct ref_attention a = entry_of(t, b, &g);
        a.offset = &offset;
        visit(t, b, &a);
    }
    free(g.k);
    free(g.v);
    free(g.mask);
    free(g.bias);
    return ok;
}
