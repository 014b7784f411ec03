#include "scenarios.h"

#include "registry/context.h"
#include "support/attention.h"
#include "support/fixture.h"

#include <stdio.h>

static clattn_attention_args attention_args;
static clattn_attribution_args attribution_args;
static clattn_project_args project_args;
static clattn_mha_args mha_args;
static clattn_classic_args classic_args;
static clattn_tensor classic_wk;
static clattn_rope_args rope_args;
static clattn_moe_desc moe_desc;
static clattn_moe_args moe_args;
clattn_tensor outputs[2];
int output_count;

static clattn_op *const no_op = (clattn_op *)(void *)&fixture;
static clattn_context *const no_context = (clattn_context *)(void *)&fixture;

static void keep(struct attempt *attempt, clattn_status status, bool out_written)
{
    if (status != CLATTN_OK) {
        attempt->status = status;
        attempt->out_written = attempt->out_written || out_written;
        snprintf(attempt->text, sizeof attempt->text, "%s", clattn_error());
    }
}

static void discard_log(void *user, const char *text) { (void)user, (void)text; }

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

void context_alone(struct attempt *attempt)
{
    clattn_context_destroy(open_context(attempt, false, NULL));
}

/* A device that might have lanes, and a probe that is wrong; tried anew each time. */
static const struct clattn__clues clues = {.vendor_id = 0x10de, .gpu = true, .name = "T4"};
static char probe_kernels[PATH_TEXT_BYTES + 16], probe_record[PATH_TEXT_BYTES + 96];

void context_with_a_probe(struct attempt *attempt)
{
    const clattn_context_desc desc = {.cache_dir = fixture.directory,
                                      .kernel_dir = probe_kernels,
                                      .probe_program = "none",
                                      .log = discard_log};
    clattn_context *context = no_context;
    remove(probe_record);
    const clattn_status status = clattn__context_open(&desc, NULL, &context);
    keep(attempt, status, context != no_context);
    if (status == CLATTN_OK) {
        clattn__probe(&context->prober, &clues, 1000);
        attempt->out_written = attempt->out_written || context->device.facts.lanes;
        clattn_context_destroy(context);
    }
}

/* The directory of kernels looks like a program to those who count files. */
void write_probe(void)
{
    struct clattn__answer answer;
    const struct clattn__probe *probe = clattn__probes;
    snprintf(probe_kernels, sizeof probe_kernels, "%s/kernels.bin", fixture.directory);
    file_write_text(fixture.directory, "kernels.bin/probe_lanes.cl",
                    "__kernel void probe_lanes(__global float *answers) {}");
    const clattn_context_desc desc = {.kernel_dir = probe_kernels};
    clattn_context *context;
    assert_ok(clattn__context_open(&desc, NULL, &context));
    while (probe->lanes != CLATTN_LANES_NV) {
        probe++;
    }
    ck_assert(clattn__answer_begin(&context->programs, probe, &answer));
    snprintf(probe_record, sizeof probe_record, "%s/%s.probe", fixture.directory, answer.key);
    clattn_context_destroy(context);
}

void attention_by_one_kernel(struct attempt *attempt)
{
    clattn_context *context = open_context(attempt, true, NULL);
    if (context) {
        use_attention(attempt, context, "row");
    }
    clattn_context_destroy(context);
}

void attention_by_any_kernel(struct attempt *attempt)
{
    clattn_context *context = open_context(attempt, true, NULL);
    if (context) {
        use_attention(attempt, context, NULL);
    }
    clattn_context_destroy(context);
}

void attention_with_a_cache(struct attempt *attempt)
{
    clattn_context *context = open_context(attempt, true, fixture.directory);
    if (context) {
        use_attention(attempt, context, "row");
    }
    clattn_context_destroy(context);
}

/* Forced and kept, then used because they are kept. */
void attention_with_kept_parameters(struct attempt *attempt)
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

void whole_layer(struct attempt *attempt)
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
void additive_attention(struct attempt *attempt)
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
void attribution_of_rows(struct attempt *attempt)
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

void projection_by_clblast(struct attempt *attempt) { use_projection(attempt, "clblast", false); }

void projection_that_keeps_the_weight(struct attempt *attempt)
{
    use_projection(attempt, "plain", true);
}

void projection_that_packs_the_weight(struct attempt *attempt)
{
    use_projection(attempt, NULL, true);
}

/* The op of one kernel that has a buffer of its own, too. */
void op_of_one_kernel(struct attempt *attempt)
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

/* A router, kernels around the experts, theirs, and a buffer between them. */
void mixture_of_experts(struct attempt *attempt)
{
    clattn_context *context = open_context(attempt, true, NULL);
    if (context) {
        clattn_op *op = no_op;
        cl_event event = NULL;
        const clattn_status status = clattn_moe_create(context, &moe_desc, &op);
        keep(attempt, status, op != no_op);
        if (status == CLATTN_OK) {
            const clattn_status ran = clattn_moe_run(op, fixture.queue, &moe_args, &event);
            finish_run(attempt, ran, event);
            clattn_op_destroy(op);
        }
    }
    clattn_context_destroy(context);
}

/* ---- Opening and closing ----------------------------------------------------- */

void open_rope(void)
{
    fixture_open();
    rope_args = (clattn_rope_args){
        .q = tensor_random(1, BATCH, N_Q, 2, HEAD_DIM),
        .q_out = tensor_zeros(CLATTN_F32, BATCH, N_Q, 2, HEAD_DIM),
    };
    outputs[0] = rope_args.q_out;
    output_count = 1;
}

void open_projection(void)
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

void open_attention(void)
{
    fixture_open();
    attention_args = full_args();
    attention_args.lse = (clattn_tensor){0}; /* so that scratch is taken */
    outputs[0] = attention_args.out;
    outputs[1] = attention_args.weights;
    output_count = 2;
}

void open_attribution(void)
{
    fixture_open();
    attribution_args = (clattn_attribution_args){
        .attention = plain_args(), .mass = tensor_zeros(CLATTN_F32, BATCH, N_Q, 1, N_K)};
    attribution_args.attention.lse = tensor_random(9, BATCH, N_Q, HEADS, 1);
    outputs[0] = attribution_args.mass;
    output_count = 1;
}

void open_layer(void)
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

void open_classic(void)
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

void open_experts(void)
{
    enum { EXPERTS = 3 };
    fixture_open();
    moe_desc = (clattn_moe_desc){
        .model_dim = HEAD_DIM,
        .hidden_dim = VALUE_DIM,
        .experts = EXPERTS,
        .k = 2,
        .router.weight = tensor_random(1, 1, EXPERTS, 1, HEAD_DIM),
        .up.weight = tensor_random(2, EXPERTS, VALUE_DIM, 1, HEAD_DIM),
        .down.weight = tensor_random(3, EXPERTS, HEAD_DIM, 1, VALUE_DIM),
        .kernel = "experts",
    };
    moe_args = (clattn_moe_args){
        .x = tensor_random(4, BATCH, N_Q, 1, HEAD_DIM),
        .y = tensor_zeros(CLATTN_F32, BATCH, N_Q, 1, HEAD_DIM),
    };
    outputs[0] = moe_args.y;
    output_count = 1;
}

void close_all(void)
{
    tensors_release();
    fixture_close();
}
