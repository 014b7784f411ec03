/* tune.c: parameters that were kept are used by later ops, found by later contexts, and never
 * trusted where the file is stale or garbled. */
#include "support/attention.h"
#include "support/fixture.h"

#include "ops/attention.h"
#include "tune.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static clattn_context *open_context(const char *cache)
{
    const clattn_context_desc desc = {.cache_dir = cache, .log = log_append, .user = &fixture.log};
    clattn_context *context = NULL;
    assert_ok(clattn_context_create(&desc, &context));
    return context;
}

/* attention/row has one parameter, and compiles quickly. */
static clattn_op *make_row(clattn_context *context, bool causal, const char *params)
{
    const clattn_attention_desc desc = {
        .head_dim = 8, .query_heads = 2, .causal = causal, .kernel = "row", .params = params};
    clattn_op *op = NULL;
    assert_ok(clattn_attention_create(context, &desc, &op));
    return op;
}

static void keep(clattn_context *context, bool causal, const char *params)
{
    clattn_op *op = make_row(context, causal, params);
    assert_ok(clattn_tune_keep(op));
    clattn_op_destroy(op);
}

static void assert_uses(clattn_context *context, bool causal, const char *params)
{
    clattn_op *op = make_row(context, causal, NULL);
    ck_assert_str_eq(clattn_op_params(op), params);
    clattn_op_destroy(op);
}

/* What a new context on the directory uses. */
static void assert_found(const char *params)
{
    clattn_context *context = open_context(fixture.directory);
    assert_uses(context, false, params);
    clattn_context_destroy(context);
}

static void list_one(void *user, const char *kernel, const char *params)
{
    char *text = user;
    sprintf(text + strlen(text), "%s: %s;", kernel, params);
}

static const char *listed(clattn_context *context)
{
    static char text[4096];
    text[0] = '\0';
    assert_ok(clattn_tune_list(context, list_one, text));
    return text;
}

static void tuning_file(char name[PATH_TEXT_BYTES])
{
    ck_assert_int_eq(directory_count(fixture.directory, ".txt", name), 1);
}

static char *read_tuning(void)
{
    char name[PATH_TEXT_BYTES];
    size_t bytes;
    tuning_file(name);
    return file_read(fixture.directory, name, &bytes);
}

/* ---- Keeping ----------------------------------------------------------------- */

START_TEST(what_is_kept_is_used_from_then_on)
{
    clattn_context *context = open_context(NULL);
    assert_uses(context, false, "ROWS=8");
    keep(context, false, "ROWS=4");
    assert_uses(context, false, "ROWS=4");
    ck_assert_str_eq(listed(context), "attention/row f32 d8: ROWS=4;");
    keep(context, false, "ROWS=16");
    assert_uses(context, false, "ROWS=16");
    ck_assert_str_eq(listed(context), "attention/row f32 d8: ROWS=16;");
    clattn_context_destroy(context);
    ck_assert_int_eq(directory_count(fixture.directory, "", NULL), 0);
}
END_TEST

START_TEST(what_is_kept_is_for_its_kind_alone)
{
    clattn_context *context = open_context(NULL);
    keep(context, true, "ROWS=4");
    assert_uses(context, false, "ROWS=8");
    assert_uses(context, true, "ROWS=4");
    clattn_context_destroy(context);
}
END_TEST

START_TEST(forced_parameters_do_not_look_at_what_is_kept)
{
    clattn_context *context = open_context(NULL);
    keep(context, false, "ROWS=4");
    clattn_op *op = make_row(context, false, "");
    ck_assert_str_eq(clattn_op_params(op), "ROWS=8");
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}
END_TEST

static void first_two(void *user, const clattn_candidate *candidate)
{
    int *count = user;
    if (*count < 2) {
        ck_assert_str_eq(candidate->params, *count ? "ROWS=8" : "ROWS=4");
        ck_assert(candidate->in_use == !*count && candidate->built_in == !!*count);
    }
    ++*count;
}

START_TEST(the_first_candidate_is_what_is_kept_the_second_is_built_in)
{
    const clattn_attention_desc desc = {.head_dim = 8, .query_heads = 2, .kernel = "row"};
    int count = 0;
    keep(fixture.context, false, "ROWS=4");
    assert_ok(clattn_attention_candidates(fixture.context, &desc, first_two, &count));
    ck_assert_int_eq(count, 6);
}
END_TEST

START_TEST(a_later_context_finds_what_was_kept)
{
    clattn_context *context = open_context(fixture.directory);
    keep(context, false, "ROWS=4");
    keep(context, true, "ROWS=16");
    clattn_context_destroy(context);
    assert_found("ROWS=4");
    assert_lacks(fixture.log.text, "tune:");
}
END_TEST

START_TEST(contexts_do_not_undo_each_others_work)
{
    clattn_context *first = open_context(fixture.directory),
                   *second = open_context(fixture.directory);
    keep(first, false, "ROWS=4");
    keep(second, true, "ROWS=16");
    keep(first, false, "ROWS=1");
    clattn_context_destroy(first);
    clattn_context_destroy(second);
    clattn_context *third = open_context(fixture.directory);
    assert_uses(third, false, "ROWS=1");
    assert_uses(third, true, "ROWS=16");
    clattn_context_destroy(third);
}
END_TEST

START_TEST(keeping_the_built_in_ones_forgets)
{
    clattn_context *context = open_context(fixture.directory);
    keep(context, false, "ROWS=4");
    keep(context, true, "ROWS=4");
    keep(context, false, "ROWS=8");
    ck_assert_str_eq(listed(context), "attention/row f32 d8 causal: ROWS=4;");
    clattn_context_destroy(context);
    assert_found("ROWS=8");
    char *text = read_tuning();
    assert_contains(text, "attention/row f32 d8 causal: ROWS=4\n");
    assert_lacks(text, "attention/row f32 d8:");
    free(text);
}
END_TEST

START_TEST(forgetting_what_was_not_kept_writes_nothing)
{
    clattn_context *context = open_context(fixture.directory);
    keep(context, false, "ROWS=8");
    clattn_context_destroy(context);
    ck_assert_int_eq(directory_count(fixture.directory, ".txt", NULL), 0);
}
END_TEST

START_TEST(clearing_forgets_everything)
{
    clattn_context *context = open_context(fixture.directory);
    keep(context, false, "ROWS=4");
    assert_ok(clattn_tune_clear(context));
    ck_assert_str_eq(listed(context), "");
    assert_uses(context, false, "ROWS=8");
    assert_ok(clattn_tune_clear(context));
    clattn_context_destroy(context);
    ck_assert_int_eq(directory_count(fixture.directory, ".txt", NULL), 0);
    assert_found("ROWS=8");
}
END_TEST

START_TEST(devices_share_a_directory)
{
    clattn_context *one = open_context(fixture.directory), *other = open_context(fixture.directory);
    other->facts.name = "another device";
    keep(one, false, "ROWS=4");
    keep(other, false, "ROWS=16");
    ck_assert_int_eq(directory_count(fixture.directory, ".txt", NULL), 2);
    assert_ok(clattn_tune_clear(other));
    ck_assert_int_eq(directory_count(fixture.directory, ".txt", NULL), 1);
    clattn_context_destroy(one);
    clattn_context_destroy(other);
    assert_found("ROWS=4");
}
END_TEST

/* Only where there are vectors for it. */
START_TEST(a_kernel_for_few_rows_beside_another_uses_what_is_kept_for_it)
{
    const clattn_attention_desc both = {.head_dim = 8, .query_heads = 2};
    clattn_attention_desc few = both;
    clattn_op *op = NULL;
    few.kernel = "decode_wide";
    few.params = "ROWS=4";
    if (clattn_context_facts(fixture.context)->vector_width == 1) {
        return;
    }
    assert_ok(clattn_attention_create(fixture.context, &few, &op));
    assert_ok(clattn_tune_keep(op));
    clattn_op_destroy(op);
    assert_ok(clattn_attention_create(fixture.context, &both, &op));
    const struct attention_op *attention = (const struct attention_op *)op;
    ck_assert_int_eq(clattn__param(attention->few_variant, attention->few_params, "ROWS"), 4);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(what_cannot_be_kept_is_refused)
{
    const clattn_project_desc plain = {.in_dim = 4, .out_dim = 4, .kernel = "plain"};
    const clattn_mha_desc layer = {.attention = {.head_dim = 8, .query_heads = 2, .kernel = "row"},
                                   .model_dim = 4};
    clattn_op *op = NULL;
    assert_refused(clattn_tune_keep(NULL), "op is NULL");
    assert_ok(clattn_project_create(fixture.context, &plain, &op));
    assert_refused(clattn_tune_keep(op), "gemm/plain f32 4x4 has no parameters");
    clattn_op_destroy(op);
    assert_ok(clattn_mha_create(fixture.context, &layer, &op));
    assert_refused(clattn_tune_keep(op), "has no parameters");
    clattn_op_destroy(op);
    assert_refused(clattn_tune_list(NULL, list_one, NULL), "context is NULL");
    assert_refused(clattn_tune_list(fixture.context, NULL, NULL), "report is NULL");
    assert_refused(clattn_tune_clear(NULL), "context is NULL");
}
END_TEST

/* ---- Files that are not trusted --------------------------------------------------- */

/* Writes the file anew, with its first line as it was. */
static void rewrite(const char *rest, size_t bytes)
{
    char name[PATH_TEXT_BYTES], data[4096];
    char *text = read_tuning();
    const size_t header = strcspn(text, "\n") + 1;
    ck_assert_uint_lt(header + bytes, sizeof data);
    memcpy(data, text, header);
    memcpy(data + header, rest, bytes);
    tuning_file(name);
    file_write(fixture.directory, name, data, header + bytes);
    free(text);
}

static void keep_one(void)
{
    clattn_context *context = open_context(fixture.directory);
    keep(context, false, "ROWS=4");
    clattn_context_destroy(context);
}

static void assert_stale(void)
{
    assert_found("ROWS=8");
    assert_contains(fixture.log.text, "tune:");
    assert_contains(fixture.log.text, "not used");
    keep_one();
    fixture.log = (struct log){0};
    assert_found("ROWS=4");
    assert_lacks(fixture.log.text, "tune:");
}

static void change(const char *from, const char *to)
{
    char name[PATH_TEXT_BYTES], data[4096];
    char *text = read_tuning(), *at = strstr(text, from);
    ck_assert_msg(at != NULL, "'%s' is not in: %s", from, text);
    snprintf(data, sizeof data, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    tuning_file(name);
    file_write_text(fixture.directory, name, data);
    free(text);
}

START_TEST(a_file_of_another_version_driver_or_device_is_stale)
{
    const clattn_device_facts *facts = clattn_context_facts(fixture.context);
    char version[32];
    snprintf(version, sizeof version, "version %d", CLATTN_VERSION);
    const char *const parts[] = {"tuning 1", version, facts->driver, facts->platform_version,
                                 facts->name};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        keep_one();
        change(parts[i], "another");
        assert_stale();
    }
}
END_TEST

START_TEST(a_file_without_its_first_line_is_stale)
{
    static const char *const files[] = {"", "\n", "attention/row f32 d8: ROWS=4\n",
                                        "clattn tuning"};
    char name[PATH_TEXT_BYTES];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        keep_one();
        tuning_file(name);
        file_write_text(fixture.directory, name, files[i]);
        assert_stale();
    }
}
END_TEST

#define LINE(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
static const struct {
    const char *text;
    size_t bytes;
} garbled[] = {
    LINE("\n"),
    LINE("attention/row f32 d8: ROWS=16"), /* cut off: it may have been 160 */
    LINE("attention/row f32 d8: ROWS=7\n"),
    LINE("attention/row f32 d8: ROWS=\n"),
    LINE("attention/row f32 d8: ROWS=16x\n"),
    LINE("attention/row f32 d8: ROW=16\n"),
    LINE("attention/row f32 d8: \n"),
    LINE("attention/row f32 d8:ROWS=16\n"),
    LINE("attention/row f32 d8 ROWS=16\n"),
    LINE(": ROWS=16\n"),
    LINE("attention/rows f32 d8: ROWS=16\n"),
    LINE("row f32 d8: ROWS=16\n"),
    LINE("attention/tiled f32 d8: TILE_Q=16 TILE_K=16\n"), /* which CHUNK? */
    LINE("attention/row f32 d8: ROWS=16\0\n"),
    LINE("attention/row\0 f32 d8: ROWS=16\n"),
    LINE("attention/row f32 d8: ROWS=16\r\n"),
    LINE("\xff\xfe\xa5\x01: \x02\n"),
};

START_TEST(a_garbled_line_is_not_used_but_others_are)
{
    static const char good[] = "attention/row f32 d8 causal: ROWS=1\n";
    char rest[512];
    keep_one();
    memcpy(rest, good, sizeof good - 1);
    memcpy(rest + sizeof good - 1, garbled[_i].text, garbled[_i].bytes);
    rewrite(rest, sizeof good - 1 + garbled[_i].bytes);
    clattn_context *context = open_context(fixture.directory);
    assert_uses(context, false, "ROWS=8");
    assert_uses(context, true, "ROWS=1");
    assert_contains(fixture.log.text, "1 lines are not understood");
    clattn_context_destroy(context);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_not_used)
{
    char rest[2048];
    keep_one();
    memset(rest, 'x', sizeof rest);
    memcpy(rest, "attention/row ", 14);
    memcpy(rest + sizeof rest - 40, ": ROWS=4\nattention/row f32 d8: ROWS=16\n\n", 40);
    rewrite(rest, sizeof rest);
    assert_found("ROWS=16");
    assert_contains(fixture.log.text, "2 lines are not understood");
}
END_TEST

START_TEST(the_last_of_two_lines_counts)
{
    static const char both[] = "attention/row f32 d8: ROWS=1\nattention/row f32 d8: ROWS=16\n";
    keep_one();
    rewrite(both, sizeof both - 1);
    assert_found("ROWS=16");
}
END_TEST

START_TEST(a_set_that_no_longer_fits_is_not_used)
{
    clattn_context *context = open_context(NULL);
    const clattn_attention_desc desc = {
        .head_dim = 8, .query_heads = 2, .kernel = "tiled", .params = "TILE_Q=64"};
    clattn_attention_desc again = desc;
    clattn_op *op = NULL;
    assert_ok(clattn_attention_create(context, &desc, &op));
    assert_ok(clattn_tune_keep(op));
    clattn_op_destroy(op);
    context->facts.local_bytes = 16384;
    again.params = NULL;
    assert_ok(clattn_attention_create(context, &again, &op));
    ck_assert_str_eq(clattn_op_params(op), "TILE_Q=32 TILE_K=32 CHUNK=32");
    assert_contains(fixture.log.text, "tune: what was kept for attention/tiled f32 d8 is not used");
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}
END_TEST

/* ---- Places that cannot be written -------------------------------------------------- */

static void assert_only_logged(const char *cache)
{
    clattn_context *context = open_context(cache);
    keep(context, false, "ROWS=4");
    assert_uses(context, false, "ROWS=4");
    assert_contains(fixture.log.text, "tune: could not write");
    clattn_context_destroy(context);
}

START_TEST(a_directory_that_cannot_be_made_is_only_logged)
{
    assert_only_logged("/dev/null/cache");
}
END_TEST

START_TEST(a_directory_in_the_files_place_is_only_logged)
{
    char name[PATH_TEXT_BYTES], path[2 * PATH_TEXT_BYTES];
    keep_one();
    tuning_file(name);
    snprintf(path, sizeof path, "%s/%s", fixture.directory, name);
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    file_write_text(path, "inside", "");
    assert_only_logged(fixture.directory);
    clattn_context *context = open_context(fixture.directory);
    assert_ok(clattn_tune_clear(context));
    assert_contains(fixture.log.text, "tune: could not remove");
    clattn_context_destroy(context);
    ck_assert_int_eq(directory_count(fixture.directory, ".txt", NULL), 1);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_no_place)
{
    char path[8192];
    memset(path, 'd', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    clattn_context *context = open_context(path);
    keep(context, false, "ROWS=4");
    assert_uses(context, false, "ROWS=4");
    clattn_context_destroy(context);
}
END_TEST

/* ---- Threads ------------------------------------------------------------------------ */

enum { THREADS = 4, TURNS = 20 };

struct worker {
    clattn_context *context;
    clattn_op *ops[2]; /* to keep, in turn */
    bool causal;
    bool failed;
};

/* Each thread keeps for a kind of its own, while all make ops and list. */
static void *keep_and_make(void *user)
{
    struct worker *worker = user;
    const clattn_attention_desc desc = {
        .head_dim = 8, .query_heads = 2, .causal = worker->causal, .kernel = "row"};
    for (int i = 0; i < TURNS && !worker->failed; i++) {
        char text[512] = "";
        clattn_op *op = NULL;
        worker->failed = clattn_tune_keep(worker->ops[i % 2]) != CLATTN_OK ||
                         clattn_attention_create(worker->context, &desc, &op) != CLATTN_OK ||
                         clattn_tune_list(worker->context, list_one, text) != CLATTN_OK ||
                         !strstr(text, clattn_op_kernel(op));
        clattn_op_destroy(op);
    }
    return NULL;
}

START_TEST(threads_keep_and_use_at_once)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    clattn_context *context = open_context(fixture.directory);
    clattn_op *ops[2][2]; /* by causality */
    for (int n = 0; n < 2; n++) {
        ops[n][0] = make_row(context, n, "ROWS=4");
        ops[n][1] = make_row(context, n, "ROWS=16");
    }
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){context, {ops[i % 2][0], ops[i % 2][1]}, i % 2, false};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_and_make, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert(!workers[i].failed);
    }
    for (int n = 0; n < 4; n++) {
        clattn_op_destroy(ops[n / 2][n % 2]);
    }
    clattn_context_destroy(context);
    assert_found("ROWS=16");
    ck_assert_int_eq(directory_count(fixture.directory, "", NULL),
                     directory_count(fixture.directory, ".bin", NULL) + 1);
}
END_TEST

static void add_keeping(TCase *tests)
{
    tcase_add_test(tests, what_is_kept_is_used_from_then_on);
    tcase_add_test(tests, what_is_kept_is_for_its_kind_alone);
    tcase_add_test(tests, forced_parameters_do_not_look_at_what_is_kept);
    tcase_add_test(tests, the_first_candidate_is_what_is_kept_the_second_is_built_in);
    tcase_add_test(tests, a_later_context_finds_what_was_kept);
    tcase_add_test(tests, contexts_do_not_undo_each_others_work);
    tcase_add_test(tests, keeping_the_built_in_ones_forgets);
    tcase_add_test(tests, forgetting_what_was_not_kept_writes_nothing);
    tcase_add_test(tests, clearing_forgets_everything);
    tcase_add_test(tests, devices_share_a_directory);
    tcase_add_test(tests, a_kernel_for_few_rows_beside_another_uses_what_is_kept_for_it);
    tcase_add_test(tests, what_cannot_be_kept_is_refused);
}

static void add_bad_files(TCase *tests)
{
    tcase_add_test(tests, a_file_of_another_version_driver_or_device_is_stale);
    tcase_add_test(tests, a_file_without_its_first_line_is_stale);
    tcase_add_loop_test(tests, a_garbled_line_is_not_used_but_others_are, 0,
                        sizeof garbled / sizeof *garbled);
    tcase_add_test(tests, a_line_that_is_too_long_is_not_used);
    tcase_add_test(tests, the_last_of_two_lines_counts);
    tcase_add_test(tests, a_set_that_no_longer_fits_is_not_used);
    tcase_add_test(tests, a_directory_that_cannot_be_made_is_only_logged);
    tcase_add_test(tests, a_directory_in_the_files_place_is_only_logged);
    tcase_add_test(tests, a_path_that_is_too_long_is_no_place);
}

int main(void)
{
    Suite *suite = suite_create("tune");
    add_keeping(suite_group(suite, "keeping", fixture_open, fixture_close));
    add_bad_files(suite_group(suite, "bad files", fixture_open, fixture_close));
    tcase_add_test(suite_group(suite, "threads", fixture_open, fixture_close),
                   threads_keep_and_use_at_once);
    return suite_run_on_device(suite);
}
