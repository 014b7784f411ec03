/* kept.c: files that are stale or garbled are not trusted, and places that cannot be written are
 * only logged. */
#include "support/tuning.h"

#include "registry/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- Files that are not trusted --------------------------------------------------- */

/* Writes the file anew, with its first line as it was. */
static void rewrite(const char *rest, size_t bytes)
{
    char name[PATH_TEXT_BYTES], data[4096];
    char *text = tuning_read();
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
    clattn_context *context = tuning_context(fixture.directory);
    tuning_keep(context, false, "ROWS=4");
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
    char *text = tuning_read(), *at = strstr(text, from);
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
    clattn_context *context = tuning_context(fixture.directory);
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
    clattn_context *context = tuning_context(NULL);
    const clattn_attention_desc desc = {
        .head_dim = 8, .query_heads = 2, .kernel = "tiled", .params = "CHUNK=64"};
    clattn_attention_desc again = desc;
    clattn_op *op = NULL;
    assert_ok(clattn_attention_create(context, &desc, &op));
    assert_ok(clattn_tune_keep(op));
    clattn_op_destroy(op);
    context->device.facts.local_bytes = 16384;
    again.params = NULL;
    assert_ok(clattn_attention_create(context, &again, &op));
    ck_assert_str_eq(clattn_op_params(op), "TILE_Q=32 TILE_K=64 CHUNK=16 ROWS=8 PER_WORD=1");
    assert_contains(fixture.log.text, "tune: what was kept for attention/tiled f32 d8 is not used");
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}
END_TEST

/* ---- Places that cannot be written -------------------------------------------------- */

static void assert_only_logged(const char *cache)
{
    clattn_context *context = tuning_context(cache);
    tuning_keep(context, false, "ROWS=4");
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
    clattn_context *context = tuning_context(fixture.directory);
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
    clattn_context *context = tuning_context(path);
    tuning_keep(context, false, "ROWS=4");
    assert_uses(context, false, "ROWS=4");
    clattn_context_destroy(context);
}
END_TEST

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
    Suite *suite = suite_create("tune_file");
    add_bad_files(suite_group(suite, "bad files", fixture_open_without_cache, fixture_close));
    return suite_run_on_device(suite);
}
