/* Appending to caches: what was there stays, what has no place is not written. */
#include "random.h"
#include "trial.h"

#include "ref/ref.h"

#include <stdlib.h>
#include <string.h>

enum {
    K,
    V,
    K_CACHE,
    V_CACHE,
    K_SCALE,
    V_SCALE,
    PAGE_TABLE,
    KV_LENGTH,
    START,
    POSITIONS,
    Q,
    TURNED
};
enum { SCALED = 32, TABLE = 5 }; /* pages of an entry */

/* ---- Sizes: batch entries have lengths that are used and rows that are new ------------------ */

static int64_t new_rows(const struct test_case *c, int64_t b)
{
    return c->own.cache.packed ? case_number(c->own.cache.q_length, b) : c->n_q;
}

static int64_t used_rows(const struct test_case *c, int64_t b)
{
    return c->kv_length[0] ? case_number(c->kv_length, b) : 0;
}

static int64_t total_rows(const struct test_case *c, int64_t entries)
{
    int64_t sum = 0;
    for (int64_t b = 0; b < entries; b++) {
        sum += new_rows(c, b);
    }
    return sum;
}

static int64_t capacity_of(const struct test_case *c)
{
    const struct cache_case *o = &c->own.cache;
    return o->page_rows ? TABLE * o->page_rows : o->ring ? o->ring : c->n_k;
}

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const struct cache_case *o = &c->own.cache;
    const int64_t B = c->batch, G = c->kv_heads, D = c->head_dim, Dv = c->value_dim;
    const int64_t Bk = o->packed ? 1 : B, rows = o->packed ? total_rows(c, B) : c->n_q;
    const int64_t entries = o->page_rows ? B * TABLE : B;
    const int64_t cache_rows = o->page_rows ? o->page_rows : capacity_of(c);
    const clattn_type kv = o->kv_type == CLATTN_F32 ? c->type : o->kv_type;
    const bool i8 = kv == CLATTN_I8;
    /* Angles are right to 1e-6; what is only copied is exact, i8 to a rounding. */
    const double tolerance = i8 ? 1e-12 : o->append.rope ? check_tolerance(c->type, kv) : 1e-12;
    const struct trial_operand spec[] = {
        [K] = {"k", c->type, {Bk, rows, G, D}},
        [V] = {"v", c->type, {Bk, rows, G, Dv}},
        [K_CACHE] =
            {"k_cache", kv, {entries, cache_rows, G, D}, .output = true, .tolerance = tolerance},
        [V_CACHE] =
            {"v_cache", kv, {entries, cache_rows, G, Dv}, .output = true, .tolerance = tolerance},
        [K_SCALE] = {i8 ? "k_scale" : NULL,
                     CLATTN_F32,
                     {entries, cache_rows, G, (D + 31) / SCALED},
                     .output = true,
                     .tolerance = 1e-5},
        [V_SCALE] = {i8 ? "v_scale" : NULL,
                     CLATTN_F32,
                     {entries, cache_rows, G, (Dv + 31) / SCALED},
                     .output = true,
                     .tolerance = 1e-5},
        [PAGE_TABLE] = {o->page_rows ? "page_table" : NULL,
                        CLATTN_I32,
                        {B, 1, 1, TABLE},
                        .counted = true},
        [KV_LENGTH] = {"kv_length", CLATTN_I32, {B, 1, 1, 1}, .list = c->kv_length},
        [START] = {o->packed ? "start" : NULL, CLATTN_I32, {1, 1, 1, B + 1}, .counted = true},
        [POSITIONS] = {o->append.positions ? "positions" : NULL,
                       CLATTN_I32,
                       {Bk, rows, 1, 1},
                       .below = 100000},
        [Q] = {o->append.queries ? "q" : NULL, c->type, {Bk, rows, c->heads, D}},
        [TURNED] = {o->append.queries ? "q" : NULL,
                    c->type,
                    {Bk, rows, c->heads, D},
                    .output = true,
                    .over = Q + 1,
                    .tolerance = check_tolerance(c->type, c->type)},
    };
    (void)result;
    memcpy(t->spec, spec, sizeof spec);
    return true;
}

/* The last page of every second entry is none: rows on it have no place. */
static void fill(struct trial *t, struct rng *rng)
{
    const struct test_case *c = t->c;
    trial_normal(t, K, rng, 1, 0);
    trial_normal(t, V, rng, 1, 0);
    trial_normal(t, Q, rng, 1, 0);
    for (int64_t b = 0; b < c->batch; b++) {
        buffer_put_nth(&t->o[KV_LENGTH], b, (double)used_rows(c, b));
        for (int64_t p = 0; c->own.cache.page_rows && p < TABLE; p++) {
            const bool none = p == TABLE - 1 && b % 2;
            buffer_put_nth(&t->o[PAGE_TABLE], b * TABLE + p,
                           none && b % 4 == 1 ? 1e9
                           : none             ? -7
                                  : (double)((c->batch - 1 - b) * TABLE + (p + 2) % TABLE));
        }
    }
    for (int64_t b = 0; c->own.cache.packed && b <= c->batch; b++) {
        buffer_put_nth(&t->o[START], b, (double)total_rows(c, b));
    }
    for (int64_t n = 0; n < t->o[POSITIONS].count; n++) {
        buffer_put_nth(&t->o[POSITIONS], n, (double)rng_below(rng, 100000));
    }
}

/* ---- Reference ------------------------------------------------------------- */

/* Entry and row where row j of b lies; false if it has no place. */
static bool place_of(const struct trial *t, int64_t b, int64_t j, int64_t at[2])
{
    const struct test_case *c = t->c;
    const struct cache_case *o = &c->own.cache;
    if (j < 0) {
        return false;
    }
    at[0] = b;
    at[1] = o->ring ? j % o->ring : j;
    if (o->page_rows && j < capacity_of(c)) {
        at[0] = (int64_t)t->o[PAGE_TABLE].values[b * TABLE + j / o->page_rows];
        at[1] = j % o->page_rows;
    }
    return (o->ring || j < capacity_of(c)) && at[0] >= 0 && at[0] < t->o[K_CACHE].view.size[0];
}

static void expect_row(struct trial *t, int which, const int64_t at[2], int64_t g,
                       const double *row)
{
    const int64_t *size = t->o[which].view.size, columns = size[3];
    const int64_t to = ((at[0] * size[1] + at[1]) * size[2] + g) * columns;
    const bool i8 = t->spec[which].type == CLATTN_I8;
    for (int64_t c0 = 0; c0 < columns; c0 += SCALED) {
        double largest = 0;
        for (int64_t c = c0; c < columns && c < c0 + SCALED; c++) {
            largest = fmax(largest, fabs(row[c]));
        }
        if (i8) {
            const int64_t groups = (columns + 31) / SCALED;
            t->expected[which - K_CACHE + K_SCALE][to / columns * groups + c0 / SCALED] =
                largest / 127;
        }
        for (int64_t c = c0; c < columns && c < c0 + SCALED; c++) {
            /* As floats: a number halfway between two may go either way in other arithmetic. */
            const float inverse = largest > 0 ? 127.0f / (float)largest : 0;
            t->expected[which][to + c] =
                i8 ? rintf((float)row[c] * inverse) : buffer_round(t->spec[which].type, row[c]);
        }
    }
}

/* Turns a row in place (Su et al. 2021); base 10000. */
static void turn(const struct test_case *c, double *row, double position)
{
    const struct append_case *o = &c->own.cache.append;
    const int64_t rotary = o->rotary_dim ? o->rotary_dim : c->head_dim, pairs = rotary / 2;
    for (int64_t n = 0; n < pairs; n++) {
        const int64_t x = o->interleaved ? 2 * n : n, y = o->interleaved ? x + 1 : n + pairs;
        const double angle = position * pow(10000, -2.0 * (double)n / (double)rotary);
        const double from = row[x];
        row[x] = from * cos(angle) - row[y] * sin(angle);
        row[y] = row[y] * cos(angle) + from * sin(angle);
    }
}

/* Row i of b among the new ones, and its position. */
static int64_t number_of(const struct trial *t, int64_t b, int64_t i, double *position)
{
    const struct test_case *c = t->c;
    const int64_t n = c->own.cache.packed ? total_rows(c, b) + i : b * c->n_q + i;
    *position =
        c->own.cache.append.positions ? t->o[POSITIONS].values[n] : (double)(used_rows(c, b) + i);
    return n;
}

static void expect_queries(struct trial *t, int64_t b, int64_t i)
{
    const struct test_case *c = t->c;
    double position;
    const int64_t n = number_of(t, b, i, &position);
    for (int64_t h = 0; h < c->heads; h++) {
        turn(c, t->expected[TURNED] + (n * c->heads + h) * c->head_dim, position);
    }
}

static void expect_new(struct trial *t, int64_t b, int64_t i, const int64_t at[2])
{
    const struct test_case *c = t->c;
    double position;
    const int64_t n = number_of(t, b, i, &position);
    for (int64_t g = 0; g < c->kv_heads; g++) {
        double row[512];
        memcpy(row, t->o[K].values + (n * c->kv_heads + g) * c->head_dim,
               (size_t)c->head_dim * sizeof *row);
        if (c->own.cache.append.rope) {
            turn(c, row, position);
        }
        expect_row(t, K_CACHE, at, g, row);
        expect_row(t, V_CACHE, at, g, t->o[V].values + (n * c->kv_heads + g) * c->value_dim);
    }
}

/* Bytes that nobody wrote are 0xff: NaN, or -1. */
static bool expect(struct trial *t)
{
    const struct test_case *c = t->c;
    for (int i = K_CACHE; i <= V_SCALE; i++) {
        for (int64_t n = 0; t->expected[i] && n < t->o[i].count; n++) {
            t->expected[i][n] = t->spec[i].type == CLATTN_I8 ? -1 : NAN;
        }
    }
    if (t->expected[TURNED]) {
        memcpy(t->expected[TURNED], t->o[Q].values, (size_t)t->o[Q].count * sizeof(double));
    }
    for (int64_t b = 0; b < c->batch; b++) {
        for (int64_t i = 0; i < new_rows(c, b); i++) {
            int64_t at[2];
            if (t->expected[TURNED]) {
                expect_queries(t, b, i);
            }
            if (place_of(t, b, used_rows(c, b) + i, at)) {
                expect_new(t, b, i, at);
            }
        }
    }
    return true;
}

/* ---- Device ---------------------------------------------------------------- */

static clattn_append_desc descriptor(const struct test_case *c, const char *kernel)
{
    const struct cache_case *o = &c->own.cache;
    const clattn_append_desc desc = {
        .head_dim = c->head_dim,
        .value_dim = c->value_dim,
        .type = c->type,
        .kv_type = o->kv_type,
        .page_rows = o->page_rows,
        .ring = o->ring > 0,
        .packed = o->packed,
        .rotate = o->append.rope,
        .rope = {.rotary_dim = o->append.rope ? o->append.rotary_dim : 0,
                 .interleaved = o->append.rope && o->append.interleaved},
        .kernel = kernel,
    };
    return desc;
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    const clattn_append_desc desc = descriptor(t->c, kernel);
    return clattn_append_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const clattn_append_args args = {
        .k = t->o[K].view,
        .v = t->o[V].view,
        .k_cache = t->o[K_CACHE].view,
        .v_cache = t->o[V_CACHE].view,
        .k_scale = t->o[K_SCALE].view,
        .v_scale = t->o[V_SCALE].view,
        .page_table = t->o[PAGE_TABLE].view,
        .kv_length = t->o[KV_LENGTH].view,
        .start = t->o[START].view,
        .positions = t->o[POSITIONS].view,
        .q = t->o[TURNED].view,
    };
    return clattn_append_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_append_desc desc = descriptor(c, NULL);
    return clattn_append_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    const int dim = 2 * ((int)rng_below(rng, 50) + 1);
    random_add(line, bytes,
               " --batch 3 --kv-heads %d --heads %d --head-dim %d --nq %d --nk %d --type %s%s", 1,
               1, dim, (int)rng_below(rng, 30), (int)rng_below(rng, 60) + 1, random_type(rng),
               rng_below(rng, 3) ? "" : " --kv-type i8");
    random_add(line, bytes, " --kv-length %d,%d,%d", (int)rng_below(rng, 40),
               (int)rng_below(rng, 40), (int)rng_below(rng, 40));
    switch (rng_below(rng, 3)) {
    case 0: random_add(line, bytes, " --page-rows %d", (int)rng_below(rng, 20) + 1); break;
    case 1: random_add(line, bytes, " --ring %d", (int)rng_below(rng, 40) + 1); break;
    default: break;
    }
    if (rng_below(rng, 3) == 0) {
        random_add(line, bytes, " --packed --q-length %d,%d,%d", (int)rng_below(rng, 20),
                   (int)rng_below(rng, 20), (int)rng_below(rng, 20));
    }
    if (rng_below(rng, 2) && !strstr(line, "i8")) {
        random_add(line, bytes, " --rope%s%s%s", rng_below(rng, 2) ? " --interleaved" : "",
                   rng_below(rng, 3) ? "" : " --positions", rng_below(rng, 2) ? " --queries" : "");
    }
    random_add(line, bytes, " --seed %d", (int)rng_below(rng, 1000000));
}

static const struct case_option options[] = {
    CASE_OPTION("--page-rows", CASE_INTEGER, own.cache.page_rows),
    CASE_OPTION("--ring", CASE_INTEGER, own.cache.ring),
    CASE_OPTION("--packed", CASE_FLAG, own.cache.packed),
    CASE_OPTION("--q-length", CASE_TEXT, own.cache.q_length),
    CASE_OPTION("--kv-type", CASE_TYPE, own.cache.kv_type),
    CASE_OPTION("--rope", CASE_FLAG, own.cache.append.rope),
    CASE_OPTION("--interleaved", CASE_FLAG, own.cache.append.interleaved),
    CASE_OPTION("--positions", CASE_FLAG, own.cache.append.positions),
    CASE_OPTION("--queries", CASE_FLAG, own.cache.append.queries),
    CASE_OPTION("--rotary-dim", CASE_INTEGER, own.cache.append.rotary_dim),
    {0},
};

const struct check_op check_append = {
    .name = "append",
    .options = options,
    .trial = &trial,
    .variants = variants,
    .random = random_words,
};
