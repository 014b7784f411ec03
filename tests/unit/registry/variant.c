/* choose.c and create.c: which kernel serves, forced, refused or because others do not compile. */
#include "support/fixture.h"

#include "ops/attention/attention.h"

#include <stdio.h>
#include <stdlib.h>

static const clattn_attention_desc small = {.head_dim = 8, .query_heads = 2};

static clattn_op *forced(const char *kernel)
{
    clattn_attention_desc desc = small;
    clattn_op *op = NULL;
    desc.kernel = kernel;
    assert_ok(clattn_attention_create(fixture.context, &desc, &op));
    return op;
}

static void assert_kernel(const clattn_op *op, const char *name)
{
    ck_assert_msg(!strncmp(clattn_op_kernel(op), name, strlen(name)), "%s, expected %s",
                  clattn_op_kernel(op), name);
}

/* ---- Forcing --------------------------------------------------------------- */

START_TEST(a_kernel_is_forced_by_its_short_and_its_full_name)
{
    const char *const names[][2] = {{"row", "attention/row"},
                                    {"attention/row", "attention/row"},
                                    {"tiled", "attention/tiled"},
                                    {"attention/tiled", "attention/tiled"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        clattn_op *op = forced(names[i][0]);
        assert_kernel(op, names[i][1]);
        clattn_op_destroy(op);
    }
}
END_TEST

START_TEST(an_unknown_kernel_is_refused_with_the_names_there_are)
{
    clattn_attention_desc desc = small;
    const char *const unknown[] = {"none", "",   "attention", "attention/",
                                   "rowx", "ro", "plain",     "gemm/plain"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        clattn_op *op = NULL;
        desc.kernel = unknown[i];
        assert_refused(clattn_attention_create(fixture.context, &desc, &op), "attention/row");
        assert_contains(clattn_error(), "attention/tiled");
        assert_contains(clattn_error(), unknown[i]);
        ck_assert_ptr_null(op);
    }
}
END_TEST

START_TEST(an_unknown_projection_is_refused_with_the_names_there_are)
{
    const clattn_project_desc desc = {.in_dim = 4, .out_dim = 4, .kernel = "tiled"};
    clattn_op *op = NULL;
    assert_refused(clattn_project_create(fixture.context, &desc, &op), "gemm/plain");
    assert_contains(clattn_error(), "gemm/clblast");
    ck_assert_ptr_null(op);
}
END_TEST

START_TEST(the_label_says_what_the_kernel_is_made_for)
{
    const clattn_attention_desc desc = {.head_dim = 8,
                                        .value_dim = 4,
                                        .query_heads = 4,
                                        .kv_heads = 2,
                                        .type = CLATTN_F16,
                                        .causal = true,
                                        .softcap = 2,
                                        .window = {true, 3, 0},
                                        .kernel = "row",
                                        .with = CLATTN_WITH_BIAS | CLATTN_WITH_MASK |
                                                CLATTN_WITH_ALIBI};
    clattn_op *op = NULL;
    assert_ok(clattn_attention_create(fixture.context, &desc, &op));
    ck_assert_str_eq(clattn_op_kernel(op),
                     "attention/row f16>f32 d8/4 gqa2 causal window softcap bias mask alibi");
    clattn_op_destroy(op);
    ck_assert_str_eq(clattn_op_kernel(NULL), "");
}
END_TEST

/* ---- Reporting ------------------------------------------------------------- */

struct report {
    char text[1024];
    int taken, refused;
};

static void collect(void *user, const char *kernel, const char *refusal)
{
    struct report *report = user;
    const size_t used = strlen(report->text);
    snprintf(report->text + used, sizeof report->text - used, "%s=%s;", kernel,
             refusal ? refusal : "ok");
    *(refusal ? &report->refused : &report->taken) += 1;
}

START_TEST(every_kernel_is_reported_best_first)
{
    struct report report = {0};
    assert_ok(clattn_attention_variants(fixture.context, &small, collect, &report));
    const char *tiled = strstr(report.text, "attention/tiled="),
               *row = strstr(report.text, "attention/row=ok");
    ck_assert(tiled && row && tiled < row);
    struct report projections = {0};
    const clattn_project_desc project = {.in_dim = 4, .out_dim = 4};
    assert_ok(clattn_project_variants(fixture.context, &project, collect, &projections));
    assert_contains(projections.text, "gemm/clblast=");
    assert_contains(projections.text, "gemm/plain=ok;");
}
END_TEST

START_TEST(a_report_of_a_bad_descriptor_is_refused)
{
    struct report report = {0};
    const clattn_attention_desc bad = {.head_dim = 0};
    const clattn_project_desc bad_project = {.in_dim = 0};
    assert_refused(clattn_attention_variants(fixture.context, &bad, collect, &report), "head_dim");
    assert_refused(clattn_attention_variants(fixture.context, NULL, collect, &report),
                   "desc is NULL");
    assert_refused(clattn_attention_variants(fixture.context, &small, NULL, NULL),
                   "report is NULL");
    assert_refused(clattn_attention_variants(NULL, &small, collect, &report), "context is NULL");
    assert_refused(clattn_project_variants(fixture.context, &bad_project, collect, &report),
                   "in_dim");
    assert_refused(clattn_project_variants(fixture.context, NULL, collect, &report),
                   "desc is NULL");
    ck_assert_str_eq(report.text, "");
}
END_TEST

/* A device that has too little of what a kernel needs: the facts are the library's own. */
static clattn_device_facts *writable_facts(void)
{
    return (clattn_device_facts *)(void *)clattn_context_facts(fixture.context);
}

START_TEST(a_device_with_little_local_memory_gets_another_kernel)
{
    struct report report = {0};
    clattn_attention_desc desc = small;
    clattn_op *op = NULL;
    writable_facts()->local_bytes = 1024;
    assert_ok(clattn_attention_variants(fixture.context, &desc, collect, &report));
    assert_contains(report.text, "bytes of local memory, the device has 1024");
    ck_assert_int_ge(report.refused, 1);
    assert_contains(report.text, "attention/row=ok;");
    assert_ok(clattn_attention_create(fixture.context, &desc, &op));
    assert_lacks(clattn_op_kernel(op), "attention/tiled");
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_forced_kernel_that_does_not_fit_is_unsupported_with_its_reason)
{
    clattn_attention_desc desc = small;
    clattn_op *op = NULL;
    desc.kernel = "tiled";
    writable_facts()->max_work_group = 1;
    assert_fails(clattn_attention_create(fixture.context, &desc, &op), CLATTN_ERR_UNSUPPORTED,
                 "the device allows 1");
    assert_contains(clattn_error(), "attention/tiled");
    ck_assert_ptr_null(op);
}
END_TEST

/* ---- Falling back ---------------------------------------------------------- */

static clattn_context *context_on_directory(void)
{
    const clattn_context_desc desc = {
        .kernel_dir = fixture.directory, .log = log_append, .user = &fixture.log};
    clattn_context *context = NULL;
    fixture.log = (struct log){0};
    assert_ok(clattn_context_create(&desc, &context));
    return context;
}

/* The kernels that this device would take for any call, best first. */
enum { MAX_KERNELS = 16 };
static const char *kernels[MAX_KERNELS];
static int kernel_count;

/* Those for few rows stand beside another and are not chosen by themselves. */
static void keep_name(void *user, const char *kernel, const char *refusal)
{
    (void)user;
    for (const struct clattn__variant *v = clattn__attention_family.variants; v->name; v++) {
        if (!refusal && !v->few_rows && !strcmp(v->name, kernel)) {
            ck_assert_int_lt(kernel_count, MAX_KERNELS);
            kernels[kernel_count++] = v->name;
        }
    }
}

static void open_kernels(void)
{
    fixture_open_directory();
    kernels_write(fixture.directory);
    clattn_context *context = context_on_directory();
    assert_ok(clattn_attention_variants(context, &small, keep_name, NULL));
    ck_assert_int_ge(kernel_count, 2);
    clattn_context_destroy(context);
}

static const char *file_of(const char *kernel)
{
    static char file[80];
    snprintf(file, sizeof file, "%s.cl", kernel);
    return file;
}

static void break_file(const char *file, const char *line_3)
{
    char text[256];
    snprintf(text, sizeof text, "/* one */\n/* two */\n%s\n", line_3);
    file_write_text(fixture.directory, file, text);
}

static const char wrong[] = "this is not OpenCL C";

START_TEST(a_kernel_that_does_not_compile_is_passed_over)
{
    break_file(file_of(kernels[0]), wrong);
    clattn_context *context = context_on_directory();
    clattn_op *op = NULL;
    char expected[128];
    assert_ok(clattn_attention_create(context, &small, &op));
    assert_kernel(op, kernels[1]);
    snprintf(expected, sizeof expected, "%s.cl did not compile", kernels[0]);
    assert_contains(fixture.log.text, expected);
    snprintf(expected, sizeof expected, "attention: not %s", kernels[0]);
    assert_contains(fixture.log.text, expected);
    snprintf(expected, sizeof expected, "attention: chose %s", kernels[1]);
    assert_contains(fixture.log.text, expected);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(a_kernel_for_few_rows_that_does_not_compile_is_done_without)
{
    clattn_context *context = NULL;
    clattn_op *op = NULL;
    break_file("attention/decode_wide.cl", wrong);
    context = context_on_directory();
    assert_ok(clattn_attention_create(context, &small, &op));
    assert_kernel(op, kernels[0]);
    if (clattn_context_facts(context)->vector_width > 1) {
        assert_contains(fixture.log.text, "attention: not attention/decode_wide");
    }
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(a_kernel_missing_from_the_directory_is_passed_over)
{
    char path[PATH_TEXT_BYTES + 128];
    snprintf(path, sizeof path, "%s/%s", fixture.directory, file_of(kernels[0]));
    ck_assert_int_eq(remove(path), 0);
    clattn_context *context = context_on_directory();
    clattn_op *op = NULL;
    assert_ok(clattn_attention_create(context, &small, &op));
    assert_kernel(op, kernels[1]);
    assert_contains(fixture.log.text, file_of(kernels[0]));
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(the_message_names_file_and_line)
{
    break_file("attention/row.cl", wrong);
    clattn_context *context = context_on_directory();
    clattn_attention_desc desc = small;
    clattn_op *op = NULL;
    desc.kernel = "row";
    assert_fails(clattn_attention_create(context, &desc, &op), CLATTN_ERR_BUILD,
                 "attention/row.cl:3");
    ck_assert_ptr_null(op);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(a_mistake_in_an_include_is_named_there)
{
    break_file("base.h", wrong);
    clattn_context *context = context_on_directory();
    clattn_op *op = NULL;
    assert_fails(clattn_attention_create(context, &small, &op), CLATTN_ERR_BUILD, "base.h:3");
    clattn_context_destroy(context);
}
END_TEST

/* Every kernel that would serve, with the mistake written before its name. */
static void break_all(const char *lines)
{
    char text[4096];
    for (int i = 0; i < kernel_count; i++) {
        snprintf(text, sizeof text, "broken_%d x;\n%s", i, lines);
        file_write_text(fixture.directory, file_of(kernels[i]), text);
    }
}

static void assert_every_reason_is_given(void)
{
    clattn_context *context = context_on_directory();
    clattn_op *const before = (clattn_op *)(void *)&fixture, *op = before;
    assert_fails(clattn_attention_create(context, &small, &op), CLATTN_ERR_BUILD,
                 "no kernel serves this");
    for (int i = 0; i < kernel_count; i++) {
        char reason[32];
        assert_contains(clattn_error(), kernels[i]);
        snprintf(reason, sizeof reason, "broken_%d", i);
        assert_contains(clattn_error(), reason);
        assert_contains(fixture.log.text, reason);
    }
    ck_assert_ptr_eq(op, before);
    clattn_context_destroy(context);
}

START_TEST(with_every_kernel_broken_every_reason_is_given)
{
    break_all("");
    assert_every_reason_is_given();
}
END_TEST

START_TEST(a_long_build_log_does_not_hide_the_reasons_of_other_kernels)
{
    char lines[3000] = "";
    for (int i = 0; i < 30; i++) {
        const size_t used = strlen(lines);
        snprintf(lines + used, sizeof lines - used,
                 "a_rather_long_and_quite_unknown_type_of_number_%d x%d;\n", i, i);
    }
    break_all(lines);
    assert_every_reason_is_given();
}
END_TEST

START_TEST(a_file_without_the_kernel_names_the_call_that_missed_it)
{
    file_write_text(fixture.directory, "attention/row.cl",
                    "__kernel void other(__global int *x) { x[0] = 1; }\n");
    clattn_context *context = context_on_directory();
    clattn_attention_desc desc = small;
    clattn_op *op = NULL;
    desc.kernel = "row";
    assert_fails(clattn_attention_create(context, &desc, &op), CLATTN_ERR_OPENCL, "clCreateKernel");
    clattn_context_destroy(context);
}
END_TEST

START_TEST(the_environment_names_a_kernel_directory_where_the_caller_does_not)
{
    char other[PATH_TEXT_BYTES];
    directory_make(other);
    kernels_write(other);
    break_file(file_of(kernels[0]), wrong);
    setenv("CLATTN_KERNEL_DIR", fixture.directory, 1);
    const clattn_context_desc explicit = {.kernel_dir = other};
    clattn_context *from_environment = NULL, *from_caller = NULL;
    assert_ok(clattn_context_create(NULL, &from_environment));
    assert_ok(clattn_context_create(&explicit, &from_caller));
    clattn_op *broken = NULL, *whole = NULL;
    assert_ok(clattn_attention_create(from_environment, &small, &broken));
    assert_ok(clattn_attention_create(from_caller, &small, &whole));
    assert_kernel(broken, kernels[1]);
    assert_kernel(whole, kernels[0]);
    clattn_op_destroy(broken);
    clattn_op_destroy(whole);
    clattn_context_destroy(from_environment);
    clattn_context_destroy(from_caller);
    directory_remove(other);
}
END_TEST

static void add_choosing(TCase *tests)
{
    tcase_add_test(tests, a_kernel_is_forced_by_its_short_and_its_full_name);
    tcase_add_test(tests, an_unknown_kernel_is_refused_with_the_names_there_are);
    tcase_add_test(tests, an_unknown_projection_is_refused_with_the_names_there_are);
    tcase_add_test(tests, the_label_says_what_the_kernel_is_made_for);
    tcase_add_test(tests, every_kernel_is_reported_best_first);
    tcase_add_test(tests, a_report_of_a_bad_descriptor_is_refused);
    tcase_add_test(tests, a_device_with_little_local_memory_gets_another_kernel);
    tcase_add_test(tests, a_forced_kernel_that_does_not_fit_is_unsupported_with_its_reason);
}

static void add_falling_back(TCase *tests)
{
    tcase_add_test(tests, a_kernel_that_does_not_compile_is_passed_over);
    tcase_add_test(tests, a_kernel_for_few_rows_that_does_not_compile_is_done_without);
    tcase_add_test(tests, a_kernel_missing_from_the_directory_is_passed_over);
    tcase_add_test(tests, the_message_names_file_and_line);
    tcase_add_test(tests, a_mistake_in_an_include_is_named_there);
    tcase_add_test(tests, with_every_kernel_broken_every_reason_is_given);
    tcase_add_test(tests, a_long_build_log_does_not_hide_the_reasons_of_other_kernels);
    tcase_add_test(tests, a_file_without_the_kernel_names_the_call_that_missed_it);
    tcase_add_test(tests, the_environment_names_a_kernel_directory_where_the_caller_does_not);
}

int main(void)
{
    Suite *suite = suite_create("variant");
    add_choosing(suite_group(suite, "choosing", fixture_open, fixture_close));
    add_falling_back(suite_group(suite, "falling back", open_kernels, fixture_close_directory));
    return suite_run_on_device(suite);
}
