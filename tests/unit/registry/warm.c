/* clattn_context_warm: which kernels it makes ready, and what it says of them.
 * The kernels here are cheap to compile: they take the arguments and do nothing. */
#include "support/fixture.h"

#include "runtime/source.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_BUILDS = 128 };

static struct {
    char kernel[MAX_BUILDS][160];
    clattn_build build[MAX_BUILDS];
    int count;
} reported;

static void keep(void *user, const clattn_build *build)
{
    ck_assert_ptr_eq(user, &reported);
    ck_assert_int_lt(reported.count, MAX_BUILDS);
    snprintf(reported.kernel[reported.count], sizeof reported.kernel[0], "%s", build->kernel);
    reported.build[reported.count++] = *build;
}

/* The text without what kernels do: from "{" to "}" on lines of their own after "__kernel". */
static void empty_kernels(const char *text, char *empty)
{
    bool kernel = false, body = false;
    while (*text) {
        const size_t length = strcspn(text, "\n") + 1;
        kernel = kernel || !strncmp(text, "__kernel", 8);
        if (body && text[0] == '}') {
            kernel = body = false;
        }
        if (!body) {
            memcpy(empty, text, length);
            empty += length;
        }
        body = body || (kernel && text[0] == '{');
        text += length;
    }
    *empty = '\0';
}

static void write_cheap_kernels(void)
{
    for (const struct clattn__embedded *e = clattn__embedded_kernels; e->path; e++) {
        char *empty = malloc(strlen(e->text) + 1);
        ck_assert_ptr_nonnull(empty);
        empty_kernels(e->text, empty);
        file_write_text(fixture.directory, e->path, empty);
        free(empty);
    }
}

static clattn_context *context_with(const char *cache)
{
    const clattn_context_desc desc = {.kernel_dir = fixture.directory,
                                      .cache_dir = cache,
                                      .log = log_append,
                                      .user = &fixture.log};
    clattn_context *context = NULL;
    assert_ok(clattn_context_create(&desc, &context));
    return context;
}

static int reports_of(const char *words)
{
    int count = 0;
    for (int i = 0; i < reported.count; i++) {
        count += strstr(reported.kernel[i], words) != NULL;
    }
    return count;
}

/* ---- Three contexts, one after the other: compiling every kernel takes a driver long ------ */

static void compile_and_report(const char *cache)
{
    clattn_context *context = context_with(cache);
    assert_ok(clattn_context_warm(context, keep, &reported));
    ck_assert_int_ge(reports_of("attention/tiled f32 d64"), 1);
    ck_assert_int_ge(reports_of("attention/row f16 d128 causal"), 1);
    ck_assert_int_ge(reports_of("bf16"), 1);
    ck_assert_int_ge(reports_of("gemm/plain"), 1);
    for (int i = 0; i < reported.count; i++) {
        const clattn_build *build = &reported.build[i];
        must(build->compile_ms >= 0 && build->load_ms > 0 && !build->from_cache, "%s",
             reported.kernel[i]);
    }
    clattn_context_destroy(context);
}

static void find_on_disk(const char *cache)
{
    reported.count = 0;
    clattn_context *context = context_with(cache);
    assert_ok(clattn_context_warm(context, keep, &reported));
    for (int i = 0; i < reported.count; i++) {
        const bool compiled_here = strstr(reported.kernel[i], "clblast") == NULL;
        must(reported.build[i].from_cache == compiled_here, "%s", reported.kernel[i]);
    }
    ck_assert_int_gt(reported.count, 0);
    clattn_context_destroy(context);
}

static void make_others_if_one_fails(const char *cache)
{
    reported.count = 0;
    file_write_text(fixture.directory, "attention/tiled.cl", "this is not OpenCL C\n");
    clattn_context *context = context_with(cache);
    assert_fails(clattn_context_warm(context, keep, &reported), CLATTN_ERR_BUILD,
                 "attention/tiled");
    ck_assert_int_eq(reports_of("attention/tiled"), 0);
    ck_assert_int_ge(reports_of("attention/row"), 1);
    ck_assert_int_ge(reports_of("gemm/"), 1);
    assert_contains(fixture.log.text, "attention/tiled.cl did not compile");
    clattn_context_destroy(context);
}

START_TEST(every_kernel_is_made_ready_found_again_and_hindered_by_no_other)
{
    char cache[PATH_TEXT_BYTES];
    directory_make(cache);
    write_cheap_kernels();
    compile_and_report(cache);
    find_on_disk(cache);
    make_others_if_one_fails(cache);
    directory_remove(cache);
}
END_TEST

START_TEST(a_missing_context_is_refused)
{
    assert_refused(clattn_context_warm(NULL, keep, &reported), "context is NULL");
    ck_assert_int_eq(reported.count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("warm");
    TCase *tests = suite_group(suite, "warm", fixture_open_directory, fixture_close_directory);
    tcase_add_test(tests, every_kernel_is_made_ready_found_again_and_hindered_by_no_other);
    tcase_add_test(tests, a_missing_context_is_refused);
    return suite_run_on_device(suite);
}
