/* tune.c: parameters that were kept are used by later ops, and found by later contexts. */
#include "support/attention.h"
#include "support/tuning.h"

#include "ops/attention/attention.h"
#include "registry/context.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Keeping ----------------------------------------------------------------- */

START_TEST(what_is_kept_is_used_from_then_on)
{
    clattn_context *context = tuning_context(NULL);
    assert_uses(context, false, "ROWS=8");
    tuning_keep(context, false, "ROWS=4");
    assert_uses(context, false, "ROWS=4");
    ck_assert_str_eq(tuning_listed(context), "attention/row f32 d8: ROWS=4;");
    tuning_keep(context, false, "ROWS=16");
    assert_uses(context, false, "ROWS=16");
    ck_assert_str_eq(tuning_listed(context), "attention/row f32 d8: ROWS=16;");
    clattn_context_destroy(context);
    ck_assert_int_eq(directory_count(fixture.directory, "", NULL), 0);
}
END_TEST

START_TEST(what_is_kept_is_for_its_kind_alone)
{
    clattn_context *context = tuning_context(NULL);
    tuning_keep(context, true, "ROWS=4");
    assert_uses(context, false, "ROWS=8");
    assert_uses(context, true, "ROWS=4");
    clattn_context_destroy(context);
}
END_TEST

START_TEST(forced_parameters_do_not_look_at_what_is_kept)
{
    clattn_context *context = tuning_context(NULL);
    tuning_keep(context, false, "ROWS=4");
    clattn_op *op = tuning_row(context, false, "");
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
    tuning_keep(fixture.context, false, "ROWS=4");
    assert_ok(clattn_attention_candidates(fixture.context, &desc, first_two, &count));
    ck_assert_int_eq(count, 6);
}
END_TEST

START_TEST(a_later_context_finds_what_was_kept)
{
    clattn_context *context = tuning_context(fixture.directory);
    tuning_keep(context, false, "ROWS=4");
    tuning_keep(context, true, "ROWS=16");
    clattn_context_destroy(context);
    assert_found("ROWS=4");
    assert_lacks(fixture.log.text, "tune:");
}
END_TEST

START_TEST(contexts_do_not_undo_each_others_work)
{
    clattn_context *first = tuning_context(fixture.directory),
                   *second = tuning_context(fixture.directory);
    tuning_keep(first, false, "ROWS=4");
    tuning_keep(second, true, "ROWS=16");
    tuning_keep(first, false, "ROWS=1");
    clattn_context_destroy(first);
    clattn_context_destroy(second);
    clattn_context *third = tuning_context(fixture.directory);
    assert_uses(third, false, "ROWS=1");
    assert_uses(third, true, "ROWS=16");
    clattn_context_destroy(third);
}
END_TEST

START_TEST(keeping_the_built_in_ones_forgets)
{
    clattn_context *context = tuning_context(fixture.directory);
    tuning_keep(context, false, "ROWS=4");
    tuning_keep(context, true, "ROWS=4");
    tuning_keep(context, false, "ROWS=8");
    ck_assert_str_eq(tuning_listed(context), "attention/row f32 d8 causal: ROWS=4;");
    clattn_context_destroy(context);
    assert_found("ROWS=8");
    char *text = tuning_read();
    assert_contains(text, "attention/row f32 d8 causal: ROWS=4\n");
    assert_lacks(text, "attention/row f32 d8:");
    free(text);
}
END_TEST

START_TEST(forgetting_what_was_not_kept_writes_nothing)
{
    clattn_context *context = tuning_context(fixture.directory);
    tuning_keep(context, false, "ROWS=8");
    clattn_context_destroy(context);
    ck_assert_int_eq(directory_count(fixture.directory, ".txt", NULL), 0);
}
END_TEST

START_TEST(clearing_forgets_everything)
{
    clattn_context *context = tuning_context(fixture.directory);
    tuning_keep(context, false, "ROWS=4");
    assert_ok(clattn_tune_clear(context));
    ck_assert_str_eq(tuning_listed(context), "");
    assert_uses(context, false, "ROWS=8");
    assert_ok(clattn_tune_clear(context));
    clattn_context_destroy(context);
    ck_assert_int_eq(directory_count(fixture.directory, ".txt", NULL), 0);
    assert_found("ROWS=8");
}
END_TEST

START_TEST(devices_share_a_directory)
{
    clattn_context *one = tuning_context(fixture.directory),
                   *other = tuning_context(fixture.directory);
    other->device.facts.name = "another device";
    tuning_keep(one, false, "ROWS=4");
    tuning_keep(other, false, "ROWS=16");
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
    few.params = "BLOCKS=4";
    if (clattn_context_facts(fixture.context)->vector_width == 1) {
        return;
    }
    assert_ok(clattn_attention_create(fixture.context, &few, &op));
    assert_ok(clattn_tune_keep(op));
    clattn_op_destroy(op);
    assert_ok(clattn_attention_create(fixture.context, &both, &op));
    const struct attention_op *attention = (const struct attention_op *)op;
    ck_assert_int_eq(clattn__param(attention->few_variant, attention->few_params, "BLOCKS"), 4);
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
    assert_refused(clattn_tune_list(NULL, tuning_list_one, NULL), "context is NULL");
    assert_refused(clattn_tune_list(fixture.context, NULL, NULL), "report is NULL");
    assert_refused(clattn_tune_clear(NULL), "context is NULL");
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
                         clattn_tune_list(worker->context, tuning_list_one, text) != CLATTN_OK ||
                         !strstr(text, clattn_op_kernel(op));
        clattn_op_destroy(op);
    }
    return NULL;
}

START_TEST(threads_keep_and_use_at_once)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    clattn_context *context = tuning_context(fixture.directory);
    clattn_op *ops[2][2]; /* by causality */
    for (int n = 0; n < 2; n++) {
        ops[n][0] = tuning_row(context, n, "ROWS=4");
        ops[n][1] = tuning_row(context, n, "ROWS=16");
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

int main(void)
{
    Suite *suite = suite_create("tune");
    add_keeping(suite_group(suite, "keeping", fixture_open_without_cache, fixture_close));
    tcase_add_test(suite_group(suite, "threads", fixture_open_without_cache, fixture_close),
                   threads_keep_and_use_at_once);
    return suite_run_on_device(suite);
}
