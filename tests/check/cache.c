/* Attention over keys that do not lie in order: on pages, in a ring, packed, as i8.  Rows that
 * are not in use stay NaN, and so do page numbers behind the length nonsense. */
#include "random.h"
#include "trial.h"

#include "../ref/ref.h"

#include <stdlib.h>
#include <string.h>

enum {
    Q,
    K,
    V,
    OUT,
    LSE,
    KV_LENGTH,
    Q_START,
    K_START,
    PAGE_TABLE,
    K_SCALE,
    V_SCALE,
    SINKS,
    ALIBI,
};
enum { SCALED = 32 };

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
static int64_t first_key(const struct test_case *c, int64_t b)
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

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const int64_t B = c->batch, H = c->heads, G = c->kv_heads, D = c->head_dim, Dv = c->value_dim;
    const int64_t q_rows = c->own.cache.packed ? begin_of(c, B, queries_of) : c->n_q;
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
    };
    memcpy(t->spec, spec, sizeof spec);
    return true;
}

/* ---- Where a key lies ------------------------------------------------------ */

static void place_of(const struct trial *t, int64_t b, int64_t j, int64_t at[4])
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

static void fill(struct trial *t, struct rng *rng)
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
    if (c->own.cache.page_rows) {
        fill_table(t, rng);
    }
    for (int64_t b = 0; b < c->batch; b++) {
        for (int64_t j = first_key(c, b); j < keys_of(c, b); j++) {
            for (int64_t g = 0; g < c->kv_heads; g++) {
                int64_t at[4] = {0, 0, g, 0};
                place_of(t, b, j, at);
                fill_row(t, K, at, rng);
                fill_row(t, V, at, rng);
            }
        }
    }
}

/* ---- Reference ------------------------------------------------------------- */

/* Rows first .. keys of an entry in order; what a ring has lost is 0. */
static void gather(const struct trial *t, int which, int64_t b, double *to)
{
    const struct test_case *c = t->c;
    const int64_t columns = t->o[which].view.size[3], keys = keys_of(c, b);
    for (int64_t n = 0; n < keys * c->kv_heads * columns; n++) {
        int64_t at[4] = {0, 0, n / columns % c->kv_heads, n % columns};
        const int64_t j = n / columns / c->kv_heads;
        place_of(t, b, j, at);
        to[n] = j < first_key(c, b) ? 0 : number_at(t, which, at);
    }
}

struct gathered {
    double *k, *v, *mask, *lse;
};

static void expect_entry(struct trial *t, int64_t b, const struct gathered *g)
{
    const struct test_case *c = t->c;
    const int64_t queries = queries_of(c, b), keys = keys_of(c, b);
    const int64_t row = c->own.cache.packed ? begin_of(c, b, queries_of) : b * c->n_q;
    const int64_t scores = queries * c->heads * keys;
    gather(t, K, b, g->k);
    gather(t, V, b, g->v);
    for (int64_t n = 0; n < scores; n++) {
        g->mask[n] = n % keys >= first_key(c, b);
    }
    const struct ref_attention a = {
        .batch = 1,
        .n_q = queries,
        .n_k = keys,
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .head_dim = c->head_dim,
        .value_dim = c->value_dim,
        .q = t->o[Q].values + row * c->heads * c->head_dim,
        .k = g->k,
        .v = g->v,
        .mask = g->mask,
        .slopes = t->spec[ALIBI].name ? t->o[ALIBI].values : NULL,
        .sinks = t->spec[SINKS].name ? t->o[SINKS].values : NULL,
        .causal = c->causal,
        .window_left = c->window[0] ? case_number(c->window, 0) : -1,
        .window_right = c->window[0] ? case_number(c->window, 1) : -1,
        .scale = c->scale != 0 ? c->scale : (float)(1 / sqrt(c->head_dim)),
        .softcap = c->softcap,
    };
    ref_attention(&a, t->expected[OUT] + row * c->heads * c->value_dim,
                  t->expected[LSE] ? t->expected[LSE] + row * c->heads : g->lse, NULL);
}

static bool expect(struct trial *t)
{
    const struct test_case *c = t->c;
    int64_t queries = 0;
    for (int64_t b = 0; b < c->batch; b++) {
        queries = queries_of(c, b) > queries ? queries_of(c, b) : queries;
    }
    const size_t keys = (size_t)c->n_k * (size_t)c->kv_heads, rows = (size_t)(queries * c->heads);
    struct gathered g = {malloc((keys * (size_t)c->head_dim + 1) * sizeof(double)),
                         malloc((keys * (size_t)c->value_dim + 1) * sizeof(double)),
                         malloc((rows * (size_t)c->n_k + 1) * sizeof(double)),
                         malloc((rows + 1) * sizeof(double))};
    const bool ok = g.k && g.v && g.mask && g.lse;
    for (int64_t b = 0; ok && b < c->batch; b++) {
        expect_entry(t, b, &g);
    }
    free(g.k);
    free(g.v);
    free(g.mask);
    free(g.lse);
    return ok;
}

/* ---- Device ---------------------------------------------------------------- */

static clattn_attention_desc descriptor(const struct test_case *c, const char *kernel)
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
        .window = {.on = c->window[0] != '\0',
                   .left = c->window[0] ? (int32_t)case_number(c->window, 0) : 0,
                   .right = c->window[0] ? (int32_t)case_number(c->window, 1) : 0},
        .scale = c->scale,
        .softcap = c->softcap,
        .with = c->alibi[0] ? CLATTN_WITH_ALIBI : 0,
        .kernel = kernel,
        .params = c->params[0] ? c->params : NULL,
        .split_keys = c->own.cache.split_keys,
        .page_rows = c->own.cache.page_rows,
        .ring = c->own.cache.ring > 0,
        .packed = c->own.cache.packed,
    };
    return desc;
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    const clattn_attention_desc desc = descriptor(t->c, kernel);
    return clattn_attention_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    int64_t most = 0;
    for (int64_t b = 0; b < t->c->batch; b++) {
        most = queries_of(t->c, b) > most ? queries_of(t->c, b) : most;
    }
    const clattn_attention_args args = {
        .q = t->o[Q].view,
        .k = t->o[K].view,
        .v = t->o[V].view,
        .out = t->o[OUT].view,
        .lse = t->o[LSE].view,
        .kv_length = t->o[KV_LENGTH].view,
        .q_start = t->o[Q_START].view,
        .k_start = t->o[K_START].view,
        .page_table = t->o[PAGE_TABLE].view,
        .k_scale = t->o[K_SCALE].view,
        .v_scale = t->o[V_SCALE].view,
        .sinks = t->o[SINKS].view,
        .alibi = t->o[ALIBI].view,
        .most_queries = t->c->own.cache.packed ? (int32_t)most : 0,
    };
    return clattn_attention_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

/* ---- The op ---------------------------------------------------------------- */

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_attention_desc desc = descriptor(c, NULL);
    return clattn_attention_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    static const char *const kinds[] = {"", " --packed", " --packed --apart"};
    static const int pages[] = {1, 4, 16, 24, 64, 256};
    const int kv = (int)rng_below(rng, 3) + 1, keys = (int)rng_below(rng, 300) + 1;
    random_add(line, bytes, " --batch 3 --heads %d --kv-heads %d --head-dim %d --nq %d --nk %d",
               kv * ((int)rng_below(rng, 4) + 1), kv, (int)rng_below(rng, 70) + 1,
               (int)rng_below(rng, 40) + 1, keys);
    random_add(line, bytes, " --kv-length %d,%d,%d --q-length %d,%d,%d --type %s%s",
               (int)rng_below(rng, keys + 1), (int)rng_below(rng, keys + 1), keys,
               (int)rng_below(rng, 50), (int)rng_below(rng, 3), (int)rng_below(rng, 20) + 1,
               random_type(rng), rng_below(rng, 3) ? "" : " --kv-type i8");
    random_add(line, bytes, "%s", kinds[rng_below(rng, 3)]);
    switch (rng_below(rng, 3)) {
    case 0: random_add(line, bytes, " --page-rows %d", pages[rng_below(rng, 6)]); break;
    case 1: random_add(line, bytes, " --ring %d", (int)rng_below(rng, keys) + 1); break;
    default: break;
    }
    random_add(line, bytes, "%s%s%s%s --seed %d", rng_below(rng, 2) ? " --causal" : "",
               rng_below(rng, 4) ? "" : " --sinks", rng_below(rng, 2) ? " --lse" : "",
               rng_below(rng, 3) ? "" : " --split-keys 37", (int)rng_below(rng, 1000000));
}

static const struct case_option options[] = {
    CASE_OPTION("--page-rows", CASE_INTEGER, own.cache.page_rows),
    CASE_OPTION("--ring", CASE_INTEGER, own.cache.ring),
    CASE_OPTION("--packed", CASE_FLAG, own.cache.packed),
    CASE_OPTION("--stray", CASE_FLAG, own.cache.stray),
    CASE_OPTION("--apart", CASE_FLAG, own.cache.apart),
    CASE_OPTION("--q-length", CASE_TEXT, own.cache.q_length),
    CASE_OPTION("--kv-type", CASE_TYPE, own.cache.kv_type),
    CASE_OPTION("--split-keys", CASE_INTEGER, own.cache.split_keys),
    {0},
};

const struct check_op check_cache = {
    .name = "cache",
    .options = options,
    .trial = &trial,
    .variants = variants,
    .random = random_words,
};
