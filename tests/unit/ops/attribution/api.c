/* ops/attribution/attribution.c and rollout.c: what descriptors and calls may say, and how calls
 * compare with each other; the numbers themselves are compared with the reference by the checks. */
#include "support/attention.h"
#include "support/fixture.h"
#include "support/refusals.h"

#include <math.h>
#include <stdlib.h>

enum { SPANS = 3 };

static clattn_op *attribution, *other, *rollout;

static clattn_attribution_desc good(void)
{
    return (clattn_attribution_desc){.attention = plain_desc(), .kernel = "row"};
}

static clattn_tensor cut_points(void)
{
    static const int32_t cuts[SPANS + 1] = {0, 2, 2, N_K};
    const clattn_tensor tensor = tensor_zeros(CLATTN_I32, 1, 1, 1, SPANS + 1);
    tensor_write(&tensor, cuts);
    return tensor;
}

/* As the attention itself gets them, lse of nothing in particular. */
static clattn_attribution_args good_call(void)
{
    clattn_attribution_args args = {
        .attention = plain_args(),
        .spans = cut_points(),
        .mass = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, SPANS),
    };
    args.attention.lse = tensor_random(9, BATCH, N_Q, HEADS, 1);
    return args;
}

static void open_all(void)
{
    const clattn_attribution_desc desc = good();
    const clattn_rollout_desc through = {0};
    fixture_open();
    assert_ok(clattn_attribution_create(fixture.context, &desc, &attribution));
    assert_ok(clattn_rollout_create(fixture.context, &through, &rollout));
    other = rollout;
}

static void close_all(void)
{
    clattn_op_destroy(attribution);
    clattn_op_destroy(rollout);
    tensors_release();
    fixture_close();
}

static clattn_op *make(clattn_attribution_desc desc)
{
    clattn_op *op = NULL;
    assert_ok(clattn_attribution_create(fixture.context, &desc, &op));
    return op;
}

static void run(const clattn_op *op, const clattn_attribution_args *args)
{
    assert_ok(clattn_attribution_run(op, fixture.queue, args, NULL));
    ck_assert_int_eq(clFinish(fixture.queue), CL_SUCCESS);
}

/* ---- Refusals -------------------------------------------------------------- */

#define NOT_MADE(statement, words) DESC_REFUSED(attribution, good(), statement, words)
#define NOT_RUN(statement, words)                                                                  \
    CALL_REFUSED(attribution, attribution, good_call(), statement, words)

START_TEST(a_descriptor_that_makes_no_sense_is_refused)
{
    NOT_MADE(desc.attention.head_dim = 0, "head_dim is 0");
    NOT_MADE(desc.attention.kv_heads = 3, "kv_heads is 3");
    NOT_MADE(desc.attention.with = 64, "with is 0x40");
    NOT_MADE(desc.rows = (clattn_rows)3, "rows is 3");
    NOT_MADE(desc.heads = (clattn_heads)-1, "heads is -1");
    NOT_MADE(desc.kernel = "tiled", "kernel 'tiled' is not one of attribution/");
    NOT_MADE(desc.params = "ROWS=3", "params:");
    MISSING_REFUSED(attribution, good(), attribution, other);
    MISSING_REFUSED(rollout, ((clattn_rollout_desc){0}), rollout, attribution);
}
END_TEST

START_TEST(what_is_of_no_account_is_not_looked_at)
{
    clattn_attribution_desc desc = good();
    desc.attention.with = CLATTN_WITH_WEIGHTS;
    desc.attention.kernel = "nonsense";
    desc.attention.params = "nonsense";
    desc.attention.split_keys = 7;
    clattn_op *op = make(desc);
    clattn_attribution_args args = good_call();
    args.attention.v = args.attention.out = (clattn_tensor){0};
    run(op, &args);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_call_that_does_not_fit_is_refused_by_its_field)
{
    NOT_RUN(args.attention.q.mem = NULL, "args.q is required");
    NOT_RUN(args.attention.k.mem = NULL, "args.k is required");
    NOT_RUN(args.attention.lse = (clattn_tensor){0}, "args.lse");
    NOT_RUN(args.attention.lse.type = CLATTN_F16, "args.lse");
    NOT_RUN(args.attention.bias = tensor_zeros(CLATTN_F32, 1, 1, 1, N_K), "CLATTN_WITH_BIAS");
    NOT_RUN(args.mass.mem = NULL, "args.mass is required");
    NOT_RUN(args.mass.size[1] = 1, "args.mass.size[1] (row) is 1, must be 3");
    NOT_RUN(args.mass.size[2] = 1, "args.mass.size[2] (head) is 1, must be 4");
    NOT_RUN(args.mass.size[3] = SPANS + 1, "args.mass.size[3] (column) is 4, must be 3");
    NOT_RUN(args.mass.type = CLATTN_F16, "args.mass");
    NOT_RUN(args.attention.sinks = tensor_zeros(CLATTN_F32, 1, 1, HEADS, 1),
            "args.mass.size[3] (column) is 3, must be 4");
    NOT_RUN(args.spans.type = CLATTN_F32, "args.spans");
    NOT_RUN(args.spans.size[0] = 3, "args.spans.size[0] (batch) is 3, must be 2 or 1");
    NOT_RUN(args.spans.size[3] = 0, "args.spans.size[3] (cut points) is 0");
    NOT_RUN(args.spans = (clattn_tensor){0}, "args.mass.size[3] (column) is 3, must be 5");
    NOT_RUN(args.row_weight = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, 2), "args.row_weight");
}
END_TEST

START_TEST(masses_over_an_operand_are_refused)
{
    const cl_mem shared = tensor_zeros(CLATTN_F32, 1, 1, 1, 4096).mem;
#define OVER(input)                                                                                \
    NOT_RUN(args.mass.mem = args.input.mem = shared, "args.mass overlaps args." #input)
    OVER(attention.q);
    OVER(attention.k);
    OVER(attention.lse);
    OVER(spans);
    NOT_RUN(args.row_weight = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, 1);
            args.mass.mem = args.row_weight.mem = shared, "args.mass overlaps args.row_weight");
    NOT_RUN(args.attention.kv_length = tensor_zeros(CLATTN_I32, BATCH, 1, 1, 1);
            args.mass.mem = args.attention.kv_length.mem = shared,
            "args.mass overlaps args.attention.kv_length");
#undef OVER
}
END_TEST

START_TEST(value_weighted_needs_values)
{
    clattn_attribution_desc desc = good();
    desc.value_weighted = true;
    clattn_op *op = make(desc);
    CALL_REFUSED(attribution, op, good_call(), args.attention.v = (clattn_tensor){0}, "args.v");
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_ring_has_no_keys_by_number)
{
    clattn_attribution_desc desc = good();
    desc.attention.ring = true;
    clattn_op *op = make(desc);
    CALL_REFUSED(attribution, op, good_call(), args.spans = (clattn_tensor){0},
                 "args.spans is absent");
    clattn_op_destroy(op);
}
END_TEST

static clattn_rollout_args good_rollout(void)
{
    return (clattn_rollout_args){.mass = tensor_random(1, BATCH, SPANS, HEADS, SPANS),
                                 .previous = tensor_random(2, BATCH, SPANS, 1, SPANS),
                                 .rollout = tensor_zeros(CLATTN_F32, BATCH, SPANS, 1, SPANS)};
}

#define NOT_ROLLED(statement, words)                                                               \
    CALL_REFUSED(rollout, rollout, good_rollout(), statement, words)

START_TEST(a_rollout_that_does_not_fit_is_refused_by_its_field)
{
    NOT_ROLLED(args.mass.mem = NULL, "args.mass");
    NOT_ROLLED((args.mass = tensor_random(1, BATCH, SPANS, HEADS, SPANS + 2),
                args.previous = (clattn_tensor){0},
                args.rollout = tensor_zeros(CLATTN_F32, BATCH, SPANS, 1, SPANS + 2)),
               "args.mass.size[3] (column) is 5, must be 3");
    NOT_ROLLED(args.previous.size[1] = 1, "args.previous");
    NOT_ROLLED(args.rollout.size[2] = HEADS, "args.rollout");
    NOT_ROLLED(args.rollout = args.previous, "args.rollout");
    NOT_ROLLED(args.rollout.type = CLATTN_F16, "args.rollout");
}
END_TEST

/* ---- Calls compared ----------------------------------------------------------- */

/* The attention that is explained, and what explains it; row[s] of each row is checked by visit. */
static void explain(const clattn_attribution_desc *desc, clattn_attribution_args *args)
{
    clattn_attention_args attend = args->attention;
    clattn_op *attention = attention_make(desc->attention), *op = make(*desc);
    attention_run(attention, &attend);
    run(op, args);
    clattn_op_destroy(op);
    clattn_op_destroy(attention);
}

START_TEST(masses_of_a_row_sum_to_one)
{
    enum { COLUMNS = SPANS + 1, ROWS = BATCH * N_Q * HEADS };
    for (int weighted = 0; weighted < 2; weighted++) {
        clattn_attribution_desc desc = {.attention = plain_desc(), .value_weighted = weighted};
        clattn_attribution_args args = good_call();
        args.attention.sinks = tensor_random(6, 1, 1, HEADS, 1);
        args.mass = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, COLUMNS);
        explain(&desc, &args);
        float mass[ROWS * COLUMNS];
        tensor_read(&args.mass, mass, ROWS * COLUMNS);
        for (int row = 0; row < ROWS; row++) {
            float sum = 0;
            for (int s = 0; s < COLUMNS; s++) {
                sum += mass[row * COLUMNS + s];
            }
            ck_assert_msg(fabsf(sum - 1) < 1e-5f, "row %d sums to %g", row, sum);
            ck_assert_msg(mass[row * COLUMNS + 1] == 0, "an empty span has %g",
                          mass[row * COLUMNS + 1]);
            ck_assert_msg((mass[row * COLUMNS + SPANS] == 0) == weighted, "a sink has %g",
                          mass[row * COLUMNS + SPANS]);
        }
    }
}
END_TEST

START_TEST(every_key_as_a_span_gives_the_weights)
{
    clattn_attribution_desc desc = {.attention = plain_desc()};
    clattn_attribution_args args = good_call();
    desc.attention.with = CLATTN_WITH_WEIGHTS;
    desc.attention.causal = true;
    args.spans = (clattn_tensor){0};
    args.attention.weights = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, N_K);
    args.mass = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, N_K);
    explain(&desc, &args);
    assert_same_tensors(&args.mass, &args.attention.weights, 1e-5f);
}
END_TEST

/* Two calls that accumulate, of the first row and of the others, are one of all rows. */
START_TEST(steps_accumulate)
{
    const clattn_attribution_desc desc = {
        .attention = plain_desc(), .rows = CLATTN_ROWS_SUM, .heads = CLATTN_HEADS_MEAN};
    clattn_attribution_args args = good_call(), first, others;
    clattn_op *op = make(desc);
    args.mass = tensor_zeros(CLATTN_F32, BATCH, 1, 1, SPANS);
    run(op, &args);
    first = others = args;
    first.mass = others.mass = tensor_zeros(CLATTN_F32, BATCH, 1, 1, SPANS);
    clattn_tensor *const rows[] = {&first.attention.q, &first.attention.lse, &others.attention.q,
                                   &others.attention.lse};
    for (int i = 0; i < 4; i++) {
        const int64_t row = rows[i]->size[2] * rows[i]->size[3];
        const int64_t stride[4] = {N_Q * row, row, rows[i]->size[3], 1};
        memcpy(rows[i]->stride, stride, sizeof stride);
        rows[i]->size[1] = i < 2 ? 1 : N_Q - 1;
        rows[i]->offset = i < 2 ? 0 : row;
    }
    run(op, &first);
    others.accumulate = true;
    run(op, &others);
    assert_same_tensors(&first.mass, &args.mass, 1e-5f);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(scratch_is_needed_where_heads_are_joined_and_may_be_given)
{
    clattn_attribution_desc desc = good();
    clattn_attribution_args args = good_call();
    ck_assert_uint_eq(clattn_attribution_scratch(attribution, &args), 0);
    desc.heads = CLATTN_HEADS_MAX;
    clattn_op *op = make(desc);
    args.mass = tensor_zeros(CLATTN_F32, BATCH, N_Q, 1, SPANS);
    run(op, &args);
    const clattn_tensor taken = args.mass;
    const size_t bytes = clattn_attribution_scratch(op, &args);
    ck_assert_uint_eq(bytes, sizeof(float) * BATCH * N_Q * HEADS * SPANS);
    args.mass = tensor_zeros(CLATTN_F32, BATCH, N_Q, 1, SPANS);
    args.scratch = memory_make(bytes - 1);
    assert_refused(clattn_attribution_run(op, fixture.queue, &args, NULL), "args.scratch");
    args.scratch = scratch_make(bytes);
    run(op, &args);
    assert_scratch_kept(args.scratch, bytes);
    assert_same_tensors(&args.mass, &taken, 0);
    ck_assert_uint_eq(clattn_attribution_scratch(NULL, &args), 0);
    ck_assert_uint_eq(clattn_attribution_scratch(op, NULL), 0);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_call_tells_its_kernel)
{
    const clattn_attribution_args args = good_call();
    ck_assert_str_eq(clattn_attribution_kernel(attribution, &args), clattn_op_kernel(attribution));
    assert_contains(clattn_op_kernel(attribution), "attribution/row f32 d8");
    ck_assert_str_eq(clattn_attribution_kernel(NULL, &args), "");
    ck_assert_str_eq(clattn_attribution_kernel(attribution, NULL), "");
}
END_TEST

START_TEST(a_call_without_work_gives_an_event)
{
    clattn_attribution_args args = good_call();
    cl_event event = NULL;
    args.attention.q.size[1] = args.attention.lse.size[1] = args.mass.size[1] = 0;
    assert_ok(clattn_attribution_run(attribution, fixture.queue, &args, &event));
    ck_assert_int_eq(clWaitForEvents(1, &event), CL_SUCCESS);
    clReleaseEvent(event);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attribution");
    TCase *refusals = suite_group(suite, "refusals", open_all, close_all);
    tcase_add_test(refusals, a_descriptor_that_makes_no_sense_is_refused);
    tcase_add_test(refusals, what_is_of_no_account_is_not_looked_at);
    tcase_add_test(refusals, a_call_that_does_not_fit_is_refused_by_its_field);
    tcase_add_test(refusals, masses_over_an_operand_are_refused);
    tcase_add_test(refusals, value_weighted_needs_values);
    tcase_add_test(refusals, a_ring_has_no_keys_by_number);
    tcase_add_test(refusals, a_rollout_that_does_not_fit_is_refused_by_its_field);
    TCase *calls = suite_group(suite, "calls", open_all, close_all);
    tcase_add_test(calls, masses_of_a_row_sum_to_one);
    tcase_add_test(calls, every_key_as_a_span_gives_the_weights);
    tcase_add_test(calls, steps_accumulate);
    tcase_add_test(calls, scratch_is_needed_where_heads_are_joined_and_may_be_given);
    tcase_add_test(calls, a_call_tells_its_kernel);
    tcase_add_test(calls, a_call_without_work_gives_an_event);
    return suite_run_on_device(suite);
}
