/* probe.c: what is remembered of a device, and what is left where trying it ended the process. */
#include "probing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(what_was_right_is_not_tried_again)
{
    assert_lanes(probe(&intel, program(SAYS_RIGHT), LONG_MS), CLATTN_LANES_INTEL, 8 | 16 | 32);
    ck_assert_int_eq(records(), 3);
    assert_lanes(probe(&intel, program("exit 1"), LONG_MS), CLATTN_LANES_INTEL, 8 | 16 | 32);
    ck_assert_int_eq(tried(), 3);
}
END_TEST

START_TEST(what_was_wrong_is_not_tried_again)
{
    assert_refusal(probe(&nvidia, program("kill -KILL $$"), LONG_MS), "signal 9");
    fixture.log.text[0] = '\0';
    assert_refusal(probe(&nvidia, program(SAYS_RIGHT), LONG_MS), "signal 9");
    ck_assert_int_eq(tried(), 1);
}
END_TEST

START_TEST(another_source_is_tried_anew)
{
    assert_lanes(probe(&nvidia, program(SAYS_RIGHT), LONG_MS), CLATTN_LANES_NV, 32);
    file_write_text(fixture.directory, "kernels/probe_lanes.cl", "other");
    assert_lanes(probe(&nvidia, program(SAYS_RIGHT), LONG_MS), CLATTN_LANES_NV, 32);
    ck_assert_int_eq(tried(), 2);
}
END_TEST

static void damage(char *text, int way)
{
    switch (way) {
    case 0: text[0] = '\0'; break;
    case 1: text[strlen(text) - 1] = '\0'; break;         /* no end of the line */
    case 2: *strstr(text, "right") = 'R'; break;          /* no outcome */
    case 3: text[strlen("clattn probe 1 ")] = 'x'; break; /* of another program */
    case 4: *strstr(text, "nv_lanes") = 'x'; break;       /* of another probe */
    default: memcpy(text, "clattn probe 2", 14); break;
    }
}

START_TEST(a_damaged_record_is_not_believed)
{
    char name[PATH_TEXT_BYTES];
    assert_lanes(probe(&nvidia, program(SAYS_RIGHT), LONG_MS), CLATTN_LANES_NV, 32);
    ck_assert_int_eq(directory_count(fixture.directory, ".probe", name), 1);
    char *text = file_read(fixture.directory, name, &(size_t){0});
    damage(text, _i);
    file_write_text(fixture.directory, name, text);
    free(text);
    assert_lanes(probe(&nvidia, program(SAYS_RIGHT), LONG_MS), CLATTN_LANES_NV, 32);
    ck_assert_int_eq(tried(), 2);
    assert_lanes(probe(&nvidia, program("exit 1"), LONG_MS), CLATTN_LANES_NV, 32);
    ck_assert_int_eq(tried(), 2);
}
END_TEST

/* ---- What ended a process ------------------------------------------------------ */

static void end_process(void *user, const char *text)
{
    (void)user;
    if (strstr(text, "did not compile")) {
        _exit(3);
    }
}

/* The process of a child ends while it compiles. */
static void be_ended(void)
{
    char kernels[PATH_TEXT_BYTES + 16];
    snprintf(kernels, sizeof kernels, "%s/kernels", fixture.directory);
    file_write_text(fixture.directory, "kernels/probe_lanes.cl", "this is no kernel");
    const pid_t child = fork();
    if (child == 0) {
        const clattn_context_desc desc = {.cache_dir = fixture.directory,
                                          .kernel_dir = kernels,
                                          .probe_program = NO_PROGRAM,
                                          .log = end_process};
        clattn_context *context;
        if (clattn__context_open(&desc, NULL, &context) == CLATTN_OK) {
            clattn__probe(&context->prober, &nvidia, LONG_MS);
        }
        _exit(0);
    }
    int state = 0;
    ck_assert_int_eq(waitpid(child, &state, 0), child);
    ck_assert_int_eq(WEXITSTATUS(state), 3);
}

START_TEST(what_ended_a_process_is_not_tried_again)
{
    be_ended();
    ck_assert_int_eq(marks(), 1);
    ck_assert_int_eq(records(), 0);
    assert_refusal(probe(&nvidia, program(SAYS_RIGHT), LONG_MS), "ended the process");
    ck_assert_int_eq(records(), 1);
    assert_refusal(probe(&nvidia, program(SAYS_RIGHT), LONG_MS), "ended the process");
    ck_assert_int_eq(tried(), 0);
}
END_TEST

START_TEST(the_mark_of_a_living_process_is_no_answer)
{
    char name[PATH_TEXT_BYTES], number[32];
    be_ended();
    ck_assert_int_eq(directory_count(fixture.directory, ".mark", name), 1);
    snprintf(number, sizeof number, "%lu\n", (unsigned long)getpid());
    file_write_text(fixture.directory, name, number);
    assert_refusal(probe(&nvidia, NO_PROGRAM, LONG_MS), "did not compile");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probe_records");
    TCase *records_tests =
        suite_group(suite, "records", fixture_open_directory, fixture_close_directory);
    tcase_add_test(records_tests, what_was_right_is_not_tried_again);
    tcase_add_test(records_tests, what_was_wrong_is_not_tried_again);
    tcase_add_test(records_tests, another_source_is_tried_anew);
    tcase_add_loop_test(records_tests, a_damaged_record_is_not_believed, 0, 6);
    TCase *ended = suite_group(suite, "ended", fixture_open_directory, fixture_close_directory);
    tcase_add_test(ended, what_ended_a_process_is_not_tried_again);
    tcase_add_test(ended, the_mark_of_a_living_process_is_no_answer);
    return suite_run_on_device(suite);
}
