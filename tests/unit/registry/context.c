/* context.c: what a context takes, holds and gives back; warming it. */
#include "support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static cl_device_id device_under_test(void)
{
    cl_device_id device = NULL;
    assert_ok(clattn_device_find(NULL, &device));
    return device;
}

static cl_context callers_context(cl_device_id device)
{
    cl_int code;
    const cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    return context;
}

static cl_uint references(cl_context context)
{
    cl_uint count = 0;
    ck_assert_int_eq(
        clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof count, &count, NULL),
        CL_SUCCESS);
    return count;
}

/* The same once drivers are done: PoCL's worker lets go of a command, and with it of the context,
 * a moment after clFinish has returned. */
static cl_uint references_left(cl_context context)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    for (int n = 0; n < 500 && references(context) > 1; n++) {
        nanosleep(&moment, NULL);
    }
    return references(context);
}

/* ---- Creating -------------------------------------------------------------- */

START_TEST(no_descriptor_means_the_device_that_would_be_found)
{
    clattn_context *context = NULL;
    assert_ok(clattn_context_create(NULL, &context));
    ck_assert_ptr_eq(clattn_context_device(context), device_under_test());
    ck_assert_ptr_nonnull(clattn_context_cl(context));
    clattn_context_destroy(context);
}
END_TEST

START_TEST(destroying_nothing_is_allowed)
{
    clattn_context_destroy(NULL);
    clattn_op_destroy(NULL);
}
END_TEST

START_TEST(a_missing_out_is_refused)
{
    assert_refused(clattn_context_create(NULL, NULL), "out is NULL");
}
END_TEST

START_TEST(a_callers_context_needs_its_device)
{
    const cl_context cl = callers_context(device_under_test());
    clattn_context *const before = (clattn_context *)(void *)&fixture, *context = before;
    const clattn_context_desc desc = {.context = cl};
    assert_refused(clattn_context_create(&desc, &context), "device is required");
    ck_assert_ptr_eq(context, before);
    ck_assert_uint_eq(references(cl), 1);
    clReleaseContext(cl);
}
END_TEST

START_TEST(a_callers_context_is_retained_and_given_back)
{
    const cl_device_id device = device_under_test();
    const cl_context cl = callers_context(device);
    const clattn_context_desc desc = {.context = cl, .device = device};
    clattn_context *context = NULL;
    assert_ok(clattn_context_create(&desc, &context));
    ck_assert_ptr_eq(clattn_context_cl(context), cl);
    ck_assert_ptr_eq(clattn_context_device(context), device);
    ck_assert_uint_gt(references(cl), 1);
    clattn_op *op = NULL;
    const clattn_attention_desc attention = {.head_dim = 8, .query_heads = 1};
    assert_ok(clattn_attention_create(context, &attention, &op));
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    ck_assert_uint_eq(references_left(cl), 1);
    clReleaseContext(cl);
}
END_TEST

START_TEST(a_library_context_outlives_the_callers_reference)
{
    const cl_device_id device = device_under_test();
    const cl_context cl = callers_context(device);
    const clattn_context_desc desc = {.context = cl, .device = device};
    clattn_context *context = NULL;
    assert_ok(clattn_context_create(&desc, &context));
    clReleaseContext(cl);
    clattn_op *op = NULL;
    const clattn_project_desc project = {.in_dim = 4, .out_dim = 4, .kernel = "plain"};
    assert_ok(clattn_project_create(context, &project, &op));
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(the_descriptor_and_its_strings_are_copied)
{
    char *cache = strdup(fixture.directory), *kernels = strdup(fixture.directory);
    clattn_context_desc *desc = calloc(1, sizeof *desc);
    ck_assert(cache && kernels && desc);
    kernels_write(fixture.directory);
    desc->cache_dir = cache;
    desc->kernel_dir = kernels;
    clattn_context *context = NULL;
    assert_ok(clattn_context_create(desc, &context));
    memset(cache, 'x', strlen(cache));
    memset(kernels, 'x', strlen(kernels));
    memset(desc, 0xff, sizeof *desc);
    free(cache);
    free(kernels);
    free(desc);
    clattn_op *op = NULL;
    const clattn_project_desc project = {.in_dim = 4, .out_dim = 4, .kernel = "plain"};
    assert_ok(clattn_project_create(context, &project, &op));
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    ck_assert_int_ge(directory_count(fixture.directory, ".bin", NULL), 1);
}
END_TEST

START_TEST(empty_directories_mean_none)
{
    const clattn_context_desc desc = {.cache_dir = "", .kernel_dir = ""};
    clattn_context *context = NULL;
    assert_ok(clattn_context_create(&desc, &context));
    clattn_op *op = NULL;
    const clattn_project_desc project = {.in_dim = 4, .out_dim = 4, .kernel = "plain"};
    assert_ok(clattn_project_create(context, &project, &op));
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}
END_TEST

/* ---- Talking --------------------------------------------------------------- */

START_TEST(the_log_hears_which_kernel_was_chosen)
{
    const clattn_context_desc desc = {.log = log_append, .user = &fixture.log};
    clattn_context *context = NULL;
    assert_ok(clattn_context_create(&desc, &context));
    clattn_op *op = NULL;
    const clattn_attention_desc attention = {.head_dim = 8, .query_heads = 1};
    assert_ok(clattn_attention_create(context, &attention, &op));
    assert_contains(fixture.log.text, "attention: chose ");
    assert_contains(fixture.log.text, clattn_op_kernel(op));
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}
END_TEST

/* Sends stdout and stderr to a file and returns what they were. */
static void swallow_output(int saved[2])
{
    char path[PATH_TEXT_BYTES + 16];
    snprintf(path, sizeof path, "%s/printed", fixture.directory);
    fflush(NULL);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < 2; i++) {
        saved[i] = dup(i + 1);
        dup2(fileno(file), i + 1);
    }
    fclose(file);
}

static void restore_output(const int saved[2])
{
    fflush(NULL);
    for (int i = 0; i < 2; i++) {
        dup2(saved[i], i + 1);
        close(saved[i]);
    }
}

START_TEST(the_library_prints_nothing)
{
    int saved[2];
    clattn_context *context = NULL;
    clattn_op *op = NULL, *none = NULL;
    const clattn_context_desc desc = {.cache_dir = "/dev/null/no/directory"};
    const clattn_attention_desc good = {.head_dim = 8, .query_heads = 1}, bad = {.head_dim = -1};
    const clattn_attention_desc unknown = {.head_dim = 8, .query_heads = 1, .kernel = "none"};
    swallow_output(saved);
    const clattn_status created = clattn_context_create(&desc, &context);
    const clattn_status made = clattn_attention_create(context, &good, &op);
    const clattn_status refused = clattn_attention_create(context, &bad, &none);
    const clattn_status not_found = clattn_attention_create(context, &unknown, &none);
    const clattn_status misused = clattn_attention_run(op, NULL, NULL, NULL);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    restore_output(saved);
    ck_assert_int_eq(created, CLATTN_OK);
    ck_assert_int_eq(made, CLATTN_OK);
    ck_assert_int_eq(refused, CLATTN_ERR_ARGUMENT);
    ck_assert_int_eq(not_found, CLATTN_ERR_ARGUMENT);
    ck_assert_int_eq(misused, CLATTN_ERR_ARGUMENT);
    size_t bytes;
    char *printed = file_read(fixture.directory, "printed", &bytes);
    ck_assert_str_eq(printed, "");
    free(printed);
}
END_TEST

/* ---- The user's cache directory -------------------------------------------- */

START_TEST(the_cache_directory_is_the_users)
{
    char path[64];
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    setenv("HOME", "/of-user", 1);
    ck_assert(clattn_default_cache_dir(path, sizeof path));
    ck_assert_str_eq(path, "/xdg/clattn");
    unsetenv("XDG_CACHE_HOME");
    ck_assert(clattn_default_cache_dir(path, sizeof path));
    ck_assert_str_eq(path, "/of-user/.cache/clattn");
    setenv("XDG_CACHE_HOME", "", 1);
    ck_assert(clattn_default_cache_dir(path, sizeof path));
    ck_assert_str_eq(path, "/of-user/.cache/clattn");
}
END_TEST

START_TEST(no_cache_directory_where_there_is_none_or_it_does_not_fit)
{
    char path[64];
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/of-user", 1);
    const size_t needed = sizeof "/of-user/.cache/clattn";
    ck_assert(clattn_default_cache_dir(path, needed));
    ck_assert(!clattn_default_cache_dir(path, needed - 1));
    unsetenv("HOME");
    ck_assert(!clattn_default_cache_dir(path, sizeof path));
}
END_TEST

static void add_creating(TCase *tests)
{
    tcase_add_test(tests, no_descriptor_means_the_device_that_would_be_found);
    tcase_add_test(tests, destroying_nothing_is_allowed);
    tcase_add_test(tests, a_missing_out_is_refused);
    tcase_add_test(tests, a_callers_context_needs_its_device);
    tcase_add_test(tests, a_callers_context_is_retained_and_given_back);
    tcase_add_test(tests, a_library_context_outlives_the_callers_reference);
    tcase_add_test(tests, the_descriptor_and_its_strings_are_copied);
    tcase_add_test(tests, empty_directories_mean_none);
}

int main(void)
{
    Suite *suite = suite_create("context");
    TCase *tests = suite_group(suite, "context", fixture_open_directory, fixture_close_directory);
    add_creating(tests);
    tcase_add_test(tests, the_log_hears_which_kernel_was_chosen);
    tcase_add_test(tests, the_library_prints_nothing);
    tcase_add_test(tests, the_cache_directory_is_the_users);
    tcase_add_test(tests, no_cache_directory_where_there_is_none_or_it_does_not_fit);
    return suite_run_on_device(suite);
}
