/* tests/check: a case is read as it was written, and sets of parameters are picked as promised. */
#include "check/check.h"
#include "support/fixture.h"

#include <stdio.h>

static struct test_case parsed(const char *line)
{
    struct test_case c;
    char why[256];
    ck_assert_msg(case_parse(line, NULL, &c, why, sizeof why), "%s: %s", line, why);
    return c;
}

START_TEST(a_written_case_reads_as_the_same)
{
    for (int o = 0; check_ops[o]; o++) {
        for (uint64_t seed = 1; seed < 200; seed++) {
            char line[1024], written[1024];
            check_random_line(check_ops[o]->name, seed, line, sizeof line);
            const struct test_case c = parsed(line);
            case_write(&c, written, sizeof written);
            const struct test_case again = parsed(written);
            ck_assert_msg(!memcmp(&c, &again, sizeof c), "%s\n%s", line, written);
        }
    }
}
END_TEST

START_TEST(a_value_in_quotes_may_hold_spaces)
{
    static const char *const lines[] = {
        "attention --kernel wide --params 'KEYS=4 TILE_K=64' --lse",
        "attention --kernel wide --params='KEYS=4 TILE_K=64' --lse # 'a comment'",
        "attention --kernel wide '--params' KEYS=4' 'TILE_K=64 --lse"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char written[1024];
        const struct test_case c = parsed(lines[i]);
        ck_assert_str_eq(c.params, "KEYS=4 TILE_K=64");
        ck_assert(c.lse);
        case_write(&c, written, sizeof written);
        ck_assert_str_eq(written, "attention --lse --kernel wide --params 'KEYS=4 TILE_K=64'");
    }
}
END_TEST

START_TEST(the_distance_of_two_sets_is_in_how_many_values_they_differ)
{
    ck_assert_int_eq(check_params_distance("", ""), 0);
    ck_assert_int_eq(check_params_distance("A=1 B=2", "A=1 B=2"), 0);
    ck_assert_int_eq(check_params_distance("A=1 B=2", "A=1 B=22"), 1);
    ck_assert_int_eq(check_params_distance("A=1 B=2 C=3", "A=10 B=2 C=4"), 2);
    ck_assert_int_eq(check_params_distance("A=1 B=2", "A=1"), 1);
}
END_TEST

/* ---- Sets of parameters --------------------------------------------------------- */

struct collected {
    int lines, near, first_far;
    char text[64][1024];
};

static bool collect(void *user, const char *line)
{
    struct collected *all = user;
    const struct test_case c = parsed(line);
    if (!strcmp(c.kernel, "attention/tiled")) {
        const bool near =
            check_params_distance(c.params, "TILE_Q=64 TILE_K=64 CHUNK=32 ROWS=8 PER_WORD=1") == 1;
        ck_assert_int_lt(all->lines, 64);
        all->near += near;
        all->first_far = !near && !all->first_far ? all->lines + 1 : all->first_far;
        snprintf(all->text[all->lines++], sizeof all->text[0], "%s", line);
    }
    return true;
}

START_TEST(sets_that_differ_in_one_value_are_picked_first_the_same_for_a_seed)
{
    const struct check check = {fixture.context, fixture.queue};
    static struct collected one, again, other;
    clattn_device_facts *facts =
        (clattn_device_facts *)(void *)clattn_context_facts(fixture.context);
    facts->local_bytes = 1 << 20;
    facts->max_work_group = 256;
    ck_assert(check_params_lines(&check, "attention", 8, 5, collect, &one));
    ck_assert(check_params_lines(&check, "attention", 8, 5, collect, &again));
    ck_assert(check_params_lines(&check, "attention", 8, 6, collect, &other));
    ck_assert_int_eq(one.lines, 8);
    ck_assert_int_eq(one.near, 7); /* other values of four parameters */
    ck_assert_int_eq(one.first_far, 8);
    ck_assert(!memcmp(&one, &again, sizeof one));
    ck_assert(memcmp(&one, &other, sizeof one));
}
END_TEST

static bool count(void *user, const char *line)
{
    int *lines = user;
    const struct test_case c = parsed(line);
    lines[0]++;
    lines[1] += !strcmp(c.kernel, "attention/row");
    return c.params[0];
}

static bool stop(void *user, const char *line)
{
    (void)line;
    return ++*(int *)user < 3;
}

START_TEST(without_a_limit_every_set_is_on_every_case)
{
    const struct check check = {fixture.context, fixture.queue};
    int lines[2] = {0}, until = 0;
    ck_assert(check_params_lines(&check, "attention", 0, 1, count, lines));
    ck_assert_int_eq(lines[1], 5 * 6); /* cases of params.txt, choices of ROWS */
    ck_assert(!check_params_lines(&check, "attention", 0, 1, stop, &until));
    ck_assert_int_eq(until, 3);
    lines[0] = 0;
    ck_assert(check_params_lines(&check, "mha", 0, 1, count, lines));
    ck_assert_int_eq(lines[0], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("case");
    TCase *lines = suite_group(suite, "lines", NULL, NULL);
    tcase_add_test(lines, a_written_case_reads_as_the_same);
    tcase_add_test(lines, a_value_in_quotes_may_hold_spaces);
    tcase_add_test(lines, the_distance_of_two_sets_is_in_how_many_values_they_differ);
    TCase *sets = suite_group(suite, "sets of parameters", fixture_open, fixture_close);
    tcase_add_test(sets, sets_that_differ_in_one_value_are_picked_first_the_same_for_a_seed);
    tcase_add_test(sets, without_a_limit_every_set_is_on_every_case);
    return suite_run_on_device(suite);
}
