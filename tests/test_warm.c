/* clattn_context_warm: which kernels it makes ready, and what it says of them.
 * The kernels here are cheap to compile: they take the arguments and do nothing. */
#include "support/fixture.h"

#include "source.h"

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

static void write_cheap_kernels(const char *tiled)
{
    for (const struct clattn__embedded *e = clattn__embedded_kernels; e->path; e++) {
        char *empty = malloc(strlen(e->text) + 1);
        ck_assert_ptr_nonnull(empty);
        empty_kernels(e->text, empty);
        file_write_text(fixture.directory, e->path, empty);
        free(empty);
    }
    if (tiled) {
        file_write_text(fixture.directory, "attention/tiled.cl", tiled);
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

START_TEST(every_kernel_is_made_ready_and_reported)
{
    write_cheap_kernels(NULL);
    clattn_context *context = context_with(NULL);
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
END_TEST

START_TEST(a_second_context_finds_them_on_disk)
{
    char cache[PATH_TEXT_BYTES];
    directory_make(cache);
    write_cheap_kernels(NULL);
    clattn_context *first = context_with(cache);
    assert_ok(clattn_context_warm(first, NULL, NULL));
    clattn_context_destroy(first);
    clattn_context *second = context_with(cache);
    assert_ok(clattn_context_warm(second, keep, &reported));
    for (int i = 0; i < reported.count; i++) {
        const bool compiled_here = strstr(reported.kernel[i], "clblast") == NULL;
        ck_assert_msg(reported.build[i].from_cache == compiled_here, "%s", reported.kernel[i]);
    }
    ck_assert_int_gt(reported.count, 0);
    clattn_context_destroy(second);
    directory_remove(cache);
}
END_TEST

START_TEST(a_kernel_that_fails_does_not_keep_others_from_being_made)
{
    write_cheap_kernels("this is not OpenCL C\n");
    clattn_context *context = context_with(NULL);
    assert_fails(clattn_context_warm(context, keep, &reported), CLATTN_ERR_BUILD,
                 "attention/tiled");
    ck_assert_int_eq(reports_of("attention/tiled"), 0);
    ck_assert_int_ge(reports_of("attention/row"), 1);
    ck_assert_int_ge(reports_of("gemm/"), 1);
    assert_contains(fixture.log.text, "attention/tiled.cl did not compile");
    clattn_context_destroy(context);
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
    tcase_add_test(tests, every_kernel_is_made_ready_and_reported);
    tcase_add_test(tests, a_second_context_finds_them_on_disk);
    tcase_add_test(tests, a_kernel_that_fails_does_not_keep_others_from_being_made);
    tcase_add_test(tests, a_missing_context_is_refused);
    return suite_run_on_device(suite);
}
