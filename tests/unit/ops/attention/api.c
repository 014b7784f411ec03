/* ops/attention/attention.c: what a call may say.  The numbers themselves are
 * compared with the reference by the checks; here calls are compared with each other. */
#include "support/attention.h"
#include "support/fixture.h"

#include <math.h>
#include <stdlib.h>

static void close_all(void)
{
    tensors_release();
    fixture_close();
}

static void assert_call_refused(clattn_attention_desc desc, const clattn_attention_args *args,
                                const char *words)
{
    clattn_op *op = attention_make(desc);
    cl_event event = NULL;
    assert_refused(clattn_attention_run(op, fixture.queue, args, &event), words);
    ck_assert_ptr_null(event);
    clattn_op_destroy(op);
}

START_TEST(an_operand_that_was_not_announced_is_refused)
{
    const clattn_attention_args full = full_args();
    clattn_attention_args args = plain_args();
#define UNANNOUNCED(operand, flag)                                                                 \
    args.operand = full.operand;                                                                   \
    assert_call_refused(plain_desc(), &args, "args." #operand " is given, but desc lacks " flag);  \
    args.operand = (clattn_tensor){0}
    UNANNOUNCED(bias, "CLATTN_WITH_BIAS");
    UNANNOUNCED(mask, "CLATTN_WITH_MASK");
    UNANNOUNCED(alibi, "CLATTN_WITH_ALIBI");
    UNANNOUNCED(weights, "CLATTN_WITH_WEIGHTS");
    UNANNOUNCED(offset, "align CLATTN_OFFSET");
}
END_TEST

START_TEST(an_operand_that_is_missing_is_refused)
{
    const clattn_attention_args full = full_args();
#define MISSING(operand)                                                                           \
    do {                                                                                           \
        clattn_attention_args args = full;                                                         \
        args.operand.mem = NULL;                                                                   \
        assert_call_refused(full_desc(), &args, "args." #operand " is required");                  \
    } while (0)
    MISSING(q);
    MISSING(k);
    MISSING(v);
    MISSING(out);
    MISSING(bias);
    MISSING(mask);
    MISSING(alibi);
    MISSING(offset);
    MISSING(weights);
}
END_TEST

START_TEST(operands_that_need_no_announcing_may_be_left_out)
{
    clattn_attention_args args = full_args();
    clattn_op *op = attention_make(full_desc());
    args.sinks = args.kv_length = args.lse = (clattn_tensor){0};
    attention_run(op, &args);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(an_output_over_another_operand_is_refused)
{
    const cl_mem shared = tensor_zeros(CLATTN_F32, 1, 1, 1, 4096).mem;
    const clattn_attention_args full = full_args();
#define OVER(output, input)                                                                        \
    do {                                                                                           \
        clattn_attention_args args = full;                                                         \
        args.output.mem = args.input.mem = shared;                                                 \
        assert_call_refused(full_desc(), &args, "args." #output " overlaps args." #input);         \
    } while (0)
    OVER(out, q);
    OVER(out, k);
    OVER(out, v);
    OVER(out, bias);
    OVER(out, mask);
    OVER(out, lse);
    OVER(lse, q);
    OVER(lse, alibi);
    OVER(lse, weights);
    OVER(weights, k);
    OVER(weights, offset);
}
END_TEST

START_TEST(counts_out_of_range_are_refused)
{
    const int64_t wrong[] = {-1, INT64_MIN, (int64_t)1 << 31, INT64_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        clattn_attention_args args = plain_args();
        args.q.size[0] = wrong[i];
        assert_call_refused(plain_desc(), &args, "args.q.size[0] (batch)");
        args = plain_args();
        args.q.size[1] = wrong[i];
        assert_call_refused(plain_desc(), &args, "args.q.size[1] (row)");
        args = plain_args();
        args.k.size[1] = wrong[i];
        assert_call_refused(plain_desc(), &args, "args.k.size[1] (row)");
    }
}
END_TEST

START_TEST(a_missing_op_or_call_and_an_op_of_another_kind_are_refused)
{
    const clattn_project_desc project = {.in_dim = 4, .out_dim = 4, .kernel = "plain"};
    const clattn_attention_args args = plain_args();
    clattn_op *op = attention_make(plain_desc()), *other = NULL;
    assert_ok(clattn_project_create(fixture.context, &project, &other));
    assert_refused(clattn_attention_run(NULL, fixture.queue, &args, NULL), "op is NULL");
    assert_refused(clattn_attention_run(op, fixture.queue, NULL, NULL), "args is NULL");
    assert_refused(clattn_attention_run(other, fixture.queue, &args, NULL),
                   "of another kind, project");
    ck_assert_uint_eq(clattn_attention_scratch(NULL, &args), 0);
    ck_assert_uint_eq(clattn_attention_scratch(op, NULL), 0);
    ck_assert_uint_eq(clattn_attention_scratch(other, &args), 0);
    clattn_op_destroy(other);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_missing_queue_fails_by_the_calls_name)
{
    clattn_op *op = attention_make(plain_desc());
    const clattn_attention_args args = plain_args();
    assert_fails(clattn_attention_run(op, NULL, &args, NULL), CLATTN_ERR_OPENCL,
                 "clEnqueueNDRangeKernel");
    attention_run(op, &args);
    clattn_op_destroy(op);
}
END_TEST

/* ---- No work --------------------------------------------------------------- */

START_TEST(a_call_without_queries_or_batch_does_nothing)
{
    clattn_op *op = attention_make(plain_desc());
    clattn_attention_args args = plain_args();
    tensor_fill(&args.out, 7);
    const clattn_tensor untouched = args.out,
                        expected = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, VALUE_DIM);
    tensor_fill(&expected, 7);
    args.q.size[1] = args.out.size[1] = 0;
    attention_run(op, &args);
    args.q.size[0] = args.k.size[0] = args.v.size[0] = args.out.size[0] = 0;
    attention_run(op, &args);
    assert_same_tensors(&untouched, &expected, 0);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_call_without_work_needs_no_buffers_but_gives_an_event)
{
    clattn_op *op = attention_make(plain_desc());
    const clattn_attention_args nothing = {.q = {.size = {0, 0, HEADS, HEAD_DIM}}};
    cl_event event = NULL;
    assert_ok(clattn_attention_run(op, fixture.queue, &nothing, &event));
    ck_assert_ptr_nonnull(event);
    ck_assert_int_eq(clWaitForEvents(1, &event), CL_SUCCESS);
    ck_assert_int_eq(clReleaseEvent(event), CL_SUCCESS);
    clattn_op_destroy(op);
}
END_TEST

/* Without keys a row is zero and its lse that of its sink, or of nothing. */
static void assert_empty_rows(bool sinks)
{
    clattn_attention_args args = plain_args();
    clattn_op *op = attention_make(plain_desc());
    args.k = args.v = (clattn_tensor){0};
    args.k.size[0] = args.v.size[0] = BATCH;
    args.k.size[2] = args.v.size[2] = KV_HEADS;
    args.k.size[3] = HEAD_DIM;
    args.v.size[3] = VALUE_DIM;
    args.lse = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, 1);
    const float sink[HEADS] = {0.5f, 0.5f, 0.5f, 0.5f};
    args.sinks = sinks ? tensor_of(sink, 1, 1, HEADS, 1) : (clattn_tensor){0};
    tensor_fill(&args.out, 7);
    attention_run(op, &args);
    const clattn_tensor zeros = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, VALUE_DIM);
    const clattn_tensor lse = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, 1);
    tensor_fill(&lse, sinks ? 0.5f : -INFINITY);
    assert_same_tensors(&args.out, &zeros, 0);
    assert_same_tensors(&args.lse, &lse, 0);
    clattn_op_destroy(op);
}

START_TEST(without_keys_rows_are_zero_and_lse_is_minus_infinity) { assert_empty_rows(false); }
END_TEST

START_TEST(without_keys_lse_is_the_sink) { assert_empty_rows(true); }
END_TEST

/* ---- Event and scratch ----------------------------------------------------- */

START_TEST(the_event_ends_with_the_outputs_written)
{
    clattn_op *op = attention_make(full_desc());
    const clattn_attention_args args = full_args();
    cl_event event = NULL;
    cl_int state = CL_QUEUED;
    assert_ok(clattn_attention_run(op, fixture.queue, &args, &event));
    ck_assert_ptr_nonnull(event);
    ck_assert_int_eq(clWaitForEvents(1, &event), CL_SUCCESS);
    clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    ck_assert_int_eq(state, CL_COMPLETE);
    cl_uint references = 0;
    clGetEventInfo(event, CL_EVENT_REFERENCE_COUNT, sizeof references, &references, NULL);
    ck_assert_uint_ge(references, 1);
    ck_assert_int_eq(clReleaseEvent(event), CL_SUCCESS);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(scratch_is_needed_for_weights_without_lse_only)
{
    clattn_attention_args args = full_args();
    clattn_op *weights = attention_make(full_desc()), *plain = attention_make(plain_desc());
    ck_assert_uint_eq(clattn_attention_scratch(plain, &args), 0);
    ck_assert_uint_eq(clattn_attention_scratch(weights, &args), 0);
    args.lse.mem = NULL;
    ck_assert_uint_eq(clattn_attention_scratch(weights, &args),
                      BATCH * N_Q * HEADS * sizeof(float));
    clattn_op_destroy(weights);
    clattn_op_destroy(plain);
}
END_TEST

START_TEST(weights_are_the_same_with_lse_and_with_either_scratch)
{
    clattn_attention_args args = full_args();
    clattn_op *op = attention_make(full_desc());
    const clattn_tensor with_lse = args.weights;
    attention_run(op, &args);
    args.lse = (clattn_tensor){0};
    args.weights = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, N_K);
    attention_run(op, &args);
    assert_same_tensors(&args.weights, &with_lse, 0);
    args.weights = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, N_K);
    args.scratch = memory_make(clattn_attention_scratch(op, &args));
    attention_run(op, &args);
    assert_same_tensors(&args.weights, &with_lse, 0);
    clattn_op_destroy(op);
}
END_TEST

/* Parts of the keys and log-sum-exps lie there. */
START_TEST(a_call_stays_within_the_scratch_that_it_asks_for)
{
    clattn_attention_desc desc = full_desc();
    clattn_attention_args args = full_args();
    desc.split_keys = 2;
    clattn_op *op = attention_make(desc);
    args.lse = (clattn_tensor){0};
    const size_t bytes = clattn_attention_scratch(op, &args);
    args.scratch = scratch_make(bytes);
    attention_run(op, &args);
    assert_scratch_kept(args.scratch, bytes);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_scratch_that_is_too_small_is_refused)
{
    clattn_attention_args args = full_args();
    args.lse = (clattn_tensor){0};
    args.scratch = memory_make(BATCH * N_Q * HEADS * sizeof(float) - 1);
    assert_call_refused(full_desc(), &args, "args.scratch has 95 bytes, 96 are needed");
}
END_TEST

START_TEST(a_scratch_that_is_not_needed_is_ignored)
{
    clattn_attention_args args = plain_args();
    clattn_op *op = attention_make(plain_desc());
    args.scratch = memory_make(1);
    attention_run(op, &args);
    clattn_op_destroy(op);
}
END_TEST

/* ---- Views ----------------------------------------------------------------- */

/* The same values in memory as {batch, head, row, column} from an offset. */
static clattn_tensor by_heads(const clattn_tensor *dense)
{
    enum { OFFSET = 5 };
    const int64_t *n = dense->size, count = tensor_elements(dense);
    float *from = calloc((size_t)count, sizeof *from), *to = calloc((size_t)count, sizeof *to);
    ck_assert(from && to);
    tensor_read(dense, from, (size_t)count);
    clattn_tensor moved = tensor_zeros(CLATTN_F32, 1, 1, 1, count + OFFSET);
    moved.offset = OFFSET;
    memcpy(moved.size, n, sizeof moved.size);
    const int64_t stride[4] = {n[1] * n[2] * n[3], n[3], n[1] * n[3], 1};
    for (int64_t i = 0; i < count; i++) {
        const int64_t column = i % n[3], head = i / n[3] % n[2], row = i / n[3] / n[2] % n[1];
        const int64_t batch = i / n[3] / n[2] / n[1];
        to[batch * stride[0] + row * stride[1] + head * stride[2] + column] = from[i];
    }
    tensor_write(&moved, to); /* as one dense piece */
    memcpy(moved.stride, stride, sizeof moved.stride);
    free(from);
    free(to);
    return moved;
}

START_TEST(memory_order_does_not_change_the_result)
{
    clattn_op *op = attention_make(plain_desc());
    const clattn_attention_args dense = plain_args();
    clattn_attention_args moved = dense;
    attention_run(op, &dense);
    moved.q = by_heads(&dense.q);
    moved.k = by_heads(&dense.k);
    moved.v = by_heads(&dense.v);
    moved.out = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, VALUE_DIM);
    const clattn_tensor out = moved.out, expected = by_heads(&dense.out);
    memcpy(moved.out.stride, expected.stride, sizeof expected.stride);
    attention_run(op, &moved);
    clattn_tensor flat = expected;
    memset(flat.stride, 0, sizeof flat.stride);
    assert_same_tensors(&out, &flat, 0);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_broadcast_operand_equals_one_written_out)
{
    clattn_op *op = attention_make(full_desc());
    clattn_attention_args args = full_args();
    float row[N_K], all[BATCH * N_Q * HEADS * N_K];
    for (int i = 0; i < BATCH * N_Q * HEADS * N_K; i++) {
        row[i % N_K] = all[i] = (float)(i % N_K) / 4;
    }
    args.bias = tensor_of(all, BATCH, N_Q, HEADS, N_K);
    attention_run(op, &args);
    const clattn_tensor written_out = args.out;
    args.bias = tensor_of(row, 1, 1, 1, N_K);
    args.out = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, VALUE_DIM);
    attention_run(op, &args);
    assert_same_tensors(&args.out, &written_out, 0);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(positions_far_outside_the_keys_are_legal)
{
    const int32_t far[] = {INT32_MIN, -1000000, 1000000, INT32_MAX};
    clattn_attention_desc desc = full_desc();
    desc.causal = true;
    desc.with = 0;
    clattn_op *op = attention_make(desc);
    const clattn_attention_args full = full_args();
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        const int32_t offsets[BATCH] = {far[i], far[i]};
        clattn_attention_args args = plain_args();
        args.offset = full.offset;
        args.lse = full.lse;
        tensor_write(&args.offset, offsets);
        attention_run(op, &args);
        float lse[BATCH * N_Q * HEADS];
        tensor_read(&args.lse, lse, BATCH * N_Q * HEADS);
        for (int row = 0; row < BATCH * N_Q * HEADS; row++) {
            /* Before all keys a query sees none, behind them all. */
            ck_assert_msg(far[i] < 0 ? lse[row] == -INFINITY : isfinite(lse[row]),
                          "offset %d row %d: %g", (int)far[i], row, lse[row]);
        }
    }
    clattn_op_destroy(op);
}
END_TEST

static void add_call(TCase *tests)
{
    tcase_add_test(tests, an_operand_that_was_not_announced_is_refused);
    tcase_add_test(tests, an_operand_that_is_missing_is_refused);
    tcase_add_test(tests, operands_that_need_no_announcing_may_be_left_out);
    tcase_add_test(tests, an_output_over_another_operand_is_refused);
    tcase_add_test(tests, counts_out_of_range_are_refused);
    tcase_add_test(tests, a_missing_op_or_call_and_an_op_of_another_kind_are_refused);
    tcase_add_test(tests, a_missing_queue_fails_by_the_calls_name);
    tcase_add_test(tests, a_call_without_queries_or_batch_does_nothing);
    tcase_add_test(tests, a_call_without_work_needs_no_buffers_but_gives_an_event);
    tcase_add_test(tests, without_keys_rows_are_zero_and_lse_is_minus_infinity);
    tcase_add_test(tests, without_keys_lse_is_the_sink);
}

static void add_event_scratch_views(TCase *tests)
{
    tcase_add_test(tests, the_event_ends_with_the_outputs_written);
    tcase_add_test(tests, scratch_is_needed_for_weights_without_lse_only);
    tcase_add_test(tests, weights_are_the_same_with_lse_and_with_either_scratch);
    tcase_add_test(tests, a_call_stays_within_the_scratch_that_it_asks_for);
    tcase_add_test(tests, a_scratch_that_is_too_small_is_refused);
    tcase_add_test(tests, a_scratch_that_is_not_needed_is_ignored);
    tcase_add_test(tests, memory_order_does_not_change_the_result);
    tcase_add_test(tests, a_broadcast_operand_equals_one_written_out);
    tcase_add_test(tests, positions_far_outside_the_keys_are_legal);
}

int main(void)
{
    Suite *suite = suite_create("attention");
    add_call(suite_group(suite, "call", fixture_open, close_all));
    add_event_scratch_views(suite_group(suite, "event, scratch, views", fixture_open, close_all));
    return suite_run_on_device(suite);
}
