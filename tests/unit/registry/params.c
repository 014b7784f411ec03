/* params.c and candidates.c: parameters forced by the caller, and the sets that a kernel can be
 * compiled with. */
#include "support/attention.h"
#include "support/fixture.h"

#include "ops/families.h"
#include "registry/choose.h"
#include "registry/op.h"

#include <stdio.h>

static clattn_attention_desc forced_desc(const char *kernel, const char *params)
{
    clattn_attention_desc desc = plain_desc();
    desc.kernel = kernel;
    desc.params = params;
    return desc;
}

static void assert_params(const char *kernel, const char *params, const char *expected)
{
    clattn_op *op = attention_make(forced_desc(kernel, params));
    ck_assert_str_eq(clattn_op_params(op), expected);
    clattn_op_destroy(op);
}

/* ---- Forcing ---------------------------------------------------------------- */

START_TEST(named_parameters_are_forced_and_the_rest_built_in)
{
    assert_params("row", NULL, "ROWS=8");
    assert_params("row", "", "ROWS=8");
    assert_params("row", "ROWS=4", "ROWS=4");
    assert_params("tiled", "TILE_K=16", "TILE_Q=64 TILE_K=16 CHUNK=32 ROWS=8 PER_WORD=1");
    assert_params("attention/tiled", " CHUNK=16  TILE_Q=16 ",
                  "TILE_Q=16 TILE_K=64 CHUNK=16 ROWS=8 PER_WORD=1");
    assert_params("row", "ROWS=4 ROWS=1", "ROWS=1");
    ck_assert_str_eq(clattn_op_params(NULL), "");
}
END_TEST

START_TEST(the_label_is_that_of_any_parameters)
{
    clattn_op *built_in = attention_make(forced_desc("row", NULL));
    clattn_op *forced = attention_make(forced_desc("row", "ROWS=4"));
    ck_assert_str_eq(clattn_op_kernel(forced), clattn_op_kernel(built_in));
    clattn_op_destroy(built_in);
    clattn_op_destroy(forced);
}
END_TEST

START_TEST(a_kernel_without_parameters_has_an_empty_text)
{
    const clattn_project_desc desc = {.in_dim = 4, .out_dim = 4, .kernel = "plain", .params = ""};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(fixture.context, &desc, &op));
    ck_assert_str_eq(clattn_op_params(op), "");
    clattn_op_destroy(op);
}
END_TEST

static const struct {
    const char *params, *words;
} wrong[] = {
    {"ROW=8", "'ROW=8' is not a parameter of attention/row (ROWS)"},
    {"ROWSS=8", "'ROWSS=8'"},
    {"rows=8", "'rows=8'"},
    {"=8", "'=8'"},
    {"ROWS", "'ROWS'"},
    {"8", "'8'"},
    {"ROWS=7", "'ROWS=7': ROWS must be one of 1, 4, 8, 16, 32, 64"},
    {"ROWS=", "ROWS must be one of"},
    {"ROWS= 8", "ROWS must be one of"},
    {"ROWS=8x", "ROWS must be one of"},
    {"ROWS=8,ROWS=8", "ROWS must be one of"},
    {"ROWS=0", "ROWS must be one of"},
    {"ROWS=-8", "ROWS must be one of"},
    {"ROWS=18446744073709551624", "ROWS must be one of"},
    {"ROWS=8 KEYS=8", "'KEYS=8' is not a parameter of attention/row"},
};

START_TEST(what_is_no_parameter_or_no_choice_is_refused_by_name)
{
    clattn_op *op = NULL;
    const clattn_attention_desc desc = forced_desc("row", wrong[_i].params);
    assert_refused(clattn_attention_create(fixture.context, &desc, &op), wrong[_i].words);
    assert_contains(clattn_error(), "attention: params");
    ck_assert_ptr_null(op);
}
END_TEST

START_TEST(parameters_without_a_kernel_are_refused)
{
    clattn_op *op = NULL;
    const clattn_attention_desc desc = forced_desc(NULL, "ROWS=8");
    const clattn_project_desc project = {.in_dim = 4, .out_dim = 4, .params = "TILE=8"},
                              plain = {
                                  .in_dim = 4, .out_dim = 4, .kernel = "plain", .params = "X=1"};
    assert_refused(clattn_attention_create(fixture.context, &desc, &op), "params");
    assert_refused(clattn_project_create(fixture.context, &project, &op), "params");
    assert_refused(clattn_project_create(fixture.context, &plain, &op), "it has none");
    ck_assert_ptr_null(op);
}
END_TEST

/* A device that has too little of what a kernel needs: the facts are the library's own. */
static clattn_device_facts *writable_facts(void)
{
    return (clattn_device_facts *)(void *)clattn_context_facts(fixture.context);
}

START_TEST(parameters_that_do_not_fit_are_unsupported_with_the_reason)
{
    clattn_op *op = NULL;
    const clattn_attention_desc desc = forced_desc("tiled", "TILE_Q=64 TILE_K=64 CHUNK=64"),
                                wide = forced_desc("wide", "VECTORS=4 KEYS=16");
    writable_facts()->local_bytes = 16384;
    assert_fails(clattn_attention_create(fixture.context, &desc, &op), CLATTN_ERR_UNSUPPORTED,
                 "bytes of local memory");
    writable_facts()->vector_width = 8;
    assert_fails(clattn_attention_create(fixture.context, &wide, &op), CLATTN_ERR_UNSUPPORTED,
                 "attention/wide: needs 69 vector registers, the device has 16");
    ck_assert_ptr_null(op);
}
END_TEST

START_TEST(forced_parameters_compute_the_same)
{
    static const char *const params[] = {"TILE_Q=16 TILE_K=64", "TILE_K=16 CHUNK=64"};
    const clattn_attention_args args = plain_args();
    clattn_attention_args other = args;
    clattn_op *op = attention_make(forced_desc("tiled", NULL));
    attention_run(op, &args);
    clattn_op_destroy(op);
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        other.out = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, VALUE_DIM);
        op = attention_make(forced_desc("tiled", params[i]));
        attention_run(op, &other);
        clattn_op_destroy(op);
        assert_same_tensors(&other.out, &args.out, 1e-5f);
    }
    tensors_release();
}
END_TEST

/* ---- Candidates --------------------------------------------------------------- */

enum { MOST = 2048 };

static struct {
    char params[MOST][CLATTN__PARAMS_BYTES], kernel[CLATTN__LABEL_BYTES];
    int count, in_use, built_in;
} seen;

static void see(void *user, const clattn_candidate *candidate)
{
    ck_assert_ptr_eq(user, &seen);
    ck_assert_int_lt(seen.count, MOST);
    for (int i = 0; i < seen.count; i++) {
        ck_assert_str_ne(seen.params[i], candidate->params);
    }
    ck_assert_msg(candidate->in_use == (seen.count == 0), "the one in use comes first");
    snprintf(seen.kernel, sizeof seen.kernel, "%s", candidate->kernel);
    snprintf(seen.params[seen.count++], sizeof seen.params[0], "%s", candidate->params);
    seen.in_use += candidate->in_use;
    seen.built_in += candidate->built_in;
}

START_TEST(candidates_are_all_sets_that_fit_each_once)
{
    const clattn_attention_desc row = forced_desc("row", NULL), tiled = forced_desc("tiled", NULL);
    assert_ok(clattn_attention_candidates(fixture.context, &row, see, &seen));
    ck_assert_int_eq(seen.count, 6);
    ck_assert_int_eq(seen.in_use, 1);
    ck_assert_int_eq(seen.built_in, 1);
    ck_assert_str_eq(seen.params[0], "ROWS=8");
    ck_assert_str_eq(seen.kernel, "attention/row f32 d8/6 gqa2");
    memset(&seen, 0, sizeof seen);
    writable_facts()->local_bytes = 1 << 20;
    writable_facts()->max_work_group = 256;
    assert_ok(clattn_attention_candidates(fixture.context, &tiled, see, &seen));
    ck_assert_int_eq(seen.count, 54); /* not those with PER_WORD=2: f32 */
    memset(&seen, 0, sizeof seen);
    writable_facts()->max_work_group = 64; /* TILE_K / 4 * TILE_Q / ROWS work-items */
    assert_ok(clattn_attention_candidates(fixture.context, &tiled, see, &seen));
    ck_assert_int_eq(seen.count, 42);
}
END_TEST

START_TEST(a_kernel_without_parameters_is_one_candidate)
{
    const clattn_project_desc desc = {.in_dim = 4, .out_dim = 4, .kernel = "plain"};
    assert_ok(clattn_project_candidates(fixture.context, &desc, see, &seen));
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.built_in, 1);
    ck_assert_str_eq(seen.params[0], "");
}
END_TEST

START_TEST(without_a_name_candidates_are_of_the_kernel_that_would_be_chosen)
{
    clattn_op *op = attention_make(plain_desc());
    const clattn_attention_desc desc = plain_desc();
    assert_ok(clattn_attention_candidates(fixture.context, &desc, see, &seen));
    ck_assert_str_eq(seen.kernel, clattn_op_kernel(op));
    ck_assert_str_eq(seen.params[0], clattn_op_params(op));
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_bad_question_about_candidates_is_refused)
{
    const clattn_attention_desc desc = plain_desc(), none = forced_desc("none", NULL), bad = {0};
    const clattn_attention_desc tiled = forced_desc("tiled", NULL);
    const clattn_project_desc project = {.in_dim = 4, .out_dim = 4}, bad_project = {0};
    clattn_context *context = fixture.context;
    assert_refused(clattn_attention_candidates(NULL, &desc, see, &seen), "context is NULL");
    assert_refused(clattn_attention_candidates(context, NULL, see, &seen), "desc is NULL");
    assert_refused(clattn_attention_candidates(context, &desc, NULL, NULL), "report is NULL");
    assert_refused(clattn_attention_candidates(context, &bad, see, &seen), "head_dim");
    assert_refused(clattn_attention_candidates(context, &none, see, &seen), "'none'");
    assert_refused(clattn_project_candidates(NULL, &project, see, &seen), "context is NULL");
    assert_refused(clattn_project_candidates(context, NULL, see, &seen), "desc is NULL");
    assert_refused(clattn_project_candidates(context, &project, NULL, NULL), "report is NULL");
    assert_refused(clattn_project_candidates(context, &bad_project, see, &seen), "in_dim");
    writable_facts()->local_bytes = 1024;
    assert_fails(clattn_attention_candidates(context, &tiled, see, &seen), CLATTN_ERR_UNSUPPORTED,
                 "the device has 1024");
    ck_assert_int_eq(seen.count, 0);
}
END_TEST

/* ---- The tables ------------------------------------------------------------------ */

static void assert_listed(const struct clattn__variant *v, const int *params, int width)
{
    for (int i = 0; i < CLATTN__MAX_PARAMS && v->params[i].name; i++) {
        const struct clattn__param *param = &v->params[i];
        bool listed = !clattn__tunable(param);
        for (int n = 0; n < CLATTN__MAX_CHOICES && param->choices[n]; n++) {
            listed = listed || param->choices[n] == params[i];
        }
        ck_assert_msg(listed, "%s: %s=%d, for vectors of %d, is not among its choices", v->name,
                      param->name, params[i], width);
    }
}

enum { MAX_VARIANTS = 16 };

struct built_in {
    const struct clattn__family *family;
    bool fits[MAX_VARIANTS]; /* one of the descriptors */
    char reason[MAX_VARIANTS][CLATTN__REASON_BYTES];
};

static void check_built_in(void *user, const void *desc)
{
    struct built_in *found = user;
    const struct clattn__variant *variants = found->family->variants;
    for (int i = 0; variants[i].name; i++) {
        int params[CLATTN__MAX_PARAMS];
        ck_assert_int_lt(i, MAX_VARIANTS);
        clattn__params_built_in(&fixture.context->device.facts, &variants[i], desc, params);
        assert_listed(&variants[i], params, writable_facts()->vector_width);
        found->fits[i] =
            clattn__fits(fixture.context, &variants[i], desc, params, found->reason[i]) ||
            found->fits[i];
    }
}

/* Else a set could be in use that cannot be forced, nor kept.  Whatever the width of its vectors, a
 * CPU gets the same kernels; all others are for some GPU, and ask no more of it than each has. */
START_TEST(what_is_built_in_for_a_device_is_among_the_choices_and_fits)
{
    static const struct {
        int vector_width;
        clattn_lanes lanes;
        clattn_engine engine;
    } devices[] = {{4, CLATTN_LANES_INTEL, CLATTN_ENGINE_NONE},
                   {8, CLATTN_LANES_INTEL, CLATTN_ENGINE_NONE},
                   {16, CLATTN_LANES_INTEL, CLATTN_ENGINE_NONE},
                   {1, CLATTN_LANES_NV, CLATTN_ENGINE_NV_MMA},
                   {1, CLATTN_LANES_AMD, CLATTN_ENGINE_AMD_WMMA},
                   {1, CLATTN_LANES_AMD, CLATTN_ENGINE_AMD_WMMA_GFX12},
                   {1, CLATTN_LANES_AMD, CLATTN_ENGINE_AMD_MFMA},
                   {1, CLATTN_LANES_INTEL, CLATTN_ENGINE_INTEL_DPAS_8},
                   {1, CLATTN_LANES_INTEL, CLATTN_ENGINE_INTEL_DPAS_16}};
    enum { DEVICES = sizeof devices / sizeof *devices };
    for (const struct clattn__family *const *family = clattn__families; *family; family++) {
        struct built_in found[DEVICES] = {{0}};
        for (int d = 0; d < DEVICES; d++) {
            clattn_device_facts *facts = writable_facts();
            facts->vector_width = devices[d].vector_width;
            facts->lanes = devices[d].lanes;
            facts->engine = devices[d].engine;
            facts->type = devices[d].engine ? CL_DEVICE_TYPE_GPU : CL_DEVICE_TYPE_CPU;
            facts->subgroup_sizes = 8 | 16 | 32 | 64;
            facts->local_bytes = devices[d].engine ? 48 << 10 : 32 << 10;
            facts->max_work_group = devices[d].engine ? 256 : 64;
            found[d].family = *family;
            (*family)->usual(check_built_in, &found[d]);
        }
        for (int i = 0; (*family)->variants[i].name; i++) {
            const char *name = (*family)->variants[i].name, *reason = found[0].reason[i];
            bool somewhere = false;
            for (int d = 0; d < DEVICES; d++) {
                somewhere = somewhere || found[d].fits[i];
            }
            ck_assert_msg(somewhere, "%s: %s", name, reason);
            ck_assert_msg(found[0].fits[i] == found[1].fits[i], "%s, 4 or 8: %s", name, reason);
            ck_assert_msg(found[0].fits[i] == found[2].fits[i], "%s, 4 or 16: %s", name, reason);
        }
    }
}
END_TEST

START_TEST(a_register_tile_must_fit_the_registers)
{
    char reason[CLATTN__REASON_BYTES];
    const struct {
        int width, values, vectors;
        bool fits;
    } tiles[] = {{16, 8, 3, true}, {16, 9, 3, true}, {16, 8, 4, false}, {16, 12, 3, false},
                 {4, 8, 3, true},  {8, 4, 3, true},  {8, 5, 3, false},  {8, 6, 2, true},
                 {8, 12, 1, true}, {8, 8, 2, false}};
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        writable_facts()->vector_width = tiles[i].width;
        ck_assert_msg(clattn__fits_registers(&fixture.context->device.facts, tiles[i].values,
                                             tiles[i].vectors, reason) == tiles[i].fits,
                      "%d x %d at width %d", tiles[i].values, tiles[i].vectors, tiles[i].width);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("params");
    TCase *forcing = suite_group(suite, "forcing", fixture_open, fixture_close);
    tcase_add_test(forcing, named_parameters_are_forced_and_the_rest_built_in);
    tcase_add_test(forcing, the_label_is_that_of_any_parameters);
    tcase_add_test(forcing, a_kernel_without_parameters_has_an_empty_text);
    tcase_add_loop_test(forcing, what_is_no_parameter_or_no_choice_is_refused_by_name, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_test(forcing, parameters_without_a_kernel_are_refused);
    tcase_add_test(forcing, parameters_that_do_not_fit_are_unsupported_with_the_reason);
    tcase_add_test(forcing, forced_parameters_compute_the_same);
    TCase *candidates = suite_group(suite, "candidates", fixture_open, fixture_close);
    tcase_add_test(candidates, candidates_are_all_sets_that_fit_each_once);
    tcase_add_test(candidates, a_kernel_without_parameters_is_one_candidate);
    tcase_add_test(candidates, without_a_name_candidates_are_of_the_kernel_that_would_be_chosen);
    tcase_add_test(candidates, a_bad_question_about_candidates_is_refused);
    TCase *tables = suite_group(suite, "tables", fixture_open, fixture_close);
    tcase_add_test(tables, what_is_built_in_for_a_device_is_among_the_choices_and_fits);
    tcase_add_test(tables, a_register_tile_must_fit_the_registers);
    return suite_run_on_device(suite);
}
