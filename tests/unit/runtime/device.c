/* find.c and device.c: listing and finding devices, and what is found out about them. */
#include "support/fixture.h"

#include "runtime/device.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_DEVICES = 64, NAME_BYTES = 256 };

static cl_device_id devices[MAX_DEVICES];
static size_t device_count;

static void open_devices(void)
{
    unsetenv("CLATTN_DEVICE");
    assert_ok(clattn_device_list(devices, MAX_DEVICES, &device_count));
    ck_assert_uint_gt(device_count, 0);
    ck_assert_uint_le(device_count, MAX_DEVICES);
}

static void device_name(cl_device_id device, char name[NAME_BYTES])
{
    memset(name, 0, NAME_BYTES);
    ck_assert_int_eq(clGetDeviceInfo(device, CL_DEVICE_NAME, NAME_BYTES - 1, name, NULL),
                     CL_SUCCESS);
}

static void platform_name(cl_device_id device, char name[NAME_BYTES])
{
    cl_platform_id platform;
    memset(name, 0, NAME_BYTES);
    ck_assert_int_eq(clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL),
                     CL_SUCCESS);
    ck_assert_int_eq(clGetPlatformInfo(platform, CL_PLATFORM_NAME, NAME_BYTES - 1, name, NULL),
                     CL_SUCCESS);
}

/* ---- Listing --------------------------------------------------------------- */

START_TEST(capacity_zero_only_counts)
{
    size_t count = 0;
    assert_ok(clattn_device_list(NULL, 0, &count));
    ck_assert_uint_eq(count, device_count);
}
END_TEST

START_TEST(no_more_than_capacity_is_written)
{
    const cl_device_id canary = (cl_device_id)(void *)&device_count;
    cl_device_id got[MAX_DEVICES + 1];
    for (size_t capacity = 1; capacity <= device_count; capacity++) {
        size_t count = 0;
        got[capacity] = canary;
        assert_ok(clattn_device_list(got, capacity, &count));
        ck_assert_uint_eq(count, device_count);
        ck_assert_ptr_eq(got[capacity], canary);
        ck_assert_mem_eq(got, devices, capacity * sizeof *got);
    }
}
END_TEST

START_TEST(a_missing_place_to_write_is_refused)
{
    size_t count = 99;
    assert_refused(clattn_device_list(devices, 1, NULL), "count is NULL");
    assert_refused(clattn_device_list(NULL, 1, &count), "devices is NULL");
    ck_assert_uint_eq(count, 99);
    assert_refused(clattn_device_find("0", NULL), "out is NULL");
}
END_TEST

/* ---- Finding --------------------------------------------------------------- */

static size_t found(const char *text)
{
    cl_device_id device = NULL;
    assert_ok(clattn_device_find(text, &device));
    for (size_t i = 0; i < device_count; i++) {
        if (devices[i] == device) {
            return i;
        }
    }
    ck_abort_msg("'%s' is a device outside the list", text ? text : "NULL");
    return device_count;
}

START_TEST(a_number_names_its_place_in_the_list)
{
    for (size_t i = 0; i < device_count; i++) {
        char number[32];
        snprintf(number, sizeof number, "%zu", i);
        ck_assert_uint_eq(found(number), i);
    }
}
END_TEST

/* The first device of whose name or platform's name this is a part. */
static size_t first_with(const char *part)
{
    size_t i = 0;
    for (char device[NAME_BYTES], platform[NAME_BYTES]; i < device_count; i++) {
        device_name(devices[i], device);
        platform_name(devices[i], platform);
        if (strstr(device, part) || strstr(platform, part)) {
            break;
        }
    }
    return i;
}

START_TEST(a_device_is_found_by_its_name_and_by_its_platform)
{
    for (size_t i = 0; i < device_count; i++) {
        char name[NAME_BYTES];
        device_name(devices[i], name);
        ck_assert_uint_eq(found(name), first_with(name));
        platform_name(devices[i], name);
        ck_assert_uint_eq(found(name), first_with(name));
    }
}
END_TEST

START_TEST(a_part_of_the_name_is_enough)
{
    char name[NAME_BYTES];
    device_name(devices[0], name);
    ck_assert_uint_gt(strlen(name), 3);
    name[strlen(name) - 1] = '\0';
    ck_assert_uint_eq(found(name + 1), first_with(name + 1));
}
END_TEST

START_TEST(case_does_not_matter)
{
    char name[NAME_BYTES], changed[NAME_BYTES];
    device_name(devices[0], name);
    for (size_t i = 0; i < sizeof name; i++) {
        const unsigned char c = (unsigned char)name[i];
        changed[i] = (char)(isupper(c) ? tolower(c) : toupper(c));
    }
    ck_assert_str_ne(name, changed);
    ck_assert_uint_eq(found(changed), first_with(name));
}
END_TEST

START_TEST(an_unknown_name_lists_what_is_there)
{
    cl_device_id device = NULL;
    assert_refused(clattn_device_find("no such thing", &device), "no such thing");
    ck_assert_ptr_null(device);
    char first[NAME_BYTES + 8], name[NAME_BYTES];
    device_name(devices[0], name);
    snprintf(first, sizeof first, "0: %s", name);
    assert_contains(clattn_error(), first);
}
END_TEST

START_TEST(a_number_behind_the_list_is_refused)
{
    cl_device_id device = NULL;
    assert_refused(clattn_device_find("9999999", &device), "9999999");
    assert_refused(clattn_device_find("99999999999999999999999999", &device), "nothing matches");
    ck_assert_ptr_null(device);
}
END_TEST

START_TEST(nothing_said_is_the_first_gpu_else_the_first_device)
{
    size_t expected = 0;
    for (size_t i = device_count; i-- > 0;) {
        cl_device_type type = 0;
        clGetDeviceInfo(devices[i], CL_DEVICE_TYPE, sizeof type, &type, NULL);
        expected = type & CL_DEVICE_TYPE_GPU ? i : expected;
    }
    ck_assert_uint_eq(found(NULL), expected);
    ck_assert_uint_eq(found(""), expected);
    setenv("CLATTN_DEVICE", "", 1);
    ck_assert_uint_eq(found(NULL), expected);
}
END_TEST

START_TEST(the_environment_names_the_device_where_the_caller_does_not)
{
    char last[32];
    snprintf(last, sizeof last, "%zu", device_count - 1);
    setenv("CLATTN_DEVICE", last, 1);
    ck_assert_uint_eq(found(NULL), device_count - 1);
    ck_assert_uint_eq(found(""), device_count - 1);
    ck_assert_uint_eq(found("0"), 0);
}
END_TEST

START_TEST(an_unknown_device_in_the_environment_is_refused)
{
    cl_device_id device = NULL;
    setenv("CLATTN_DEVICE", "from the environment", 1);
    assert_refused(clattn_device_find(NULL, &device), "from the environment");
    clattn_context *context = NULL;
    assert_refused(clattn_context_create(NULL, &context), "from the environment");
    ck_assert_ptr_null(context);
    ck_assert_uint_eq(found("0"), 0);
}
END_TEST

/* ---- Facts ----------------------------------------------------------------- */

START_TEST(facts_are_what_the_driver_says)
{
    const clattn_device_facts *facts = clattn_context_facts(fixture.context);
    const cl_device_id device = clattn_context_device(fixture.context);
    char name[NAME_BYTES];
    device_name(device, name);
    ck_assert_str_eq(facts->name, name);
    platform_name(device, name);
    ck_assert_str_eq(facts->platform, name);
    assert_contains(facts->platform_version, "OpenCL ");
    ck_assert_str_ne(facts->vendor, "");
    ck_assert_str_ne(facts->driver, "");
    cl_ulong bytes = 0;
    clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof bytes, &bytes, NULL);
    ck_assert_uint_eq(facts->max_alloc_bytes, bytes);
    cl_device_type type = 0;
    clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    ck_assert_uint_eq(facts->type, type);
}
END_TEST

START_TEST(an_extension_is_a_whole_word)
{
    const cl_device_id device = clattn_context_device(fixture.context);
    char list[1 << 14] = "";
    ck_assert_int_eq(clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, sizeof list, list, NULL),
                     CL_SUCCESS);
    char *word = strtok(list, " ");
    ck_assert_ptr_nonnull(word);
    ck_assert(clattn__advertises(device, word));
    ck_assert(!clattn__advertises(device, word + 1));
    word[strlen(word) - 1] = '\0';
    ck_assert(!clattn__advertises(device, word));
}
END_TEST

START_TEST(facts_are_plausible)
{
    const clattn_device_facts *facts = clattn_context_facts(fixture.context);
    ck_assert_int_ge(facts->compute_units, 1);
    ck_assert_int_ge(facts->vector_width, 1);
    ck_assert_int_le(facts->vector_width, 64);
    ck_assert_uint_ge(facts->max_work_group, 1);
    ck_assert_uint_ge(facts->local_bytes, 1024);
    ck_assert_uint_ge(facts->global_bytes, facts->max_alloc_bytes);
    ck_assert_uint_gt(facts->max_alloc_bytes, 0);
    if (facts->type & CL_DEVICE_TYPE_GPU) {
        ck_assert_int_eq(facts->vector_width, 1);
    }
}
END_TEST

static void add_list_tests(TCase *tests)
{
    tcase_add_test(tests, capacity_zero_only_counts);
    tcase_add_test(tests, no_more_than_capacity_is_written);
    tcase_add_test(tests, a_missing_place_to_write_is_refused);
}

static void add_find_tests(TCase *tests)
{
    tcase_add_test(tests, a_number_names_its_place_in_the_list);
    tcase_add_test(tests, a_device_is_found_by_its_name_and_by_its_platform);
    tcase_add_test(tests, a_part_of_the_name_is_enough);
    tcase_add_test(tests, case_does_not_matter);
    tcase_add_test(tests, an_unknown_name_lists_what_is_there);
    tcase_add_test(tests, a_number_behind_the_list_is_refused);
    tcase_add_test(tests, nothing_said_is_the_first_gpu_else_the_first_device);
    tcase_add_test(tests, the_environment_names_the_device_where_the_caller_does_not);
    tcase_add_test(tests, an_unknown_device_in_the_environment_is_refused);
}

int main(void)
{
    Suite *suite = suite_create("device");
    TCase *finding = suite_group(suite, "list and find", open_devices, NULL);
    add_list_tests(finding);
    add_find_tests(finding);
    TCase *facts = suite_group(suite, "facts", fixture_open, fixture_close);
    tcase_add_test(facts, facts_are_what_the_driver_says);
    tcase_add_test(facts, an_extension_is_a_whole_word);
    tcase_add_test(facts, facts_are_plausible);
    return suite_run_on_device(suite);
}
