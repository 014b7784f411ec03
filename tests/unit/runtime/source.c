/* source.c: finding kernel files, and making one text of a file and its includes. */
#include "support/fixture.h"

#include "runtime/source.h"

#include <stdio.h>
#include <stdlib.h>

static char *flatten(const char *path)
{
    char *text = NULL;
    assert_ok(clattn__source(fixture.directory, path, &text));
    ck_assert_ptr_nonnull(text);
    return text;
}

static void assert_flat(const char *path, const char *expected)
{
    char *text = flatten(path);
    ck_assert_str_eq(text, expected);
    free(text);
}

static void assert_no_source(const char *path, clattn_status status, const char *words)
{
    char *text = NULL;
    assert_fails(clattn__source(fixture.directory, path, &text), status, words);
    ck_assert_ptr_null(text);
}

/* ---- Flattening ------------------------------------------------------------ */

START_TEST(an_include_is_replaced_by_the_file)
{
    file_write_text(fixture.directory, "a.cl", "one\n#include \"b.h\"\nthree\n");
    file_write_text(fixture.directory, "b.h", "two\n");
    assert_flat("a.cl", "#line 1 \"a.cl\"\none\n"
                        "#line 1 \"b.h\"\ntwo\n\n"
                        "#line 3 \"a.cl\"\nthree\n\n");
}
END_TEST

START_TEST(a_file_is_included_once)
{
    file_write_text(fixture.directory, "a.cl",
                    "#include \"b.h\"\n#include \"c.h\"\n#include \"b.h\"\nend\n");
    file_write_text(fixture.directory, "b.h", "only once\n");
    file_write_text(fixture.directory, "c.h", "#include \"b.h\"\nc\n");
    assert_flat("a.cl", "#line 1 \"a.cl\"\n"
                        "#line 1 \"b.h\"\nonly once\n\n"
                        "#line 2 \"a.cl\"\n"
                        "#line 1 \"c.h\"\n#line 2 \"c.h\"\nc\n\n"
                        "#line 3 \"a.cl\"\n"
                        "#line 4 \"a.cl\"\nend\n\n");
}
END_TEST

START_TEST(files_that_include_each_other_end)
{
    file_write_text(fixture.directory, "a.cl", "#include \"b.h\"\na\n");
    file_write_text(fixture.directory, "b.h", "#include \"a.cl\"\n#include \"b.h\"\nb\n");
    char *text = flatten("a.cl");
    assert_contains(text, "\nb\n");
    assert_contains(text, "\na\n");
    free(text);
}
END_TEST

START_TEST(paths_are_relative_to_the_root)
{
    file_write_text(fixture.directory, "sub/a.cl", "#include \"sub/b.h\"\n");
    file_write_text(fixture.directory, "sub/b.h", "below\n");
    char *text = flatten("sub/a.cl");
    assert_contains(text, "#line 1 \"sub/b.h\"\nbelow\n");
    free(text);
}
END_TEST

START_TEST(a_last_line_without_an_end_stays_apart)
{
    file_write_text(fixture.directory, "a.cl", "#include \"b.h\"\nafter");
    file_write_text(fixture.directory, "b.h", "// no end");
    assert_flat("a.cl", "#line 1 \"a.cl\"\n#line 1 \"b.h\"\n// no end\n#line 2 \"a.cl\"\nafter\n");
}
END_TEST

START_TEST(an_empty_file_is_an_empty_text)
{
    file_write_text(fixture.directory, "a.cl", "");
    assert_flat("a.cl", "#line 1 \"a.cl\"\n\n");
}
END_TEST

START_TEST(what_only_resembles_an_include_is_kept)
{
    static const char text[] =
        "#include <b.h>\n #include \"b.h\"\n#include \"unclosed\n// #include \"b.h\"\n";
    char expected[256];
    file_write_text(fixture.directory, "a.cl", text);
    snprintf(expected, sizeof expected, "#line 1 \"a.cl\"\n%s\n", text);
    assert_flat("a.cl", expected);
}
END_TEST

/* Of 64 characters, one more than there is room for. */
START_TEST(an_include_of_too_long_a_path_is_kept)
{
    char line[128];
    snprintf(line, sizeof line, "#include \"%064d\"\n", 1);
    file_write_text(fixture.directory, "a.cl", line);
    char *text = flatten("a.cl");
    assert_contains(text, line);
    free(text);
}
END_TEST

START_TEST(a_long_file_is_read_whole)
{
    enum { LINES = 30000, LINE_BYTES = 8 };
    char *text = malloc(LINES * LINE_BYTES + 1);
    ck_assert_ptr_nonnull(text);
    for (int i = 0; i < LINES; i++) {
        snprintf(text + i * LINE_BYTES, LINE_BYTES + 1, "%07d\n", i);
    }
    file_write_text(fixture.directory, "a.cl", text);
    char *flat = flatten("a.cl");
    const size_t mark = strlen("#line 1 \"a.cl\"\n");
    ck_assert_uint_eq(strlen(flat), mark + LINES * LINE_BYTES + 1);
    ck_assert_mem_eq(flat + mark, text, LINES * LINE_BYTES);
    free(flat);
    free(text);
}
END_TEST

/* ---- Refusals -------------------------------------------------------------- */

START_TEST(a_missing_file_is_named)
{
    assert_no_source("attention/none.cl", CLATTN_ERR_ARGUMENT, "attention/none.cl");
    assert_contains(clattn_error(), "kernel_dir");
}
END_TEST

START_TEST(a_missing_include_is_named)
{
    file_write_text(fixture.directory, "a.cl", "#include \"gone.h\"\n");
    assert_no_source("a.cl", CLATTN_ERR_ARGUMENT, "gone.h");
}
END_TEST

START_TEST(a_directory_is_no_file)
{
    file_write_text(fixture.directory, "sub/a.cl", "");
    assert_no_source("sub", CLATTN_ERR_ARGUMENT, "sub");
}
END_TEST

START_TEST(too_many_includes_are_refused)
{
    char all[2048] = "";
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.h", i);
        file_write_text(fixture.directory, name, "\n");
        const size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "#include \"%s\"\n", name);
    }
    file_write_text(fixture.directory, "a.cl", all);
    assert_no_source("a.cl", CLATTN_ERR_BUILD, "too many includes");
}
END_TEST

START_TEST(a_path_that_does_not_fit_is_refused)
{
    char deep[3000], *text = NULL;
    memset(deep, 'd', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    assert_refused(clattn__source(deep, "a.cl", &text), "too long");
    ck_assert_ptr_null(text);
}
END_TEST

/* ---- Embedded -------------------------------------------------------------- */

START_TEST(every_embedded_file_is_complete)
{
    int files = 0;
    for (const struct clattn__embedded *e = clattn__embedded_kernels; e->path; e++, files++) {
        char *text = NULL;
        assert_ok(clattn__source(NULL, e->path, &text));
        assert_lacks(text, "\n#include \"");
        free(text);
    }
    ck_assert_int_gt(files, 5);
}
END_TEST

START_TEST(a_directory_with_the_same_files_gives_the_same_text)
{
    kernels_write(fixture.directory);
    for (const struct clattn__embedded *e = clattn__embedded_kernels; e->path; e++) {
        char *embedded = NULL, *read = flatten(e->path);
        assert_ok(clattn__source(NULL, e->path, &embedded));
        ck_assert_str_eq(read, embedded);
        free(embedded);
        free(read);
    }
}
END_TEST

START_TEST(an_unknown_embedded_file_is_named)
{
    char *text = NULL;
    assert_fails(clattn__source(NULL, "attention/none.cl", &text), CLATTN_ERR_BUILD,
                 "attention/none.cl");
    ck_assert_ptr_null(text);
}
END_TEST

static void add_flattening(TCase *tests)
{
    tcase_add_test(tests, an_include_is_replaced_by_the_file);
    tcase_add_test(tests, a_file_is_included_once);
    tcase_add_test(tests, files_that_include_each_other_end);
    tcase_add_test(tests, paths_are_relative_to_the_root);
    tcase_add_test(tests, a_last_line_without_an_end_stays_apart);
    tcase_add_test(tests, an_empty_file_is_an_empty_text);
    tcase_add_test(tests, what_only_resembles_an_include_is_kept);
    tcase_add_test(tests, an_include_of_too_long_a_path_is_kept);
    tcase_add_test(tests, a_long_file_is_read_whole);
}

static void add_refusals(TCase *tests)
{
    tcase_add_test(tests, a_missing_file_is_named);
    tcase_add_test(tests, a_missing_include_is_named);
    tcase_add_test(tests, a_directory_is_no_file);
    tcase_add_test(tests, too_many_includes_are_refused);
    tcase_add_test(tests, a_path_that_does_not_fit_is_refused);
}

static void add_embedded(TCase *tests)
{
    tcase_add_test(tests, every_embedded_file_is_complete);
    tcase_add_test(tests, a_directory_with_the_same_files_gives_the_same_text);
    tcase_add_test(tests, an_unknown_embedded_file_is_named);
}

int main(void)
{
    Suite *suite = suite_create("source");
    TCase *tests = suite_group(suite, "source", fixture_open_directory, fixture_close_directory);
    add_flattening(tests);
    add_refusals(tests);
    add_embedded(tests);
    return suite_run(suite);
}
