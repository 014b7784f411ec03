/* What the library does when a call below it fails: for each call that can, its 1st,
 * 2nd, 3rd ... use fails until a whole scenario needs no more of them.  Each time:
 *   - the scenario either gives right results all the same (it did without, as with a
 *     cache) or ends with a status whose text names the call;
 *   - *out stays as it was, and everything made has been given back;
 *   - the same scenario on the same queue then works. */
#include "faults.h"

#include "probe.h"
#include "support/attention.h"
#include "support/fixture.h"

#include <stdio.h>

enum { FLOATS = BATCH * N_Q * HEADS * (VALUE_DIM + N_K) };

static clattn_attention_args attention_args;
static clattn_attribution_args attribution_args;
static clattn_project_args project_args;
static clattn_mha_args mha_args;
static clattn_classic_args classic_args;
static clattn_tensor classic_wk;
static clattn_rope_args rope_args;
static clattn_tensor outputs[2];
static int output_count;
static float expected[FLOATS];

static clattn_op *const no_op = (clattn_op *)(void *)&fixture;
static clattn_context *const no_context = (clattn_context *)(void *)&fixture;

/* What one pass through a scenario came to; filled without a call that could fail. */
struct attempt {
    clattn_status status;
    char text[4096];
    bool out_written; /* by a call that failed */
};

static void keep(struct attempt *attempt, clattn_status status, bool out_written)
{
    if (status != CLATTN_OK) {
        attempt->status = status;
        attempt->out_written = attempt->out_written || out_written;
        snprintf(attempt->text, sizeof attempt->text, "%s", clattn_error());
    }
}

static void discard_log(void *user, const char *text) { (void)user, (void)text; }

/* ---- Scenarios: each makes, uses and destroys everything ------------------- */

static clattn_context *open_context(struct attempt *attempt, bool callers, const char *cache_dir)
{
    const clattn_context_desc desc = {
        .context = callers ? clattn_context_cl(fixture.context) : NULL,
        .device = callers ? clattn_context_device(fixture.context) : NULL,
        .cache_dir = cache_dir,
        .log = discard_log,
    };
    clattn_context *context = no_context;
    const clattn_status status = clattn_context_create(&desc, &context);
    keep(attempt, status, context != no_context);
    return status == CLATTN_OK ? context : NULL;
}

static void finish_run(struct attempt *attempt, clattn_status status, cl_event event)
{
    keep(attempt, status, event != NULL);
    if (event) {
        clWaitForEvents(1, &event);
        clReleaseEvent(event);
    }
}

static void use_attention(struct attempt *attempt, clattn_context *context, const char *kernel)
{
    clattn_attention_desc desc = full_desc();
    clattn_op *op = no_op;
    cl_event event = NULL;
    desc.kernel = kernel;
    const clattn_status status = clattn_attention_create(context, &desc, &op);
    keep(attempt, status, op != no_op);
    if (status == CLATTN_OK) {
        const clattn_status ran = clattn_attention_run(op, fixture.queue, &attention_args, &event);
        finish_run(attempt, ran, event);
        clattn_op_destroy(op);
    }
}

static void context_alone(struct attempt *attempt)
{
    clattn_context_destroy(open_context(attempt, false, NULL));
}

/* A device that might have lanes, and a probe that is wrong; tried anew each time. */
static const struct clattn__clues clues = {.vendor_id = 0x10de, .gpu = true, .name = "T4"};
static char probe_kernels[PATH_TEXT_BYTES + 16], probe_record[PATH_TEXT_BYTES + 96];

static void context_with_a_probe(struct attempt *attempt)
{
    const clattn_context_desc desc = {.cache_dir = fixture.directory,
                                      .kernel_dir = probe_kernels,
                                      .probe_program = "none",
                                      .log = discard_log};
    clattn_context *context = no_context;
    remove(probe_record);
    const clattn_status status = clattn__context_open(&desc, &context);
    keep(attempt, status, context != no_context);
    if (status == CLATTN_OK) {
        clattn__probe(context, &clues, 1000);
        attempt->out_written = attempt->out_written || context->facts.lanes;
        clattn_context_destroy(context);
    }
}

/* The directory of kernels looks like a program to those who count files. */
static void write_probe(void)
{
    struct clattn__answer answer;
    const struct clattn__probe *probe = clattn__probes;
    snprintf(probe_kernels, sizeof probe_kernels, "%s/kernels.bin", fixture.directory);
    file_write_text(fixture.directory, "kernels.bin/probe_lanes.cl",
                    "__kernel void probe_lanes(__global float *answers) {}");
    const clattn_context_desc desc = {.kernel_dir = probe_kernels};
    clattn_context *context;
    assert_ok(clattn__context_open(&desc, &context));
    while (probe->lanes != CLATTN_LANES_NV) {
        probe++;
    }
    ck_assert(clattn__answer_begin(context, probe, &answer));
    snprintf(probe_record, sizeof probe_record, "%s/probe-%s.txt", fixture.directory, answer.key);
    clattn_context_destroy(context);
}

static void attention_by_one_kernel(struct attempt *attempt)
{
    clattn_context *context = open_context(attempt, true, NULL);
    if (context) {
        use_attention(attempt, context, "row");
    }
    clattn_context_destroy(context);
}

static void attention_by_any_kernel(struct attempt *attempt)
{
    clattn_context *context = open_context(attempt, true, NULL);
    if (context) {
        use_attention(attempt, context, NULL);
    }
    clattn_context_destroy(context);
}

static void attention_with_a_cache(struct attempt *attempt)
{
    clattn_context *context = open_context(attempt, true, fixture.directory);
    if (context) {
        use_attention(attempt, context, "row");
    }
    clattn_context_destroy(context);
}

/* Forced and kept, then used because they are kept. */
static void attention_with_kept_parameters(struct attempt *attempt)
{
    clattn_attention_desc desc = full_desc();
    desc.kernel = "row";
    desc.params = "ROWS=4";
    clattn_context *context = open_context(attempt, true, fixture.directory);
    if (context) {
        clattn_op *op = no_op;
        const clattn_status status = clattn_attention_create(context, &desc, &op);
        keep(attempt, status, op != no_op);
        if (status == CLATTN_OK) {
            keep(attempt, clattn_tune_keep(op), false);
            clattn_op_destroy(op);
        }
        use_attention(attempt, context, "row");
    }
    clattn_context_destroy(context);
}

static void whole_layer(struct attempt *attempt)
{
    const clattn_mha_desc desc = {
        .attention = {.head_dim = HEAD_DIM, .query_heads = 2, .kernel = "row"},
        .model_dim = 4,
        .out_dim = VALUE_DIM,
        .qkv_bias = true};
    clattn_context *context = open_context(attempt, true, NULL);
    if (context) {
        clattn_op *op = no_op;
        cl_event event = NULL;
        const clattn_status status = clattn_mha_create(context, &desc, &op);
        keep(attempt, status, op != no_op);
        if (status == CLATTN_OK) {
            const clattn_status ran = clattn_mha_run(op, fixture.queue, &mha_args, &event);
            finish_run(attempt, ran, event);
            clattn_op_destroy(op);
        }
    }
    clattn_context_destroy(context);
}

/* The queries' weights come with the call, the keys' stay with the op. */
static void additive_attention(struct attempt *attempt)
{
    const clattn_classic_desc desc = {.attention = {.head_dim = HEAD_DIM,
                                                    .value_dim = VALUE_DIM,
                                                    .query_heads = 1,
                                                    .kernel = "additive_row"},
                                      .query_dim = 4,
                                      .key_dim = 4,
                                      .wk = classic_wk};
    clattn_context *context = open_context(attempt, true, NULL);
    if (context) {
        clattn_op *op = no_op;
        cl_event event = NULL;
        const clattn_status status = clattn_classic_create(context, &desc, &op);
        keep(attempt, status, op != no_op);
        if (status == CLATTN_OK) {
            const clattn_status ran = clattn_classic_run(op, fixture.queue, &classic_args, &event);
            finish_run(attempt, ran, event);
            clattn_op_destroy(op);
        }
    }
    clattn_context_destroy(context);
}

/* Of heads that are joined, so that scratch is taken. */
static void attribution_of_rows(struct attempt *attempt)
{
    const clattn_attribution_desc desc = {
        .attention = plain_desc(), .heads = CLATTN_HEADS_MEAN, .kernel = "row"};
    clattn_context *context = open_context(attempt, true, NULL);
    if (context) {
        clattn_op *op = no_op;
        cl_event event = NULL;
        const clattn_status status = clattn_attribution_create(context, &desc, &op);
        keep(attempt, status, op != no_op);
        if (status == CLATTN_OK) {
            const clattn_status ran =
                clattn_attribution_run(op, fixture.queue, &attribution_args, &event);
            finish_run(attempt, ran, event);
            clattn_op_destroy(op);
        }
    }
    clattn_context_destroy(context);
}

/* weight: the descriptor's, kept by the op; else the call's. */
static void use_projection(struct attempt *attempt, const char *kernel, bool constant)
{
    clattn_project_args args = project_args;
    clattn_project_desc desc = {
        .in_dim = HEAD_DIM, .out_dim = VALUE_DIM, .bias = true, .kernel = kernel};
    clattn_context *context = open_context(attempt, true, NULL);
    if (constant) {
        desc.weight = args.weight;
        args.weight.mem = NULL;
    }
    if (context) {
        clattn_op *op = no_op;
        cl_event event = NULL;
        const clattn_status status = clattn_project_create(context, &desc, &op);
        keep(attempt, status, op != no_op);
        if (status == CLATTN_OK) {
            const clattn_status ran = clattn_project_run(op, fixture.queue, &args, &event);
            finish_run(attempt, ran, event);
            clattn_op_destroy(op);
        }
    }
    clattn_context_destroy(context);
}

static void projection_by_clblast(struct attempt *attempt)
{
    use_projection(attempt, "clblast", false);
}

static void projection_that_keeps_the_weight(struct attempt *attempt)
{
    use_projection(attempt, "plain", true);
}

static void projection_that_packs_the_weight(struct attempt *attempt)
{
    use_projection(attempt, NULL, true);
}

/* The op of one kernel that has a buffer of its own, too. */
static void op_of_one_kernel(struct attempt *attempt)
{
    const clattn_rope_desc desc = {.head_dim = HEAD_DIM, .kernel = "rope"};
    clattn_context *context = open_context(attempt, true, NULL);
    if (context) {
        clattn_op *op = no_op;
        cl_event event = NULL;
        const clattn_status status = clattn_rope_create(context, &desc, &op);
        keep(attempt, status, op != no_op);
        if (status == CLATTN_OK) {
            const clattn_status ran = clattn_rope_run(op, fixture.queue, &rope_args, &event);
            finish_run(attempt, ran, event);
            clattn_op_destroy(op);
        }
    }
    clattn_context_destroy(context);
}

static void open_rope(void)
{
    fixture_open();
    rope_args = (clattn_rope_args){
        .q = tensor_random(1, BATCH, N_Q, 2, HEAD_DIM),
        .q_out = tensor_zeros(CLATTN_F32, BATCH, N_Q, 2, HEAD_DIM),
    };
    outputs[0] = rope_args.q_out;
    output_count = 1;
}

static void open_projection(void)
{
    fixture_open();
    project_args = (clattn_project_args){
        .x = tensor_random(1, BATCH, N_Q, 1, HEAD_DIM),
        .weight = tensor_random(2, 1, VALUE_DIM, 1, HEAD_DIM),
        .bias = tensor_random(3, 1, 1, 1, VALUE_DIM),
        .y = tensor_zeros(CLATTN_F32, BATCH, N_Q, 1, VALUE_DIM),
    };
    outputs[0] = project_args.y;
    output_count = 1;
}

static void open_attention(void)
{
    fixture_open();
    attention_args = full_args();
    attention_args.lse = (clattn_tensor){0}; /* so that scratch is taken */
    outputs[0] = attention_args.out;
    outputs[1] = attention_args.weights;
    output_count = 2;
}

static void open_attribution(void)
{
    fixture_open();
    attribution_args = (clattn_attribution_args){
        .attention = plain_args(), .mass = tensor_zeros(CLATTN_F32, BATCH, N_Q, 1, N_K)};
    attribution_args.attention.lse = tensor_random(9, BATCH, N_Q, HEADS, 1);
    outputs[0] = attribution_args.mass;
    output_count = 1;
}

static void open_layer(void)
{
    enum { MODEL = 4, WIDTH = 2 * HEAD_DIM };
    fixture_open();
    mha_args = (clattn_mha_args){
        .x = tensor_random(1, BATCH, N_Q, 1, MODEL),
        .wq = tensor_random(2, 1, WIDTH, 1, MODEL),
        .wk = tensor_random(3, 1, WIDTH, 1, MODEL),
        .wv = tensor_random(4, 1, WIDTH, 1, MODEL),
        .bq = tensor_random(5, 1, 1, 1, WIDTH),
        .bk = tensor_random(6, 1, 1, 1, WIDTH),
        .bv = tensor_random(7, 1, 1, 1, WIDTH),
        .wo = tensor_random(8, 1, VALUE_DIM, 1, WIDTH),
        .out = tensor_zeros(CLATTN_F32, BATCH, N_Q, 1, VALUE_DIM),
    };
    outputs[0] = mha_args.out;
    output_count = 1;
}

static void open_classic(void)
{
    fixture_open();
    classic_wk = tensor_random(1, 1, HEAD_DIM, 1, 4);
    classic_args = (clattn_classic_args){
        .attention = {.q = tensor_random(2, BATCH, N_Q, 1, 4),
                      .k = tensor_random(3, BATCH, N_K, 1, 4),
                      .v = tensor_random(4, BATCH, N_K, 1, VALUE_DIM),
                      .out = tensor_zeros(CLATTN_F32, BATCH, N_Q, 1, VALUE_DIM)},
        .wq = tensor_random(5, 1, HEAD_DIM, 1, 4),
        .w = tensor_random(6, 1, 1, 1, HEAD_DIM),
    };
    outputs[0] = classic_args.attention.out;
    output_count = 1;
}

static void close_all(void)
{
    tensors_release();
    fixture_close();
}

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
        ck_assert_msg(difference <= tolerance && -difference <= tolerance,
                      "%s %s %d: output %d is %g, expected %g", when, call, n, i, got[i],
                      expected[i]);
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

static void assert_no_half_written_file(const char *call, int n)
{
    const int files = directory_count(fixture.directory, "", NULL),
              programs = directory_count(fixture.directory, ".bin", NULL),
              tuning = directory_count(fixture.directory, ".txt", NULL);
    ck_assert_msg(files == programs + tuning, "%s %d left a file", call, n);
}

static void succeed(void (*scenario)(struct attempt *attempt), const char *call, int n)
{
    struct attempt attempt = {0};
    clear_outputs();
    faults_watch();
    scenario(&attempt);
    faults_end();
    ck_assert_msg(attempt.status == CLATTN_OK, "after %s %d: %s", call, n, attempt.text);
    assert_nothing_is_left(call, n);
}

static bool cache_is_emptied; /* before a call is made to fail */

/* False when the scenario has no n-th use of the call; *seen: the failure came to light. */
static bool fail_once(void (*scenario)(struct attempt *attempt), enum fault fault, int n,
                      bool *seen)
{
    const char *call = fault_names[fault], *words = consequences[fault].words;
    struct attempt attempt = {0};
    clear_outputs();
    if (cache_is_emptied) {
        directory_clear(fixture.directory);
    }
    faults_arm(fault, n);
    scenario(&attempt);
    if (!faults_end()) {
        return false;
    }
    assert_nothing_is_left(call, n);
    assert_no_half_written_file(call, n);
    if (attempt.status == CLATTN_OK) {
        /* By another kernel sums may be rounded otherwise. */
        assert_right("done without", call, n, 1e-5f);
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

static void fail_every_use(void (*scenario)(struct attempt *attempt), enum fault fault)
{
    const char *call = fault_names[fault];
    bool seen = false;
    int n = 1;
    while (fail_once(scenario, fault, n, &seen)) {
        succeed(scenario, call, n);
        assert_right("after", call, n, 0);
        n += n < 20 ? 1 : 7; /* of a call made this often, some uses stand for the others */
    }
    const bool done_without =
        consequences[fault].done_without || scenario == attention_with_a_cache ||
        scenario == context_with_a_probe || scenario == attention_with_kept_parameters ||
        scenario == projection_that_packs_the_weight; /* another kernel steps
                                                         in */
    ck_assert_msg(n == 1 || seen || done_without, "no failure of %s came to light", call);
}

static void fail_every_call(void (*scenario)(struct attempt *attempt))
{
    succeed(scenario, "no failure", 0);
    read_outputs(expected);
    for (int fault = 0; fault < FAULTS; fault++) {
        fail_every_use(scenario, (enum fault)fault);
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

START_TEST(attribution_works_or_names_what_failed)
{
    fail_every_call(attribution_of_rows);
}
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
    TCase *one_kernel = suite_group(suite, "one kernel", open_rope, close_all);
    tcase_add_test(one_kernel, an_op_of_one_kernel_works_or_names_what_failed);
    return suite_run_on_device(suite);
}
