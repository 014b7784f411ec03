#include "cached.h"

#include <stdlib.h>
#include <string.h>

/* ---- Sizes ----------------------------------------------------------------- */

static int64_t queries_of(const struct test_case *c, int64_t b)
{
    return c->own.cache.packed ? case_number(c->own.cache.q_length, b) : c->n_q;
}

static bool keys_packed(const struct test_case *c)
{
    return c->own.cache.packed && !c->own.cache.page_rows && !c->own.cache.ring &&
           !c->own.cache.apart;
}

static int64_t given_length(const struct test_case *c, int64_t b)
{
    return c->kv_length[0] ? case_number(c->kv_length, b) : c->n_k;
}

static int64_t within(int64_t n, int64_t least, int64_t most)
{
    return n < least ? least : n > most ? most : n;
}

/* Lengths that say too much are bounded. */
static int64_t keys_of(const struct test_case *c, int64_t b)
{
    const int64_t length = given_length(c, b);
    return keys_packed(c) ? length : within(length, 0, c->n_k);
}

/* Keys that are still there: a ring keeps the newest. */
int64_t cached_first_key(const struct test_case *c, int64_t b)
{
    const int64_t keys = keys_of(c, b);
    return c->own.cache.ring && keys > c->own.cache.ring ? keys - c->own.cache.ring : 0;
}

static int64_t table_columns(const struct test_case *c)
{
    return (c->n_k + c->own.cache.page_rows - 1) / c->own.cache.page_rows;
}

static int64_t begin_of(const struct test_case *c, int64_t b,
                        int64_t (*rows)(const struct test_case *c, int64_t b))
{
    int64_t sum = 0;
    for (int64_t n = 0; n < b; n++) {
        sum += rows(c, n);
    }
    return sum;
}

/* As the device gets it: the first and last may lie outside, which is bounded. */
static double start_of(const struct test_case *c, int64_t b,
                       int64_t (*rows)(const struct test_case *c, int64_t b))
{
    const bool stray = c->own.cache.stray && (b == 0 || b == c->batch);
    return stray ? b ? 1e9 : -5 : (double)begin_of(c, b, rows);
}

int64_t cached_q_rows(const struct test_case *c)
{
    return c->own.cache.packed ? begin_of(c, c->batch, queries_of) : c->n_q;
}

int64_t cached_queries(const struct test_case *c, int64_t b) { return queries_of(c, b); }

int64_t cached_keys(const struct test_case *c, int64_t b) { return keys_of(c, b); }

int64_t cached_first_query(const struct test_case *c, int64_t b)
{
    return c->own.cache.packed ? begin_of(c, b, queries_of) : b * c->n_q;
}

int64_t cached_key_span(const struct test_case *c)
{
    return c->own.cache.page_rows ? table_columns(c) * c->own.cache.page_rows
           : keys_packed(c)       ? begin_of(c, c->batch, keys_of)
           : c->own.cache.ring    ? c->own.cache.ring
                                  : c->n_k;
}

static bool is_number(const char *offset) { return offset[0] && strcmp(offset, "top-left"); }

int64_t cached_offset(const struct test_case *c, int64_t b)
{
    return is_number(c->offset) ? case_number(c->offset, b)
           : c->offset[0]       ? 0
                                : keys_of(c, b) - queries_of(c, b);
}

bool cached_describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const int64_t B = c->batch, H = c->heads, G = c->kv_heads, D = c->head_dim, Dv = c->value_dim;
    const int64_t q_rows = cached_q_rows(c);
    const int64_t M = cached_key_span(c);
    int64_t entries = B, rows = c->n_k;
    for (int64_t b = 0; b < B; b++) {
        const bool bounded = !keys_packed(c) && !c->own.cache.ring;
        if (keys_of(c, b) < 0 || (!bounded && given_length(c, b) > c->n_k) ||
            queries_of(c, b) < 0) {
            check_fail(result, "--kv-length or --q-length: not within what is there");
            return false;
        }
    }
    if (c->own.cache.page_rows) {
        entries = B * table_columns(c) + 1;
        rows = c->own.cache.page_rows;
    } else if (c->own.cache.ring) {
        rows = c->own.cache.ring;
    } else if (keys_packed(c)) {
        entries = 1;
        rows = begin_of(c, B, keys_of);
    }
    const clattn_type kv = c->own.cache.kv_type == CLATTN_F32 ? c->type : c->own.cache.kv_type;
    /* Without lengths whole pages are in use. */
    const bool part = c->own.cache.page_rows && c->n_k % c->own.cache.page_rows;
    const bool i8 = kv == CLATTN_I8, lengths = (c->kv_length[0] || part) && !keys_packed(c);
    const double tolerance = check_tolerance(c->type, c->out_type);
#define AXIS(list, letter, n) (strchr(c->list, letter) ? (n) : 1)
    const struct trial_operand spec[] = {
        [Q] = {"q", c->type, {c->own.cache.packed ? 1 : B, q_rows, H, D}},
        [K] = {"k", kv, {entries, rows, G, D}},
        [V] = {"v", kv, {entries, rows, G, Dv}},
        [OUT] = {"out",
                 c->out_type,
                 {c->own.cache.packed ? 1 : B, q_rows, H, Dv},
                 .output = true,
                 .tolerance = tolerance},
        [LSE] = {c->lse ? "lse" : NULL,
                 CLATTN_F32,
                 {c->own.cache.packed ? 1 : B, q_rows, H, 1},
                 .output = true,
                 .tolerance = check_tolerance(c->type, CLATTN_F32)},
        [KV_LENGTH] = {lengths ? "kv_length" : NULL, CLATTN_I32, {B, 1, 1, 1}, .list = c->kv_length},
        [Q_START] = {c->own.cache.packed ? "q_start" : NULL,
                     CLATTN_I32,
                     {1, 1, 1, B + 1},
                     .counted = true},
        [K_START] = {keys_packed(c) ? "k_start" : NULL,
                     CLATTN_I32,
                     {1, 1, 1, B + 1},
                     .counted = true},
        [PAGE_TABLE] = {c->own.cache.page_rows ? "page_table" : NULL,
                        CLATTN_I32,
                        {B, 1, 1, c->own.cache.page_rows ? table_columns(c) : 0},
                        .counted = true},
        [K_SCALE] = {i8 ? "k_scale" : NULL, CLATTN_F32, {entries, rows, G, (D + 31) / SCALED}},
        [V_SCALE] = {i8 ? "v_scale" : NULL, CLATTN_F32, {entries, rows, G, (Dv + 31) / SCALED}},
        [SINKS] = {c->sinks ? "sinks" : NULL, CLATTN_F32, {1, 1, H, 1}},
        [ALIBI] = {c->alibi[0] ? "alibi" : NULL, CLATTN_F32, {1, 1, H, 1}},
        [BIAS] = {c->bias[0] ? "bias" : NULL,
                  c->bias_type,
                  {AXIS(bias, 'b', B), AXIS(bias, 'n', c->n_q), AXIS(bias, 'h', H), M}},
        [MASK] = {c->mask[0] ? "mask" : NULL,
                  CLATTN_U8,
                  {AXIS(mask, 'b', B), AXIS(mask, 'n', c->n_q), AXIS(mask, 'h', H), M}},
        [OFFSET] = {is_number(c->offset) ? "offset" : NULL,
                    CLATTN_I32,
                    {B, 1, 1, 1},
                    .list = c->offset},
    };
#undef AXIS
    memcpy(t->spec, spec, sizeof spec);
    return true;
}

/* ---- Where a key lies ------------------------------------------------------ */

void cached_place(const struct trial *t, int64_t b, int64_t j, int64_t at[4])
{
    const struct test_case *c = t->c;
    if (c->own.cache.page_rows) {
        const struct buffer *table = &t->o[PAGE_TABLE];
        const double page = table->values[b * table_columns(c) + j / c->own.cache.page_rows];
        at[0] = within((int64_t)page, 0, t->o[K].view.size[0] - 1);
        at[1] = j % c->own.cache.page_rows;
    } else if (c->own.cache.ring) {
        at[0] = b;
        at[1] = j % c->own.cache.ring;
    } else {
        at[0] = keys_packed(c) ? 0 : b;
        at[1] = keys_packed(c) ? begin_of(c, b, keys_of) + j : j;
    }
}

/* ---- Inputs ---------------------------------------------------------------- */

static void fill_row(struct trial *t, int which, int64_t at[4], struct rng *rng)
{
    const int64_t columns = t->o[which].view.size[3];
    double row[512], largest = 0;
    for (int64_t c = 0; c < columns; c++) {
        row[c] = rng_normal(rng);
    }
    for (int64_t c = 0; c < columns; c++) {
        if (t->spec[which].type == CLATTN_I8 && c % SCALED == 0) {
            largest = 0;
            for (int64_t n = c; n < columns && n < c + SCALED; n++) {
                largest = fmax(largest, fabs(row[n]));
            }
            const int64_t scale_at[4] = {at[0], at[1], at[2], c / SCALED};
            buffer_put(&t->o[which - K + K_SCALE], scale_at, largest / 127);
        }
        at[3] = c;
        buffer_put(&t->o[which], at,
                   t->spec[which].type == CLATTN_I8 ? rint(row[c] / largest * 127) : row[c]);
    }
}

/* Pages of all entries mixed; numbers behind the length are none, nor are some before it in a case
 * that says so. */
static void fill_table(struct trial *t, struct rng *rng)
{
    const struct test_case *c = t->c;
    struct buffer *table = &t->o[PAGE_TABLE];
    const int64_t pages = t->o[K].view.size[0], columns = table_columns(c);
    int64_t *order = malloc((size_t)(pages + 1) * sizeof *order);
    for (int64_t n = 0; order && n < pages; n++) {
        const int64_t other = rng_below(rng, n + 1);
        order[n] = other == n ? n : order[other];
        order[other] = n;
    }
    for (int64_t n = 0; order && n < c->batch * columns; n++) {
        const bool stray = c->own.cache.stray && n % 3 != 1;
        const bool used = !stray && n % columns * c->own.cache.page_rows < keys_of(c, n / columns);
        buffer_put_nth(table, n, used ? (double)order[n] : n % 2 ? -7 : 1e9);
    }
    free(order);
}

/* In a key or value of each kv head's that is in use. */
static void put_nan(struct trial *t, int which, struct rng *rng)
{
    const int64_t b = rng_below(rng, t->c->batch), keys = keys_of(t->c, b);
    int64_t at[4] = {0, 0, rng_below(rng, t->c->kv_heads),
                     rng_below(rng, t->o[which].view.size[3])};
    if (keys > 0) {
        cached_place(t, b, keys - 1 - rng_below(rng, keys - cached_first_key(t->c, b)), at);
        buffer_put(&t->o[which], at, NAN);
    }
}

void cached_fill(struct trial *t, struct rng *rng)
{
    const struct test_case *c = t->c;
    trial_normal(t, Q, rng, 1, 0);
    trial_normal(t, SINKS, rng, 1, 0);
    for (int64_t b = 0; b <= c->batch; b++) {
        if (c->own.cache.packed) {
            buffer_put_nth(&t->o[Q_START], b, start_of(c, b, queries_of));
        }
        if (keys_packed(c)) {
            buffer_put_nth(&t->o[K_START], b, start_of(c, b, keys_of));
        }
        if (t->spec[KV_LENGTH].name && b < c->batch) {
            buffer_put_nth(&t->o[KV_LENGTH], b, (double)given_length(c, b));
        }
    }
    for (int64_t h = 0; t->spec[ALIBI].name && h < c->heads; h++) {
        buffer_put_nth(&t->o[ALIBI], h, pow(2, -(double)(h + 1)));
    }
    for (int64_t b = 0; t->spec[OFFSET].name && b < c->batch; b++) {
        buffer_put_nth(&t->o[OFFSET], b, (double)cached_offset(c, b));
    }
    for (int64_t n = 0; n < t->o[BIAS].count; n++) {
        buffer_put_nth(&t->o[BIAS], n, rng_below(rng, 16) ? rng_normal(rng) : -INFINITY);
    }
    trial_below(t, MASK, rng, 3); /* 0, 1 and 2: nonzero is visible */
    if (c->own.cache.page_rows) {
        fill_table(t, rng);
    }
    for (int64_t b = 0; b < c->batch; b++) {
        for (int64_t j = cached_first_key(c, b); j < keys_of(c, b); j++) {
            for (int64_t g = 0; g < c->kv_heads; g++) {
                int64_t at[4] = {0, 0, g, 0};
                cached_place(t, b, j, at);
                fill_row(t, K, at, rng);
                fill_row(t, V, at, rng);
            }
        }
    }
    if (c->nan) {
        put_nan(t, K, rng);
        put_nan(t, V, rng);
    }
}

/* ---- Device ---------------------------------------------------------------- */

clattn_attention_desc cached_desc(const struct test_case *c, const char *kernel)
{
    const clattn_attention_desc desc = {
        .head_dim = c->head_dim,
        .value_dim = c->value_dim,
        .query_heads = c->heads,
        .kv_heads = c->kv_heads,
        .type = c->type,
        .kv_type = c->own.cache.kv_type,
        .out_type = c->out_type,
        .causal = c->causal,
        .align = is_number(c->offset) ? CLATTN_OFFSET
                 : c->offset[0]       ? CLATTN_TOP_LEFT
                                      : CLATTN_BOTTOM_RIGHT,
        .window = {.on = c->window[0] != '\0',
                   .left = c->window[0] ? (int32_t)case_number(c->window, 0) : 0,
                   .right = c->window[0] ? (int32_t)case_number(c->window, 1) : 0},
        .scale = c->scale,
        .softcap = c->softcap,
        .with = (c->bias[0] ? CLATTN_WITH_BIAS : 0u) | (c->mask[0] ? CLATTN_WITH_MASK : 0u) |
                (c->alibi[0] ? CLATTN_WITH_ALIBI : 0u),
        .bias_type = c->bias_type,
        .kernel = kernel,
        .params = c->params[0] ? c->params : NULL,
        .split_keys = c->own.cache.split_keys,
        .page_rows = c->own.cache.page_rows,
        .ring = c->own.cache.ring > 0,
        .packed = c->own.cache.packed,
    };
    return desc;
}

clattn_attention_args cached_args(const struct trial *t)
{
    int64_t most = 0;
    for (int64_t b = 0; b < t->c->batch; b++) {
        most = queries_of(t->c, b) > most ? queries_of(t->c, b) : most;
    }
    return (clattn_attention_args){
        .q = t->o[Q].view,
        .k = t->o[K].view,
        .v = t->o[V].view,
        .out = t->o[OUT].view,
        .bias = t->o[BIAS].view,
        .mask = t->o[MASK].view,
        .lse = t->o[LSE].view,
        .kv_length = t->o[KV_LENGTH].view,
        .offset = t->o[OFFSET].view,
        .q_start = t->o[Q_START].view,
        .k_start = t->o[K_START].view,
        .page_table = t->o[PAGE_TABLE].view,
        .k_scale = t->o[K_SCALE].view,
        .v_scale = t->o[V_SCALE].view,
        .sinks = t->o[SINKS].view,
        .alibi = t->o[ALIBI].view,
        .most_queries = t->c->own.cache.packed ? (int32_t)most : 0,
    };
}
