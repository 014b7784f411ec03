/* src/models/sampler.c: tokens come up as often as their logits say, and those that are left out
 * never.
 */
#include <clattn/models/sampler.h> /* before Check, whose fail() is a macro */

#include "support/fixture.h"

#include <math.h>

enum { TOKENS = 6, DRAWS = 20000 };

/* Not in the order of their likelihood; two are alike, one is out of the question. */
static const double shares[TOKENS] = {0.1, 0.4, 0.2, 0, 0.2, 0.1};

static void logits_of(const double *probabilities, float *logits)
{
    for (int n = 0; n < TOKENS; n++) {
        logits[n] = probabilities[n] > 0 ? 3 + (float)log(probabilities[n]) : -INFINITY;
    }
}

static clattn_sampler *create(const clattn_sampler_desc *how, int32_t tokens)
{
    clattn_sampler *s = NULL;
    ck_assert_msg(clattn_sampler_create(how, tokens, &s) == CLATTN_OK, "%s", clattn_error());
    return s;
}

static void draw(const clattn_sampler_desc *how, const float *logits, int *counts)
{
    clattn_sampler *s = create(how, TOKENS);
    memset(counts, 0, TOKENS * sizeof *counts);
    for (int n = 0; n < DRAWS; n++) {
        const int32_t token = clattn_sampler_next(s, logits);
        must(token >= 0 && token < TOKENS, "token %d", token);
        counts[token]++;
    }
    clattn_sampler_destroy(s);
}

/* Pearson's chi-square, which is above 25.7 once in 10,000 times with five degrees of freedom. */
static void assert_as_often(const int *counts, const double *weights)
{
    double sum = 0, apart = 0;
    for (int n = 0; n < TOKENS; n++) {
        sum += weights[n];
    }
    for (int n = 0; n < TOKENS; n++) {
        const double expected = weights[n] / sum * DRAWS, off = counts[n] - expected;
        if (expected > 0) {
            apart += off * off / expected;
        } else {
            ck_assert_msg(counts[n] == 0, "%d came up %d times", n, counts[n]);
        }
    }
    ck_assert_msg(apart < 25.7, "chi-square %g", apart);
}

static const struct {
    clattn_sampler_desc how;
    double weights[TOKENS]; /* how often each is to come up, beside the others */
} cases[] = {
    {{.temperature = 1, .top_p = 1}, {1, 4, 2, 0, 2, 1}},
    {{.temperature = 1}, {1, 4, 2, 0, 2, 1}}, /* 0 is no limit */
    {{.temperature = 2, .top_p = 1}, {1, 2, 1.41421356, 0, 1.41421356, 1}},
    {{.temperature = 0.5f, .top_p = 1}, {1, 16, 4, 0, 4, 1}},
    {{.temperature = 0.01f, .top_p = 1}, {0, 1, 0, 0, 0, 0}},
    {{.temperature = 1, .top_p = 1, .top_k = 1}, {0, 1, 0, 0, 0, 0}},
    {{.temperature = 1, .top_p = 1, .top_k = 2}, {0, 2, 1, 0, 0, 0}}, /* of equal ones the first */
    {{.temperature = 1, .top_p = 1, .top_k = 3}, {0, 2, 1, 0, 1, 0}},
    {{.temperature = 1, .top_p = 1, .top_k = 100}, {1, 4, 2, 0, 2, 1}},
    {{.temperature = 1, .top_p = 1e-9f}, {0, 1, 0, 0, 0, 0}},
    {{.temperature = 1, .top_p = 0.39f}, {0, 1, 0, 0, 0, 0}},
    {{.temperature = 1, .top_p = 0.5f}, {0, 2, 1, 0, 0, 0}}, /* the one that reaches it is in */
    {{.temperature = 1, .top_p = 0.7f}, {0, 2, 1, 0, 1, 0}},
    {{.temperature = 1, .top_p = 0.95f}, {1, 4, 2, 0, 2, 1}},
    {{.temperature = 2, .top_p = 0.5f}, {0, 1.41421356, 1, 0, 0, 0}}, /* of the tempered shares */
    {{.temperature = 1, .top_p = 1, .min_p = 0.3f}, {0, 2, 1, 0, 1, 0}},
    {{.temperature = 1, .top_p = 1, .min_p = 1}, {0, 1, 0, 0, 0, 0}},
    {{.temperature = 1, .top_p = 0.7f, .top_k = 2}, {0, 2, 1, 0, 0, 0}},
    {{.temperature = 1, .top_p = 0.5f, .top_k = 3}, {0, 2, 1, 0, 0, 0}},
    {{.temperature = 1, .top_p = 0.95f, .min_p = 0.3f}, {0, 2, 1, 0, 1, 0}},
    {{.temperature = 1, .top_p = 0.95f, .min_p = 0.2f, .top_k = 2}, {0, 2, 1, 0, 0, 0}},
};

START_TEST(tokens_come_up_as_often_as_they_are_likely)
{
    float logits[TOKENS];
    int counts[TOKENS];
    logits_of(shares, logits);
    draw(&cases[_i].how, logits, counts);
    assert_as_often(counts, cases[_i].weights);
}
END_TEST

START_TEST(temperature_zero_takes_the_most_likely_one_and_of_equal_ones_the_first)
{
    const clattn_sampler_desc how = {.top_p = 1};
    const float logits[TOKENS] = {-7, NAN, -2, -3, -2, -INFINITY}, worse[TOKENS] = {NAN, -INFINITY};
    clattn_sampler *s = create(&how, TOKENS);
    ck_assert_int_eq(clattn_sampler_next(s, logits), 2);
    ck_assert_int_eq(clattn_sampler_next(s, worse), 2); /* 0 there */
    clattn_sampler_destroy(s);
}
END_TEST

START_TEST(what_is_no_number_never_comes_up)
{
    const clattn_sampler_desc hows[] = {
        {.top_p = 1},
        {.temperature = 1, .top_p = 1},
        {.temperature = 1, .top_p = 0.9f, .top_k = 5, .min_p = 0.01f}};
    const float some[TOKENS] = {NAN, 1, NAN, 1, -NAN, NAN},
                none[TOKENS] = {NAN, NAN, NAN, NAN, NAN, NAN};
    const float infinite[TOKENS] = {1, INFINITY, 2, NAN, 3, 4};
    const float huge[TOKENS] = {3e38f, -3e38f, 3e38f, NAN, -3e38f, 0};
    for (size_t h = 0; h < sizeof hows / sizeof *hows; h++) {
        clattn_sampler *s = create(&hows[h], TOKENS);
        for (int n = 0; n < 100; n++) {
            const int32_t one = clattn_sampler_next(s, some), other = clattn_sampler_next(s, huge);
            ck_assert(one == 1 || one == 3);
            ck_assert(other == 0 || other == 2);
            ck_assert_int_eq(clattn_sampler_next(s, none), -1);
            ck_assert_int_eq(clattn_sampler_next(s, infinite), 1);
        }
        clattn_sampler_destroy(s);
    }
}
END_TEST

START_TEST(a_seed_repeats_and_another_differs)
{
    const clattn_sampler_desc hows[] = {{.temperature = 1, .top_p = 1, .seed = 5},
                                        {.temperature = 1, .top_p = 1, .seed = 5},
                                        {.temperature = 1, .top_p = 1, .seed = 6}};
    float logits[TOKENS];
    int drawn[3][50];
    logits_of(shares, logits);
    for (int h = 0; h < 3; h++) {
        clattn_sampler *s = create(&hows[h], TOKENS);
        for (int n = 0; n < 50; n++) {
            drawn[h][n] = clattn_sampler_next(s, logits);
        }
        clattn_sampler_destroy(s);
    }
    ck_assert(!memcmp(drawn[0], drawn[1], sizeof drawn[0]));
    ck_assert(memcmp(drawn[0], drawn[2], sizeof drawn[0]) != 0);
}
END_TEST

/* A whole vocabulary, of which the heap must give the best in their order. */
START_TEST(of_many_tokens_the_most_likely_stay)
{
    enum { MANY = 5000, KEPT = 40 };
    static float logits[MANY];
    static int counts[MANY];
    const clattn_sampler_desc how = {.temperature = 1e6f, .top_p = 1, .top_k = KEPT};
    for (int n = 0; n < MANY; n++) {
        logits[n] = (float)(n * 1237 % MANY); /* every number once */
    }
    clattn_sampler *s = create(&how, MANY);
    for (int n = 0; n < DRAWS; n++) {
        counts[clattn_sampler_next(s, logits)]++;
    }
    clattn_sampler_destroy(s);
    for (int n = 0; n < MANY; n++) {
        ck_assert_msg((counts[n] > 0) == (logits[n] >= MANY - KEPT), "%g came up %d times",
                      logits[n], counts[n]);
    }
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
    static const struct {
        clattn_sampler_desc desc;
        const char *words;
    } wrong[] = {{{.temperature = -1}, "sampler: temperature is -1"},
                 {{.temperature = NAN}, "sampler: temperature is"},
                 {{.temperature = 1, .top_k = -1}, "sampler: top_k is -1"},
                 {{.temperature = 1, .top_p = 1.5f}, "sampler: top_p is 1.5, must be 0 to 1"},
                 {{.temperature = 1, .top_p = -0.5f}, "sampler: top_p is -0.5"},
                 {{.temperature = 1, .min_p = 2}, "sampler: min_p is 2"}};
    clattn_sampler *s = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_refused(clattn_sampler_create(&wrong[i].desc, TOKENS, &s), wrong[i].words);
    }
    assert_refused(clattn_sampler_create(NULL, 0, &s), "sampler: vocabulary is 0");
    assert_refused(clattn_sampler_create(NULL, TOKENS, NULL), "sampler: out is NULL");
    ck_assert_ptr_null(s);
    clattn_sampler_destroy(NULL);
}
END_TEST

START_TEST(everything_default_takes_the_most_likely_one)
{
    const float logits[TOKENS] = {1, 2, 5, 3, 5, 4};
    const clattn_sampler_desc zeros = {0};
    clattn_sampler *none, *same = create(&zeros, TOKENS);
    assert_ok(clattn_sampler_create(NULL, TOKENS, &none));
    ck_assert(clattn_sampler_next(none, logits) == 2 && clattn_sampler_next(same, logits) == 2);
    clattn_sampler_destroy(same);
    clattn_sampler_destroy(none);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sample");
    TCase *tests = suite_group(suite, "sample", NULL, NULL);
    tcase_add_loop_test(tests, tokens_come_up_as_often_as_they_are_likely, 0,
                        sizeof cases / sizeof *cases);
    tcase_add_test(tests, temperature_zero_takes_the_most_likely_one_and_of_equal_ones_the_first);
    tcase_add_test(tests, what_makes_no_sense_is_refused);
    tcase_add_test(tests, everything_default_takes_the_most_likely_one);
    tcase_add_test(tests, what_is_no_number_never_comes_up);
    tcase_add_test(tests, a_seed_repeats_and_another_differs);
    tcase_add_test(tests, of_many_tokens_the_most_likely_stay);
    return suite_run(suite);
}
