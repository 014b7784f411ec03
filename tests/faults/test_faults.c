/* What the library does when a call below it fails: for each call that can, its 1st,
 * 2nd, 3rd ... use fails until a whole scenario needs no more of them.  Each time:
 *   - the scenario either gives right results all the same (it did without, as with a
 *     cache) or ends with a status whose text names the call;
 *   - *out stays as it was, and everything made has been given back;
 *   - the same scenario on the same queue then works. */
#include "faults.h"
#include "scenarios.h"

#include "support/attention.h"
#include "support/fixture.h"

#include <stdio.h>

enum { FLOATS = BATCH * N_Q * HEADS * (VALUE_DIM + N_K) };

static float expected[FLOATS];

/* ---- The driver ------------------------------------------------------------ */

/* Of each call: words of the error text where they are not its name, and whether the
 * library does without what it would have given. */
static const struct {
    const char *words;
    bool done_without;
} consequences[FAULTS] = {
    [FAULT_clGetPlatformIDs] = {"no OpenCL device was found", false},
    [FAULT_clGetDeviceIDs] = {"no OpenCL device was found", false},
    [FAULT_clBuildProgram] = {"did not compile", false},
    [FAULT_malloc] = {"memory", false},
    [FAULT_calloc] = {"memory", false},
    [FAULT_realloc] = {"memory", false},
    [FAULT_clGetPlatformInfo] = {NULL, true},         /* a name is "unknown" */
    [FAULT_clCreateProgramWithBinary] = {NULL, true}, /* compiled anew */
    [FAULT_clGetProgramInfo] = {NULL, true},          /* not stored */
    [FAULT_clGetProgramBuildInfo] = {NULL, true},     /* no build log */
    [FAULT_clGetKernelInfo] = {NULL, true},           /* not stored */
    [FAULT_clGetKernelWorkGroupInfo] = {NULL, true},  /* not reported */
    [FAULT_clEnqueueReadBuffer] = {NULL, true},       /* a probe's: the fact is "no" */
    [FAULT_fopen] = {NULL, true},                     /* neither read nor stored */
    [FAULT_fwrite] = {NULL, true},                    /* not stored */
    [FAULT_rename] = {NULL, true},                    /* not stored */
};

static void read_outputs(float values[FLOATS])
{
    int64_t used = 0;
    memset(values, 0, FLOATS * sizeof *values);
    for (int i = 0; i < output_count; i++) {
        tensor_read(&outputs[i], values + used, FLOATS - (size_t)used);
        used += tensor_elements(&outputs[i]);
    }
}

static void clear_outputs(void)
{
    for (int i = 0; i < output_count; i++) {
        tensor_fill(&outputs[i], 7);
    }
}

static void assert_right(const char *when, const char *call, int n, float tolerance)
{
    float got[FLOATS];
    read_outputs(got);
    for (int i = 0; i < FLOATS; i++) {
        const float difference = got[i] - expected[i];
        must(difference <= tolerance && -difference <= tolerance,
             "%s %s %d: output %d is %g, expected %g", when, call, n, i, got[i], expected[i]);
    }
}

static void assert_nothing_is_left(const char *call, int n)
{
    const struct live *live = &faults_live;
    ck_assert_msg(!live->contexts && !live->queues && !live->buffers && !live->programs &&
                      !live->kernels && !live->events && !live->blocks,
                  "%s %d left %d contexts, %d queues, %d buffers, %d programs, %d kernels, %d "
                  "events, %d blocks",
                  call, n, live->contexts, live->queues, live->buffers, live->programs,
                  live->kernels, live->events, live->blocks);
}

/* Every file is a program, a table of parameters or what a probe said. */
static void assert_no_half_written_file(const char *call, int n)
{
    static const char *const whole[] = {".bin", ".txt", ".probe"};
    int files = directory_count(fixture.directory, "", NULL);
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        files -= directory_count(fixture.directory, whole[i], NULL);
    }
    ck_assert_msg(files == 0, "%s %d left a file", call, n);
}

static void succeed(scenario *run, const char *call, int n)
{
    struct attempt attempt = {0};
    clear_outputs();
    faults_watch();
    run(&attempt);
    faults_end();
    ck_assert_msg(attempt.status == CLATTN_OK, "after %s %d: %s", call, n, attempt.text);
    assert_nothing_is_left(call, n);
}

static bool cache_is_emptied; /* before a call is made to fail */

/* False when the scenario has no n-th use of the call; *seen: the failure came to light. */
static bool fail_once(scenario *run, enum fault fault, int n, bool *seen)
{
    const char *call = fault_names[fault], *words = consequences[fault].words;
    struct attempt attempt = {0};
    clear_outputs();
    if (cache_is_emptied) {
        directory_clear(fixture.directory);
    }
    faults_arm(fault, n);
    run(&attempt);
    if (!faults_end()) {
        return false;
    }
    assert_nothing_is_left(call, n);
    assert_no_half_written_file(call, n);
    if (attempt.status == CLATTN_OK) {
        /* By another kernel sums may be rounded otherwise; a model's cache keeps them in f16. */
        assert_right("done without", call, n, run == language_model ? 1e-3f : 1e-5f);
        return true;
    }
    *seen = true;
    ck_assert_msg(!attempt.out_written, "%s %d failed and wrote *out: %s", call, n, attempt.text);
    ck_assert_msg(strstr(attempt.text, words ? words : call) != NULL,
                  "%s %d failed, but the text is: %s", call, n, attempt.text);
    const bool memory = fault == FAULT_malloc || fault == FAULT_calloc || fault == FAULT_realloc;
    ck_assert_msg(!memory || attempt.status == CLATTN_ERR_MEMORY, "%s %d: %s", call, n,
                  clattn_status_name(attempt.status));
    return true;
}

static void fail_every_use(scenario *run, enum fault fault)
{
    const char *call = fault_names[fault];
    bool seen = false;
    int n = 1;
    while (fail_once(run, fault, n, &seen)) {
        succeed(run, call, n);
        assert_right("after", call, n, 0);
        n += n < 20 ? 1 : 7; /* of a call made this often, some uses stand for the others */
    }
    const bool done_without = consequences[fault].done_without || run == attention_with_a_cache ||
                              run == context_with_a_probe ||
                              run == attention_with_kept_parameters || run == language_model ||
                              run == projection_that_packs_the_weight; /* another kernel steps
                                                                               in */
    ck_assert_msg(n == 1 || seen || done_without, "no failure of %s came to light", call);
}

static void fail_every_call(scenario *run)
{
    succeed(run, "no failure", 0);
    read_outputs(expected);
    for (int fault = 0; fault < FAULTS; fault++) {
        fail_every_use(run, (enum fault)fault);
    }
}

START_TEST(a_context_is_made_or_its_failure_named) { fail_every_call(context_alone); }
END_TEST

START_TEST(a_probe_is_refused_whatever_fails)
{
    write_probe();
    fail_every_call(context_with_a_probe);
}
END_TEST

START_TEST(attention_by_one_kernel_works_or_names_what_failed)
{
    fail_every_call(attention_by_one_kernel);
}
END_TEST

START_TEST(attention_from_a_cache_works_or_names_what_failed)
{
    fail_every_call(attention_with_a_cache);
}
END_TEST

START_TEST(attention_into_an_empty_cache_works_or_names_what_failed)
{
    cache_is_emptied = true;
    fail_every_call(attention_with_a_cache);
}
END_TEST

START_TEST(parameters_are_kept_or_what_failed_is_named)
{
    fail_every_call(attention_with_kept_parameters);
}
END_TEST

START_TEST(a_whole_layer_works_or_names_what_failed) { fail_every_call(whole_layer); }
END_TEST

START_TEST(additive_attention_works_or_names_what_failed) { fail_every_call(additive_attention); }
END_TEST

START_TEST(attribution_works_or_names_what_failed) { fail_every_call(attribution_of_rows); }
END_TEST

START_TEST(a_mixture_of_experts_works_or_names_what_failed) { fail_every_call(mixture_of_experts); }
END_TEST

START_TEST(a_projection_by_clblast_works_or_names_what_failed)
{
    fail_every_call(projection_by_clblast);
}
END_TEST

START_TEST(a_projection_that_keeps_the_weight_works_or_names_what_failed)
{
    fail_every_call(projection_that_keeps_the_weight);
}
END_TEST

START_TEST(a_projection_that_packs_the_weight_works_or_names_what_failed)
{
    fail_every_call(projection_that_packs_the_weight);
}
END_TEST

START_TEST(a_language_model_works_or_names_what_failed) { fail_every_call(language_model); }
END_TEST

START_TEST(an_op_of_one_kernel_works_or_names_what_failed) { fail_every_call(op_of_one_kernel); }
END_TEST

/* Where another kernel can step in, a kernel that fails is no failure. */
START_TEST(another_kernel_steps_in_for_one_that_does_not_build)
{
    const enum fault faults[] = {FAULT_clCreateProgramWithSource, FAULT_clBuildProgram,
                                 FAULT_clCreateKernel};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        bool seen = false;
        succeed(attention_by_any_kernel, "none", 0);
        read_outputs(expected);
        ck_assert(fail_once(attention_by_any_kernel, faults[i], 1, &seen));
        ck_assert_msg(!seen, "%s failed once and no other kernel was taken",
                      fault_names[faults[i]]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("faults");
    TCase *attention = suite_group(suite, "attention", open_attention, close_all);
    tcase_add_test(attention, a_context_is_made_or_its_failure_named);
    tcase_add_test(attention, a_probe_is_refused_whatever_fails);
    tcase_add_test(attention, attention_by_one_kernel_works_or_names_what_failed);
    tcase_add_test(attention, attention_from_a_cache_works_or_names_what_failed);
    tcase_add_test(attention, attention_into_an_empty_cache_works_or_names_what_failed);
    tcase_add_test(attention, parameters_are_kept_or_what_failed_is_named);
    tcase_add_test(attention, another_kernel_steps_in_for_one_that_does_not_build);
    TCase *attribution = suite_group(suite, "attribution", open_attribution, close_all);
    tcase_add_test(attribution, attribution_works_or_names_what_failed);
    TCase *projection = suite_group(suite, "projection", open_projection, close_all);
    tcase_add_test(projection, a_projection_by_clblast_works_or_names_what_failed);
    tcase_add_test(projection, a_projection_that_keeps_the_weight_works_or_names_what_failed);
    tcase_add_test(projection, a_projection_that_packs_the_weight_works_or_names_what_failed);
    TCase *classic = suite_group(suite, "classic", open_classic, close_all);
    tcase_add_test(classic, additive_attention_works_or_names_what_failed);
    TCase *layer = suite_group(suite, "layer", open_layer, close_all);
    tcase_add_test(layer, a_whole_layer_works_or_names_what_failed);
    TCase *experts = suite_group(suite, "experts", open_experts, close_all);
    tcase_add_test(experts, a_mixture_of_experts_works_or_names_what_failed);
    TCase *model = suite_group(suite, "model", open_model, close_all);
    tcase_set_tags(model, "long");
    tcase_add_test(model, a_language_model_works_or_names_what_failed);
    TCase *one_kernel = suite_group(suite, "one kernel", open_rope, close_all);
    tcase_add_test(one_kernel, an_op_of_one_kernel_works_or_names_what_failed);
    return suite_run_on_device(suite);
}
