/* Cases of embedding. */
#include "random.h"
#include "trial.h"

#include <string.h>

enum { IDS, TABLE, POSITION_IDS, POSITION_TABLE, TYPE_IDS, TYPE_TABLE, Y };
enum { TYPES = 3 };

static int64_t positions(const struct test_case *c) { return c->rows + 2; }

static bool describe(struct trial *t, struct check_result *result)
{
    const struct test_case *c = t->c;
    const struct embed_case *e = &c->own.embed;
    const bool position = e->positions || e->position_ids, type = e->types || e->type_ids;
    const int64_t B = c->batch, N = c->rows, C = c->columns;
    const struct trial_operand spec[] = {
        [IDS] = {"ids", CLATTN_I32, {B, N, 1, 1}, .below = e->vocabulary},
        [TABLE] = {"table", c->type, {1, e->vocabulary, 1, C}, .read = B * N * C},
        [POSITION_IDS] = {e->position_ids ? "position_ids" : NULL,
                          CLATTN_I32,
                          {B, N, 1, 1},
                          .below = positions(c)},
        [POSITION_TABLE] = {position ? "position_table" : NULL, c->type, {1, positions(c), 1, C}},
        [TYPE_IDS] = {e->type_ids ? "type_ids" : NULL, CLATTN_I32, {B, N, 1, 1}, .below = TYPES},
        [TYPE_TABLE] = {type ? "type_table" : NULL, c->type, {1, TYPES, 1, C}},
        [Y] = {"y", c->out_type, {B, N, 1, C}, true, 0, check_tolerance(c->type, c->out_type)},
    };
    (void)result;
    memcpy(t->spec, spec, sizeof spec);
    return true;
}

/* Ids reach beyond both ends of their tables, and now and then far beyond. */
static void fill_ids(struct trial *t, int i, struct rng *rng, int64_t rows)
{
    static const double far[] = {2147483647, -2147483648.0, 1 << 30};
    for (int64_t n = 0; n < t->o[i].count; n++) {
        const double id = (double)(rng_below(rng, rows + 2) - 1);
        buffer_put_nth(&t->o[i], n, rng_below(rng, 20) ? id : PICK(rng, far));
    }
}

static void fill(struct trial *t, struct rng *rng)
{
    fill_ids(t, IDS, rng, t->c->own.embed.vocabulary);
    fill_ids(t, POSITION_IDS, rng, positions(t->c));
    fill_ids(t, TYPE_IDS, rng, TYPES);
    trial_normal(t, TABLE, rng, 1, 0);
    trial_normal(t, POSITION_TABLE, rng, 1, 0);
    trial_normal(t, TYPE_TABLE, rng, 1, 0);
}

/* Column c of the row that the id of row n names; standard is the id where there are none. */
static double looked_up(const struct trial *t, int table, int ids, int64_t n, int64_t c,
                        int64_t standard)
{
    const int64_t *size = t->spec[table].size;
    const int64_t id = t->o[ids].bytes ? (int64_t)t->o[ids].values[n] : standard;
    const bool there = t->spec[table].name && id >= 0 && id < size[1];
    return there ? t->o[table].values[id * size[3] + c] : 0;
}

static bool expect(struct trial *t)
{
    const int64_t C = t->c->columns;
    const double scale = t->c->scale != 0 ? t->c->scale : 1;
    for (int64_t n = 0; n < t->o[Y].count; n++) {
        const int64_t row = n / C, c = n % C;
        t->expected[Y][n] = scale * looked_up(t, TABLE, IDS, row, c, -1) +
                            looked_up(t, POSITION_TABLE, POSITION_IDS, row, c, row % t->c->rows) +
                            looked_up(t, TYPE_TABLE, TYPE_IDS, row, c, 0);
    }
    return true;
}

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    const clattn_embed_desc desc = {
        .type = t->c->type, .out_type = t->c->out_type, .scale = t->c->scale, .kernel = kernel};
    return clattn_embed_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const struct buffer *o = t->o;
    const clattn_embed_args args = {.ids = o[IDS].view,
                                    .table = o[TABLE].view,
                                    .position_ids = o[POSITION_IDS].view,
                                    .position_table = o[POSITION_TABLE].view,
                                    .type_ids = o[TYPE_IDS].view,
                                    .type_table = o[TYPE_TABLE].view,
                                    .y = o[Y].view};
    return clattn_embed_run(op, queue, &args, NULL);
}

static const struct trial_kind trial = {describe, fill, expect, create, run};

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_embed_desc desc = {.type = c->type};
    return clattn_embed_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    static const char *const position[] = {"", " --positions", " --position-ids"},
                             *const type[] = {"", " --types", " --type-ids"},
                             *const layouts[] = {"bnhd", "gaps"};
    random_add(line, bytes,
               " --batch %d --rows %d --columns %d --vocabulary %d --layout %s --type %s"
               " --out-type %s%s%s%s --seed %d",
               (int)rng_below(rng, 3) + 1, (int)rng_below(rng, 20) + 1,
               (int)rng_below(rng, 200) + 1, (int)rng_below(rng, 60) + 1, PICK(rng, layouts),
               random_type(rng), random_type(rng), PICK(rng, position), PICK(rng, type),
               random_one_of(rng, 3) ? " --scale 5.5" : "", (int)rng_below(rng, 1000000));
}

static const struct case_option options[] = {
    CASE_OPTION("--vocabulary", CASE_INTEGER, own.embed.vocabulary),
    CASE_OPTION("--positions", CASE_FLAG, own.embed.positions),
    CASE_OPTION("--position-ids", CASE_FLAG, own.embed.position_ids),
    CASE_OPTION("--types", CASE_FLAG, own.embed.types),
    CASE_OPTION("--type-ids", CASE_FLAG, own.embed.type_ids),
    {0},
};

const struct check_op check_embed = {.name = "embed",
                                     .options = options,
                                     .trial = &trial,
                                     .variants = variants,
                                     .random = random_words};
