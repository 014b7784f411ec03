/* kept.c: a kernel that was chosen is taken where it fits, and a file that names none is not
 * believed.  gemm/plain fits every device and is chosen by none. */
#include "support/tensors.h"
#include "support/tuning.h"

#include <stdio.h>
#include <stdlib.h>

enum { IN = 20, OUT = 70 };

static const char of_many[] = "project f32 in>=16 out>=64",
                  of_few[] = "project f32 in>=16 out>=64 few rows";

static void close_all(void)
{
    tensors_release();
    fixture_close();
}

static clattn_op *project(clattn_context *context, int32_t in, const char *kernel)
{
    const clattn_project_desc desc = {.in_dim = in, .out_dim = OUT, .kernel = kernel};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(context, &desc, &op));
    return op;
}

/* The name of the kernel for calls of so many rows. */
static const char *taken(clattn_context *context, int32_t in, int64_t rows)
{
    static char name[100];
    clattn_op *op = project(context, in, NULL);
    const clattn_project_args args = {.x = {.size = {1, rows, 1, in}}};
    const char *kernel = clattn_project_kernel(op, &args);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(kernel, " "), kernel);
    clattn_op_destroy(op);
    return name;
}

static void choose(clattn_context *context, const char *kernel, bool few_rows)
{
    clattn_op *op = project(context, IN, kernel);
    assert_ok(clattn_tune_choose(op, few_rows));
    clattn_op_destroy(op);
}

enum { MANY = 100, FEW = 2 };
static const char plain[] = "gemm/plain";

/* Without what another test may take for granted: that some other kernel is better. */
static const char *usual(int64_t rows)
{
    static char name[100];
    snprintf(name, sizeof name, "%s", taken(fixture.context, IN, rows));
    ck_assert_str_ne(name, plain);
    return name;
}

/* ---- Choosing ---------------------------------------------------------------------- */

START_TEST(a_chosen_kernel_is_taken_by_its_class_alone)
{
    const char *other = usual(MANY);
    clattn_context *context = tuning_context(NULL);
    choose(context, "plain", false);
    ck_assert_str_eq(taken(context, IN, MANY), plain);
    ck_assert_str_eq(taken(context, 16, MANY), plain);
    ck_assert_str_eq(taken(context, 63, MANY), plain);
    ck_assert_str_eq(taken(context, 64, MANY), other);
    ck_assert_str_eq(taken(context, 15, MANY), other);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(a_kernel_for_few_rows_leaves_many_alone)
{
    const char *other = usual(MANY);
    clattn_context *context = tuning_context(NULL);
    choose(context, "plain", true);
    ck_assert_str_eq(taken(context, IN, FEW), plain);
    ck_assert_str_eq(taken(context, IN, MANY), other);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(what_was_chosen_is_kept_in_the_cache_and_listed)
{
    char text[400];
    clattn_context *context = tuning_context(fixture.directory);
    choose(context, "plain", false);
    choose(context, "plain", true);
    clattn_context_destroy(context);
    context = tuning_context(fixture.directory);
    ck_assert_str_eq(taken(context, IN, MANY), plain);
    ck_assert_str_eq(taken(context, IN, FEW), plain);
    snprintf(text, sizeof text, "%s", tuning_listed(context));
    assert_contains(text, "project f32 in>=16 out>=64: gemm/plain;");
    assert_contains(text, "project f32 in>=16 out>=64 few rows: gemm/plain;");
    clattn_context_destroy(context);
}
END_TEST

START_TEST(choosing_what_would_be_taken_anyway_forgets)
{
    static const int64_t rows[] = {MANY, FEW};
    char other[100];
    for (int few = 0; few < 2; few++) {
        snprintf(other, sizeof other, "%s", taken(fixture.context, IN, rows[few]));
        clattn_context *context = tuning_context(fixture.directory);
        choose(context, "plain", few);
        choose(context, strchr(other, '/') + 1, few);
        ck_assert_str_eq(tuning_listed(context), "");
        ck_assert_str_eq(taken(context, IN, rows[few]), other);
        clattn_context_destroy(context);
    }
}
END_TEST

static void first_that_fits(void *user, const char *kernel, const char *refusal)
{
    char *first = user;
    if (!first[0] && !refusal) {
        sprintf(first, "%s", kernel);
    }
}

START_TEST(a_report_begins_with_it_and_forcing_overrules_it)
{
    char first[100] = "";
    const clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT};
    const char *other = strchr(usual(MANY), '/') + 1;
    clattn_context *context = tuning_context(NULL);
    choose(context, "plain", false);
    assert_ok(clattn_project_variants(context, &desc, first_that_fits, first));
    ck_assert_str_eq(first, plain);
    clattn_op *op = project(context, IN, other);
    assert_contains(clattn_op_kernel(op), other);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(it_computes_what_the_usual_kernel_computes)
{
    static const int64_t rows[] = {MANY, FEW};
    for (int few = 0; few < 2; few++) {
        clattn_project_args args = {.x = tensor_random(2, 1, rows[few], 1, IN),
                                    .weight = tensor_random(1, 1, OUT, 1, IN)};
        clattn_tensor results[2];
        for (int chosen = 0; chosen < 2; chosen++) {
            clattn_op *op = project(fixture.context, IN, NULL);
            args.y = results[chosen] = tensor_zeros(CLATTN_F32, 1, rows[few], 1, OUT);
            assert_ok(clattn_project_run(op, fixture.queue, &args, NULL));
            clattn_op_destroy(op);
            choose(fixture.context, "plain", few);
        }
        clFinish(fixture.queue);
        assert_same_tensors(&results[1], &results[0], 1e-4f);
    }
}
END_TEST

/* ---- Refusals ------------------------------------------------------------------------ */

START_TEST(what_cannot_be_chosen_is_refused)
{
    clattn_op *row = tuning_row(fixture.context, false, NULL);
    assert_refused(clattn_tune_choose(NULL, false), "op is NULL");
    assert_refused(clattn_tune_choose(row, false), "not chosen by measuring");
    clattn_op_destroy(row);
    if (!strcmp(taken(fixture.context, IN, FEW), "gemm/gemv_wide")) {
        clattn_op *few = project(fixture.context, IN, "gemv_wide");
        assert_refused(clattn_tune_choose(few, false), "gemm/gemv_wide is not for every call");
        clattn_op_destroy(few);
    }
}
END_TEST

/* ---- Files ---------------------------------------------------------------------------- */

/* A file that says this alone. */
static clattn_context *with_line(const char *label, const char *rest)
{
    char name[PATH_TEXT_BYTES], data[2000];
    clattn_context *context = tuning_context(fixture.directory);
    choose(context, "plain", false);
    clattn_context_destroy(context);
    char *text = tuning_read();
    snprintf(data, sizeof data, "%.*s\n%s: %s\n", (int)strcspn(text, "\n"), text, label, rest);
    free(text);
    tuning_file(name);
    file_write_text(fixture.directory, name, data);
    return tuning_context(fixture.directory);
}

START_TEST(a_line_that_is_garbled_is_ignored_and_told)
{
    static const char *const kernels[] = {"",
                                          "plain",
                                          "gemm/plai",
                                          "gemm/plain ",
                                          "gemm/plain ROWS=4",
                                          "attention/row",
                                          "gemm/gemv_wide",       /* not for many rows */
                                          "gemm/emulated_nv_mma", /* for tests */
                                          "ROWS=8"};
    const char *other = usual(MANY);
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        fixture.log = (struct log){0};
        clattn_context *context = with_line(of_many, kernels[i]);
        assert_contains(fixture.log.text, "1 lines are not understood, and not used");
        ck_assert_str_eq(taken(context, IN, MANY), other);
        ck_assert_str_eq(tuning_listed(context), "");
        clattn_context_destroy(context);
    }
}
END_TEST

START_TEST(a_chosen_kernel_that_does_not_fit_is_passed_over)
{
    char other[100];
    snprintf(other, sizeof other, "%s", usual(MANY));
    clattn_context *context = with_line(of_many, "gemm/matrix"); /* not for f32 */
    ck_assert_str_eq(taken(context, IN, MANY), other);
    assert_contains(fixture.log.text, "project: not gemm/matrix: ");
    clattn_context_destroy(context);
    snprintf(other, sizeof other, "%s", taken(fixture.context, IN, FEW));
    context = with_line(of_few, "gemm/gemv_blocks_wide"); /* neither */
    ck_assert_str_eq(taken(context, IN, FEW), other);
    clattn_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tune_choose");
    TCase *choosing = suite_group(suite, "choosing", fixture_open_without_cache, close_all);
    tcase_add_test(choosing, a_chosen_kernel_is_taken_by_its_class_alone);
    tcase_add_test(choosing, a_kernel_for_few_rows_leaves_many_alone);
    tcase_add_test(choosing, what_was_chosen_is_kept_in_the_cache_and_listed);
    tcase_add_test(choosing, choosing_what_would_be_taken_anyway_forgets);
    tcase_add_test(choosing, a_report_begins_with_it_and_forcing_overrules_it);
    tcase_add_test(choosing, it_computes_what_the_usual_kernel_computes);
    tcase_add_test(choosing, what_cannot_be_chosen_is_refused);
    TCase *files = suite_group(suite, "files", fixture_open_without_cache, close_all);
    tcase_add_test(files, a_line_that_is_garbled_is_ignored_and_told);
    tcase_add_test(files, a_chosen_kernel_that_does_not_fit_is_passed_over);
    return suite_run_on_device(suite);
}
