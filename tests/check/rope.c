/* Cases of rotary position embedding. */
#include "random.h"
#include "trial.h"

#include "ref/ref.h"

#include <stdlib.h>
#include <string.h>

enum { Q, K, Q_OUT, K_OUT, POSITIONS, START, COS, SIN };
enum { CACHE_ROWS = 50, MAX_PAIRS = 256 };

static const struct scaling {
    const char *name;
    clattn_rope_scaling scaling;
    enum ref_rope_scaling ref;
} scalings[] = {{"", CLATTN_ROPE_UNSCALED, REF_UNSCALED},
                {"linear", CLATTN_ROPE_LINEAR, REF_LINEAR},
                {"ntk", CLATTN_ROPE_NTK, REF_NTK},
                {"yarn", CLATTN_ROPE_YARN, REF_YARN},
                {"llama3", CLATTN_ROPE_LLAMA3, REF_LLAMA3}};

static const struct scaling *scaling_of(const struct test_case *c)
{
    for (size_t i = 0; i < sizeof scalings / sizeof *scalings; i++) {
        if (!strcmp(scalings[i].name, c->own.rope.scaling)) {
            return &scalings[i];
        }
    }
    return NULL;
}

static int32_t rotary_dim(const struct test_case *c)
{
    return c->own.rope.rotary_dim ? c->own.rope.rotary_dim : c->head_dim;
}

/* A factor of each pair, as checkpoints bring them. */
static const float *divisors_of(const struct test_case *c)
{
    static float divisors[MAX_PAIRS];
    for (int i = 0; i < MAX_PAIRS; i++) {
        divisors[i] = 1 + 0.125f * (float)i;
    }
    return c->own.rope.divisors ? divisors : NULL;
}

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const struct rope_case *r = &c->own.rope;
    const bool ids = !strcmp(r->positions, "ids"), start = !strcmp(r->positions, "start");
    const bool cache = !strcmp(r->tables, "cache"), tables = r->tables[0], key = !r->no_key;
    const int64_t B = c->batch, N = c->rows, H = c->heads, G = c->kv_heads, D = c->head_dim;
    const int64_t pairs = rotary_dim(c) / 2, batch = cache ? 1 : B, rows = cache ? CACHE_ROWS : N;
    const double tolerance = check_tolerance(c->type, c->type);
    const struct trial_operand spec[] = {
        [Q] = {"q", c->type, {B, N, H, D}},
        [K] = {key ? "k" : NULL, c->type, {B, N, G, D}},
        [Q_OUT] = {"q_out", c->type, {B, N, H, D}, true, r->in_place ? Q + 1 : 0, tolerance},
        [K_OUT] =
            {key ? "k_out" : NULL, c->type, {B, N, G, D}, true, r->in_place ? K + 1 : 0, tolerance},
        [POSITIONS] = {ids ? "positions" : NULL, CLATTN_I32, {B, N, 1, 1}, .below = CACHE_ROWS},
        [START] = {start ? "start" : NULL, CLATTN_I32, {B, 1, 1, 1}, .below = CACHE_ROWS},
        [COS] = {tables ? "cos" : NULL, r->table_type, {batch, rows, 1, pairs}},
        [SIN] = {tables ? "sin" : NULL, r->table_type, {batch, rows, 1, pairs}},
    };
    memcpy(t->spec, spec, sizeof spec);
    if (!scaling_of(c) || (r->positions[0] && !ids && !start) || pairs > MAX_PAIRS ||
        (cache && !r->positions[0]) || (tables && !cache && r->positions[0])) {
        check_fail(result, "--scaling, --positions or --tables: not known, or not together");
        return false;
    }
    return true;
}

static void fill(struct trial *t, struct rng *rng)
{
    const int32_t first = t->c->own.rope.first;
    trial_normal(t, Q, rng, 1, 0);
    trial_normal(t, K, rng, 1, 0);
    trial_normal(t, COS, rng, 1, 0);
    trial_normal(t, SIN, rng, 1, 0);
    for (int64_t n = 0; n < t->o[POSITIONS].count; n++) {
        buffer_put_nth(&t->o[POSITIONS], n, (double)(first + rng_below(rng, CACHE_ROWS)));
    }
    for (int64_t b = 0; b < t->o[START].count; b++) {
        buffer_put_nth(&t->o[START], b, (double)(first + 3 * b));
    }
}

static int64_t position_of(const struct trial *t, int64_t b, int64_t i)
{
    return t->o[POSITIONS].bytes ? (int64_t)t->o[POSITIONS].values[b * t->c->rows + i]
           : t->o[START].bytes   ? (int64_t)t->o[START].values[b] + i
                                 : i;
}

/* cos and sin of a row: computed, the caller's, or 0 outside a cache. */
static void angles(const struct trial *t, int64_t b, int64_t i, double *cosines, double *sines)
{
    const struct test_case *c = t->c;
    const struct rope_case *r = &c->own.rope;
    const int64_t position = position_of(t, b, i), pairs = rotary_dim(c) / 2;
    const struct ref_rope rope = {.rotary_dim = rotary_dim(c),
                                  .base = r->base > 0 ? r->base : 10000,
                                  .factor = r->factor,
                                  .original = r->original,
                                  .scaling = scaling_of(c)->ref,
                                  .divisors = divisors_of(c)};
    if (!r->tables[0]) {
        ref_rope_angles(&rope, position, cosines, sines);
        return;
    }
    const int64_t row = !strcmp(r->tables, "cache") ? position : b * c->rows + i;
    const bool there = row >= 0 && row < t->o[COS].count / pairs;
    for (int64_t n = 0; n < pairs; n++) {
        cosines[n] = there ? t->o[COS].values[row * pairs + n] : 0;
        sines[n] = there ? t->o[SIN].values[row * pairs + n] : 0;
    }
}

static void expect_tensor(const struct trial *t, int in, int out)
{
    const struct test_case *c = t->c;
    const int64_t heads = t->spec[in].size[2], D = c->head_dim;
    double cosines[MAX_PAIRS], sines[MAX_PAIRS];
    memcpy(t->expected[out], t->o[in].values, (size_t)t->o[in].count * sizeof(double));
    for (int64_t n = 0; n < (int64_t)c->batch * c->rows; n++) {
        angles(t, n / c->rows, n % c->rows, cosines, sines);
        for (int64_t h = 0; h < heads; h++) {
            ref_rope_turn(rotary_dim(c), c->own.rope.interleaved, cosines, sines,
                          t->expected[out] + (n * heads + h) * D);
        }
    }
}

static bool expect(struct trial *t)
{
    expect_tensor(t, Q, Q_OUT);
    if (t->spec[K].name) {
        expect_tensor(t, K, K_OUT);
    }
    return true;
}

static clattn_rope_desc desc_of(const struct test_case *c)
{
    const struct rope_case *r = &c->own.rope;
    const struct scaling *scaling = scaling_of(c);
    return (clattn_rope_desc){.head_dim = c->head_dim,
                              .rotary_dim = r->rotary_dim,
                              .interleaved = r->interleaved,
                              .type = c->type,
                              .tables = r->tables[0],
                              .table_type = r->table_type,
                              .base = r->base,
                              .scaling = scaling ? scaling->scaling : CLATTN_ROPE_UNSCALED,
                              .factor = r->factor,
                              .original = r->original,
                              .divisors = divisors_of(c)};
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    clattn_rope_desc desc = desc_of(t->c);
    desc.kernel = kernel;
    return clattn_rope_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const struct buffer *o = t->o;
    const bool apart = !t->c->own.rope.in_place;
    const clattn_tensor none = {0};
    const clattn_rope_args args = {.q = o[Q].view,
                                   .k = o[K].view,
                                   .q_out = apart ? o[Q_OUT].view : none,
                                   .k_out = apart ? o[K_OUT].view : none,
                                   .positions = o[POSITIONS].view,
                                   .start = o[START].view,
                                   .cos = o[COS].view,
                                   .sin = o[SIN].view};
    return clattn_rope_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_rope_desc desc = desc_of(c);
    return clattn_rope_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    static const char *const scales[] = {" --scaling linear --factor 4",
                                         " --scaling ntk --factor 8",
                                         " --scaling yarn --factor 16 --original 4096",
                                         " --scaling llama3 --factor 8 --original 8192",
                                         "",
                                         ""};
    static const char *const positions[] = {"", " --positions ids", " --positions start"};
    const int kv = (int)rng_below(rng, 3) + 1, dim = 2 + (int)rng_below(rng, 140);
    const int turned = dim / 2 * 2;
    random_add(
        line, bytes,
        " --batch %d --rows %d --heads %d --kv-heads %d --head-dim %d --rotary-dim %d"
        " --layout %s --type %s%s%s%s",
        (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 20) + 1, kv * ((int)rng_below(rng, 3) + 1),
        kv, dim, random_one_of(rng, 2) ? turned : 2 + 2 * (int)rng_below(rng, turned / 2),
        random_layout(rng), random_type(rng), random_one_of(rng, 2) ? " --interleaved" : "",
        random_one_of(rng, 3) ? " --in-place" : "", random_one_of(rng, 6) ? " --no-key" : "");
    if (random_one_of(rng, 3)) {
        random_add(line, bytes, "%s --table-type %s",
                   random_one_of(rng, 2) ? " --tables rows" : " --tables cache --positions ids",
                   random_type(rng));
    } else {
        random_add(line, bytes, "%s%s%s --first %d", PICK(rng, scales), PICK(rng, positions),
                   random_one_of(rng, 4) ? " --divisors" : "", (int)rng_below(rng, 200000) - 1000);
    }
    random_add(line, bytes, " --seed %d", (int)rng_below(rng, 1000000));
}

static const struct case_option options[] = {
    CASE_OPTION("--rotary-dim", CASE_INTEGER, own.rope.rotary_dim),
    CASE_OPTION("--interleaved", CASE_FLAG, own.rope.interleaved),
    CASE_OPTION("--in-place", CASE_FLAG, own.rope.in_place),
    CASE_OPTION("--no-key", CASE_FLAG, own.rope.no_key),
    CASE_OPTION("--tables", CASE_TEXT, own.rope.tables),
    CASE_OPTION("--table-type", CASE_TYPE, own.rope.table_type),
    CASE_OPTION("--positions", CASE_TEXT, own.rope.positions),
    CASE_OPTION("--first", CASE_INTEGER, own.rope.first),
    CASE_OPTION("--scaling", CASE_TEXT, own.rope.scaling),
    CASE_OPTION("--base", CASE_REAL, own.rope.base),
    CASE_OPTION("--factor", CASE_REAL, own.rope.factor),
    CASE_OPTION("--original", CASE_INTEGER, own.rope.original),
    CASE_OPTION("--divisors", CASE_FLAG, own.rope.divisors),
    {0},
};

const struct check_op check_rope = {.name = "rope",
                                    .options = options,
                                    .trial = &trial,
                                    .variants = variants,
                                    .random = random_words};
