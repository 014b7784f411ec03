/* error.c: statuses and the text that goes with them. */
#include "support/fixture.h"

#include "runtime/error.h"

#include <pthread.h>
#include <stdio.h>

START_TEST(every_status_has_its_name)
{
    ck_assert_str_eq(clattn_status_name(CLATTN_OK), "CLATTN_OK");
    ck_assert_str_eq(clattn_status_name(CLATTN_ERR_ARGUMENT), "CLATTN_ERR_ARGUMENT");
    ck_assert_str_eq(clattn_status_name(CLATTN_ERR_UNSUPPORTED), "CLATTN_ERR_UNSUPPORTED");
    ck_assert_str_eq(clattn_status_name(CLATTN_ERR_BUILD), "CLATTN_ERR_BUILD");
    ck_assert_str_eq(clattn_status_name(CLATTN_ERR_OPENCL), "CLATTN_ERR_OPENCL");
    ck_assert_str_eq(clattn_status_name(CLATTN_ERR_MEMORY), "CLATTN_ERR_MEMORY");
}
END_TEST

START_TEST(a_number_that_is_no_status_has_a_name_too)
{
    ck_assert_ptr_nonnull(clattn_status_name((clattn_status)1));
    ck_assert_ptr_nonnull(clattn_status_name((clattn_status)-6));
}
END_TEST

START_TEST(the_text_is_empty_before_any_failure) { ck_assert_str_eq(clattn_error(), ""); }
END_TEST

START_TEST(failing_returns_the_status_and_keeps_the_text)
{
    ck_assert_int_eq(clattn__fail(CLATTN_ERR_BUILD, "%s %d", "seven", 7), CLATTN_ERR_BUILD);
    ck_assert_str_eq(clattn_error(), "seven 7");
    ck_assert_int_eq(clattn__refuse("x is %d", 3), CLATTN_ERR_ARGUMENT);
    ck_assert_str_eq(clattn_error(), "x is 3");
}
END_TEST

START_TEST(success_leaves_the_text_alone)
{
    size_t count;
    clattn__refuse("before");
    assert_ok(clattn_device_list(NULL, 0, &count));
    ck_assert_str_eq(clattn_error(), "before");
}
END_TEST

START_TEST(a_text_may_quote_the_one_it_replaces)
{
    clattn__refuse("inner");
    clattn__refuse("outer: %s", clattn_error());
    ck_assert_str_eq(clattn_error(), "outer: inner");
}
END_TEST

START_TEST(a_text_has_at_most_4095_bytes)
{
    char longer[5000];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    clattn__refuse("%s", longer);
    ck_assert_uint_eq(strlen(clattn_error()), 4095);
    clattn__refuse("outer: %s", clattn_error());
    ck_assert_uint_eq(strlen(clattn_error()), 4095);
}
END_TEST

START_TEST(an_opencl_failure_names_the_call_and_its_code)
{
    ck_assert_int_eq(clattn__opencl(CL_SUCCESS, "clFinish"), CLATTN_OK);
    assert_fails(clattn__opencl(CL_OUT_OF_RESOURCES, "clFinish"), CLATTN_ERR_OPENCL, "clFinish");
    assert_contains(clattn_error(), "CL_OUT_OF_RESOURCES");
    assert_contains(clattn_error(), "-5");
    assert_fails(CL(clReleaseEvent, NULL), CLATTN_ERR_OPENCL,
                 "clReleaseEvent failed: CL_INVALID_EVENT");
}
END_TEST

START_TEST(an_opencl_code_without_a_name_still_shows_its_number)
{
    assert_fails(clattn__opencl(-7777, "clFinish"), CLATTN_ERR_OPENCL, "-7777");
}
END_TEST

static void *fail_elsewhere(void *text_before)
{
    snprintf(text_before, 64, "%s", clattn_error());
    clattn__refuse("theirs");
    return NULL;
}

START_TEST(each_thread_has_its_own_text)
{
    pthread_t thread;
    char before[64] = "unset";
    clattn__refuse("mine");
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, before), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_str_eq(before, "");
    ck_assert_str_eq(clattn_error(), "mine");
}
END_TEST

START_TEST(the_library_has_the_version_of_its_header)
{
    ck_assert_int_eq(clattn_version(), CLATTN_VERSION);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("error");
    TCase *tests = suite_group(suite, "error", NULL, NULL);
    tcase_add_test(tests, every_status_has_its_name);
    tcase_add_test(tests, a_number_that_is_no_status_has_a_name_too);
    tcase_add_test(tests, the_text_is_empty_before_any_failure);
    tcase_add_test(tests, failing_returns_the_status_and_keeps_the_text);
    tcase_add_test(tests, success_leaves_the_text_alone);
    tcase_add_test(tests, a_text_may_quote_the_one_it_replaces);
    tcase_add_test(tests, a_text_has_at_most_4095_bytes);
    tcase_add_test(tests, an_opencl_failure_names_the_call_and_its_code);
    tcase_add_test(tests, an_opencl_code_without_a_name_still_shows_its_number);
    tcase_add_test(tests, each_thread_has_its_own_text);
    tcase_add_test(tests, the_library_has_the_version_of_its_header);
    return suite_run(suite);
}
