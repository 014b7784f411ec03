/* ops/classic*.c: what a descriptor and a call of classic attention may say. */
#include "support/classic.h"
#include "support/fixture.h"

#include <math.h>

static void close_all(void)
{
    tensors_release();
    fixture_close();
}

/* ---- Descriptor ------------------------------------------------------------ */

static void assert_desc_refused(clattn_classic_desc desc, const char *words)
{
    clattn_op *const before = (clattn_op *)(void *)&fixture, *op = before;
    const clattn_status status = clattn_classic_create(fixture.context, &desc, &op);
    ck_assert_msg(status == CLATTN_ERR_ARGUMENT, "%s was not refused: %s", words,
                  clattn_status_name(status));
    assert_contains(clattn_error(), words);
    ck_assert_ptr_eq(op, before);
}

#define REFUSED(kind, field, value, words)                                                         \
    do {                                                                                           \
        clattn_classic_desc desc = classic_desc(kind, false);                                      \
        desc.field = value;                                                                        \
        assert_desc_refused(desc, words);                                                          \
    } while (0)

START_TEST(a_field_out_of_range_is_refused)
{
    REFUSED(CLATTN_ADDITIVE, kind, (clattn_classic_kind)4, "kind is 4");
    REFUSED(CLATTN_ADDITIVE, kind, (clattn_classic_kind)-1, "kind is -1");
    REFUSED(CLATTN_ADDITIVE, query_dim, -1, "query_dim is -1");
    REFUSED(CLATTN_ADDITIVE, key_dim, INT32_MIN, "key_dim is");
    REFUSED(CLATTN_ADDITIVE, attention.head_dim, 0, "head_dim is 0");
    REFUSED(CLATTN_ADDITIVE, attention.head_dim, 2049, "head_dim is 2049, must be 1..2048");
    REFUSED(CLATTN_ADDITIVE, attention.value_dim, 2049, "value_dim is 2049, must be 1..2048");
    REFUSED(CLATTN_LUONG_CONCAT, attention.head_dim, 2049, "head_dim is 2049, must be 1..2048");
    REFUSED(CLATTN_LUONG_DOT, attention.head_dim, 513, "head_dim is 513, must be 1..512");
    REFUSED(CLATTN_LUONG_GENERAL, attention.value_dim, 513, "value_dim is 513, must be 1..512");
    REFUSED(CLATTN_ADDITIVE, attention.query_heads, 0, "query_heads is 0");
    REFUSED(CLATTN_ADDITIVE, attention.kv_heads, 3, "kv_heads is 3");
    REFUSED(CLATTN_ADDITIVE, attention.type, CLATTN_U8, "type is u8");
    REFUSED(CLATTN_ADDITIVE, attention.out_type, CLATTN_I32, "out_type is i32");
    REFUSED(CLATTN_ADDITIVE, attention.scale, INFINITY, "scale is inf");
    REFUSED(CLATTN_ADDITIVE, attention.softcap, -1, "softcap is -1");
    REFUSED(CLATTN_ADDITIVE, attention.with, 1u << 20, "with is 0x100000");
    REFUSED(CLATTN_ADDITIVE, attention.kernel, "none", "kernel 'none' is not one of");
    REFUSED(CLATTN_LUONG_DOT, attention.kernel, "additive_row", "kernel 'additive_row'");
    REFUSED(CLATTN_ADDITIVE, attention.params, "ROWS=4", "no kernel to force them on");
    clattn_classic_desc forced = classic_desc(CLATTN_ADDITIVE, false);
    forced.attention.kernel = "additive_row";
    forced.attention.params = "ROWS=3";
    assert_desc_refused(forced, "ROWS");
}
END_TEST

START_TEST(what_a_kind_does_not_do_is_refused)
{
    REFUSED(CLATTN_LUONG_DOT, query_dim, 3, "query_dim is 3, must be 0 for dot");
    REFUSED(CLATTN_LUONG_DOT, key_dim, 3, "key_dim is 3, must be 0 for dot");
    REFUSED(CLATTN_LUONG_GENERAL, query_dim, 3, "query_dim is 3, must be 0 for general");
    REFUSED(CLATTN_LUONG_GENERAL, key_dim, 0, "key_dim is 0, must be at least 1 for general");
    REFUSED(CLATTN_LUONG_CONCAT, query_dim, 0, "query_dim is 0, must be at least 1 for concat");
    REFUSED(CLATTN_LUONG_CONCAT, key_dim, -5, "key_dim is -5, must be at least 1 for concat");
    REFUSED(CLATTN_LUONG_CONCAT, attention.kv_heads, KV, "kv_heads is 2, must be query_heads");
    REFUSED(CLATTN_LUONG_GENERAL, bias, true, "bias needs query_dim");
    REFUSED(CLATTN_ADDITIVE, attention.split_keys, 8, "split_keys is 8");
    REFUSED(CLATTN_ADDITIVE, attention.weights_stage, CLATTN_STAGE_SCORES, "weights_stage is 1");
    REFUSED(CLATTN_LUONG_CONCAT, attention.weights_stage, CLATTN_STAGE_SOFTCAP, "weights_stage");
    for (int kind = CLATTN_ADDITIVE; kind <= CLATTN_LUONG_CONCAT; kind++) {
        REFUSED((clattn_classic_kind)kind, attention.kv_type, CLATTN_F16, "kv_type is set");
        REFUSED((clattn_classic_kind)kind, attention.page_rows, 16, "page_rows is set");
        REFUSED((clattn_classic_kind)kind, attention.ring, true, "ring is set");
        REFUSED((clattn_classic_kind)kind, attention.packed, true, "packed is set");
    }
    clattn_classic_desc projected = classic_desc(CLATTN_ADDITIVE, true);
    projected.query_dim = 0;
    assert_desc_refused(projected, "bias needs query_dim");
}
END_TEST

START_TEST(heads_too_many_for_one_projection_are_refused)
{
    clattn_classic_desc desc = classic_desc(CLATTN_ADDITIVE, false);
    desc.attention.query_heads = desc.attention.kv_heads = 1 << 29;
    assert_desc_refused(desc, "query_heads times head_dim");
}
END_TEST

START_TEST(weights_of_the_descriptor_that_do_not_fit_are_refused)
{
    const clattn_classic_args additive = classic_args(CLATTN_ADDITIVE, false),
                              concat = classic_args(CLATTN_LUONG_CONCAT, false);
    clattn_tensor bad = additive.wq;
    bad.size[3]--;
    REFUSED(CLATTN_ADDITIVE, wq, bad, "desc.wq.size[3]");
    bad = additive.wk;
    bad.type = CLATTN_F16;
    REFUSED(CLATTN_ADDITIVE, wk, bad, "desc.wk.type");
    bad = concat.w_concat;
    bad.size[1]++;
    REFUSED(CLATTN_LUONG_CONCAT, w_concat, bad, "desc.w_concat.size[1]");
    bad = additive.wq;
    bad.stride[1] = 1;
    bad.stride[3] = 1;
    REFUSED(CLATTN_ADDITIVE, wq, bad, "desc.wq.stride[1]");
    REFUSED(CLATTN_ADDITIVE, w_concat, concat.w_concat, "desc.w_concat is given");
    REFUSED(CLATTN_LUONG_CONCAT, wq, additive.wq, "desc.wq is given");
    REFUSED(CLATTN_LUONG_GENERAL, wq, additive.wq, "desc.wq is given");
    REFUSED(CLATTN_LUONG_DOT, wk, additive.wk, "desc.wk is given");
}
END_TEST

static void no_report(void *user, const char *kernel, const char *refusal)
{
    (void)user;
    (void)kernel;
    (void)refusal;
}

static void no_candidate(void *user, const clattn_candidate *candidate)
{
    (void)user;
    (void)candidate;
}

START_TEST(what_is_missing_is_named)
{
    clattn_op *op = NULL;
    const clattn_classic_desc desc = classic_desc(CLATTN_ADDITIVE, false);
    clattn_classic_desc bad = desc;
    bad.key_dim = -1;
    assert_refused(clattn_classic_create(NULL, &desc, &op), "context is NULL");
    assert_refused(clattn_classic_create(fixture.context, NULL, &op), "desc is NULL");
    assert_refused(clattn_classic_create(fixture.context, &desc, NULL), "out is NULL");
    ck_assert_ptr_null(op);
    assert_refused(clattn_classic_variants(NULL, &desc, no_report, NULL), "context is NULL");
    assert_refused(clattn_classic_variants(fixture.context, NULL, no_report, NULL), "desc is NULL");
    assert_refused(clattn_classic_variants(fixture.context, &desc, NULL, NULL), "report is NULL");
    assert_refused(clattn_classic_variants(fixture.context, &bad, no_report, NULL), "key_dim");
    assert_refused(clattn_classic_candidates(NULL, &desc, no_candidate, NULL), "context is NULL");
    assert_refused(clattn_classic_candidates(fixture.context, NULL, no_candidate, NULL), "desc is");
    assert_refused(clattn_classic_candidates(fixture.context, &desc, NULL, NULL), "report is NULL");
    assert_refused(clattn_classic_candidates(fixture.context, &bad, no_candidate, NULL), "key_dim");
}
END_TEST

/* ---- Call ------------------------------------------------------------------ */

static void assert_call_refused(const clattn_op *op, const clattn_classic_args *args,
                                const char *words)
{
    cl_event event = NULL;
    const clattn_status status = clattn_classic_run(op, fixture.queue, args, &event);
    ck_assert_msg(status == CLATTN_ERR_ARGUMENT, "%s was not refused: %s", words,
                  clattn_status_name(status));
    assert_contains(clattn_error(), words);
    ck_assert_ptr_null(event);
}

#define SPOILT(statement, words)                                                                   \
    do {                                                                                           \
        clattn_classic_args args = good;                                                           \
        statement;                                                                                 \
        assert_call_refused(op, &args, words);                                                     \
    } while (0)

START_TEST(an_operand_that_is_missing_is_refused_by_name)
{
    clattn_op *op = classic_make(classic_desc(CLATTN_ADDITIVE, true));
    clattn_classic_args good = classic_args(CLATTN_ADDITIVE, true);
    SPOILT(args.attention.q.mem = NULL, "args.attention.q is required");
    SPOILT(args.attention.k.mem = NULL, "args.attention.k is required");
    SPOILT(args.attention.v.mem = NULL, "args.v is required");
    SPOILT(args.attention.out.mem = NULL, "args.out is required");
    SPOILT(args.wq.mem = NULL, "args.wq is required");
    SPOILT(args.wk.mem = NULL, "args.wk is required");
    SPOILT(args.w.mem = NULL, "args.w is required");
    SPOILT(args.b.mem = NULL, "args.b is required");
    clattn_op_destroy(op);
    op = classic_make(classic_desc(CLATTN_LUONG_CONCAT, false));
    good = classic_args(CLATTN_LUONG_CONCAT, false);
    SPOILT(args.w_concat.mem = NULL, "args.w_concat is required");
    SPOILT(args.w.mem = NULL, "args.w is required");
    clattn_op_destroy(op);
    op = classic_make(classic_desc(CLATTN_LUONG_DOT, false));
    good = classic_args(CLATTN_LUONG_DOT, false);
    SPOILT(args.attention.q.mem = NULL, "args.q is required");
    SPOILT(args.attention.k.mem = NULL, "args.k is required");
    clattn_op_destroy(op);
}
END_TEST

START_TEST(an_operand_that_does_not_fit_is_refused_by_name)
{
    clattn_op *op = classic_make(classic_desc(CLATTN_ADDITIVE, true));
    const clattn_classic_args good = classic_args(CLATTN_ADDITIVE, true);
    SPOILT(args.attention.q.size[3]--, "args.attention.q.size[3]");
    SPOILT(args.attention.q.size[2] = 2, "args.attention.q.size[2]");
    SPOILT(args.attention.q.type = CLATTN_F16, "args.attention.q.type");
    SPOILT(args.attention.q.offset = 1, "args.attention.q reaches");
    SPOILT(args.attention.q.size[0] = -1, "args.attention.q.size[0] (batch) is -1");
    SPOILT(args.attention.q.size[1] = INT64_MAX, "args.attention.q.size[1] (row)");
    SPOILT(args.attention.k.size[1] = -1, "args.attention.k.size[1] (row) is -1");
    SPOILT(args.attention.k.size[0]--, "args.attention.k.size[0]");
    SPOILT(args.attention.k.size[3]--, "args.attention.k.size[3]");
    SPOILT(args.attention.v.size[2]--, "args.v.size[2]");
    SPOILT(args.attention.v.size[1]--, "args.v.size[1]");
    SPOILT(args.attention.out.size[3]++, "args.out.size[3]");
    SPOILT(args.attention.out.type = CLATTN_BF16, "args.out.type");
    SPOILT(args.wq.size[1]--, "args.wq.size[1]");
    SPOILT(args.wk.size[3]++, "args.wk.size[3]");
    SPOILT(args.wk.offset = -1, "args.wk.offset");
    SPOILT(args.w.size[2] = 2, "args.w.size[2] (head) is 2, must be 4 or 1");
    SPOILT(args.w.size[3]--, "args.w.size[3]");
    SPOILT(args.w.type = CLATTN_BF16, "args.w.type");
    SPOILT(args.b.size[3]--, "args.b.size[3]");
    clattn_op_destroy(op);
}
END_TEST

START_TEST(an_operand_that_was_not_announced_is_refused)
{
    clattn_classic_args good = classic_args(CLATTN_ADDITIVE, false);
    const clattn_classic_args biased = classic_args(CLATTN_ADDITIVE, true),
                              concat = classic_args(CLATTN_LUONG_CONCAT, false);
    clattn_op *op = classic_make(classic_desc(CLATTN_ADDITIVE, false));
    SPOILT(args.b = biased.b, "args.b is given, but desc lacks bias");
    SPOILT(args.w_concat = concat.w_concat, "args.w_concat is given");
    SPOILT(args.attention.scratch = biased.b.mem, "args.attention.scratch is given");
    SPOILT(args.attention.bias = biased.b, "args.bias is given");
    SPOILT(args.attention.weights = biased.b, "args.weights is given");
    clattn_op_destroy(op);
    op = classic_make(classic_desc(CLATTN_LUONG_CONCAT, false));
    good = concat;
    SPOILT(args.wq = biased.wq, "args.wq is given");
    SPOILT(args.wk = biased.wk, "args.wk is given");
    clattn_op_destroy(op);
    op = classic_make(classic_desc(CLATTN_LUONG_DOT, false));
    good = classic_args(CLATTN_LUONG_DOT, false);
    SPOILT(args.w = biased.w, "args.w is given, but dot products take none");
    SPOILT(args.wk = biased.wk, "args.wk is given");
    clattn_op_destroy(op);
}
END_TEST

START_TEST(weights_that_the_descriptor_has_are_not_given_again)
{
    clattn_classic_args good = classic_args(CLATTN_ADDITIVE, false);
    clattn_classic_desc desc = classic_desc(CLATTN_ADDITIVE, false);
    const clattn_tensor wk = good.wk;
    desc.wk = wk;
    clattn_op *op = classic_make(desc);
    assert_call_refused(op, &good, "args.wk is given, but desc.wk was");
    good.wk = (clattn_tensor){0};
    SPOILT(args.wq.mem = NULL, "args.wq is required");
    desc.wk = (clattn_tensor){0};
    desc.wq = good.wq;
    clattn_op_destroy(op);
    op = classic_make(desc);
    good.wk = wk;
    assert_call_refused(op, &good, "args.wq is given, but desc.wq was");
    clattn_op_destroy(op);
    good = classic_args(CLATTN_LUONG_CONCAT, false);
    desc = classic_desc(CLATTN_LUONG_CONCAT, false);
    desc.w_concat = good.w_concat;
    op = classic_make(desc);
    assert_call_refused(op, &good, "args.w_concat is given, but desc.w_concat was");
    clattn_op_destroy(op);
}
END_TEST

START_TEST(an_output_over_an_input_is_refused)
{
    clattn_classic_desc desc = classic_desc(CLATTN_ADDITIVE, true);
    desc.attention.with = CLATTN_WITH_WEIGHTS;
    clattn_op *op = classic_make(desc);
    clattn_classic_args good = classic_args(CLATTN_ADDITIVE, true);
    good.attention.lse = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, 1);
    good.attention.weights = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, N_K);
    const cl_mem shared = memory_make(1 << 14);
#define OVER(output, input)                                                                        \
    SPOILT(args.input.mem = args.attention.output.mem = shared,                                    \
           "args.attention." #output " overlaps args." #input)
    OVER(out, attention.q);
    OVER(out, attention.k);
    OVER(out, wq);
    OVER(out, wk);
    OVER(out, w);
    OVER(out, b);
    OVER(lse, attention.q);
    OVER(weights, attention.k);
    SPOILT(args.attention.v.mem = args.attention.out.mem = shared, "args.out overlaps args.v");
    clattn_op_destroy(op);
    op = classic_make(classic_desc(CLATTN_LUONG_CONCAT, false));
    good = classic_args(CLATTN_LUONG_CONCAT, false);
    OVER(out, w_concat);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(the_callers_scratch_serves_or_is_refused)
{
    const size_t q = B * N_Q * HEADS * D, k = B * N_K * D;
    const size_t floats[] = {[CLATTN_ADDITIVE] = q + k * KV,
                             [CLATTN_LUONG_DOT] = 0,
                             [CLATTN_LUONG_GENERAL] = k * KV,
                             [CLATTN_LUONG_CONCAT] = q + k * HEADS};
    for (int kind = CLATTN_ADDITIVE; kind <= CLATTN_LUONG_CONCAT; kind++) {
        const clattn_classic_desc desc = classic_desc((clattn_classic_kind)kind, false);
        clattn_classic_args args = classic_args((clattn_classic_kind)kind, false);
        clattn_op *op = classic_make(desc);
        const size_t bytes = clattn_classic_scratch(op, &args);
        ck_assert_uint_eq(bytes, sizeof(float) * floats[kind]);
        classic_run(desc, &args);
        const clattn_tensor expected = args.attention.out;
        args.attention.out = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, DV);
        args.scratch = scratch_make(bytes);
        classic_run(desc, &args);
        assert_scratch_kept(args.scratch, bytes);
        assert_same_tensors(&args.attention.out, &expected, 0);
        if (bytes) {
            args.scratch = memory_make(bytes - 1);
            assert_call_refused(op, &args, "args.scratch");
        }
        clattn_op_destroy(op);
    }
}
END_TEST

START_TEST(a_refused_call_writes_nothing)
{
    clattn_op *op = classic_make(classic_desc(CLATTN_ADDITIVE, false));
    clattn_classic_args args = classic_args(CLATTN_ADDITIVE, false);
    args.scratch = memory_make(clattn_classic_scratch(op, &args));
    const int64_t count = (int64_t)(clattn_classic_scratch(op, &args) / sizeof(float));
    const clattn_tensor scratch = {.mem = args.scratch, .size = {1, 1, 1, count}};
    const clattn_tensor seven = tensor_zeros(CLATTN_F32, 1, 1, 1, count);
    tensor_fill(&scratch, 7);
    tensor_fill(&seven, 7);
    args.attention.v.mem = NULL;
    assert_call_refused(op, &args, "args.v");
    assert_same_tensors(&scratch, &seven, 0);
    clattn_op_destroy(op);
}
END_TEST

/* Repeated axes let sizes be large without memory. */
START_TEST(projected_rows_that_no_memory_holds_are_refused)
{
    clattn_classic_desc desc = classic_desc(CLATTN_ADDITIVE, false);
    desc.attention.query_heads = 1 << 20;
    desc.attention.kv_heads = 1;
    clattn_op *op = classic_make(desc);
    clattn_classic_args args = classic_args(CLATTN_ADDITIVE, false);
    const int64_t stride[4] = {0, 0, 0, 1}, weight_stride[4] = {0, QUERY, 0, 1};
    args.wq = tensor_zeros(CLATTN_F32, 1, (1 << 20) * D, 1, QUERY);
    memcpy(args.wq.stride, weight_stride, sizeof weight_stride);
    args.wk.size[1] = D;
    args.w.size[2] = 1;
    args.attention.q.size[0] = args.attention.k.size[0] = INT32_MAX / 2;
    args.attention.q.size[1] = INT32_MAX / 2;
    memcpy(args.attention.q.stride, stride, sizeof stride);
    memcpy(args.attention.k.stride, stride, sizeof stride);
    ck_assert_uint_eq(clattn_classic_scratch(op, &args), 0);
    assert_call_refused(op, &args, "do not fit 64-bit sizes");
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_missing_op_or_call_and_an_op_of_another_kind_are_refused)
{
    const clattn_project_desc project_desc = {.in_dim = 4, .out_dim = 4, .kernel = "plain"};
    const clattn_classic_args args = classic_args(CLATTN_ADDITIVE, false);
    clattn_op *other = NULL, *op = classic_make(classic_desc(CLATTN_ADDITIVE, false));
    clattn_op *dot = classic_make(classic_desc(CLATTN_LUONG_DOT, false));
    assert_ok(clattn_project_create(fixture.context, &project_desc, &other));
    assert_refused(clattn_classic_run(NULL, fixture.queue, &args, NULL), "op is NULL");
    assert_refused(clattn_classic_run(op, fixture.queue, NULL, NULL), "args is NULL");
    assert_refused(clattn_classic_run(other, fixture.queue, &args, NULL), "another kind, project");
    assert_refused(clattn_attention_run(dot, fixture.queue, &args.attention, NULL),
                   "another kind, classic");
    ck_assert_uint_eq(clattn_classic_scratch(NULL, &args), 0);
    ck_assert_uint_eq(clattn_classic_scratch(op, NULL), 0);
    ck_assert_uint_eq(clattn_classic_scratch(other, &args), 0);
    clattn_op_destroy(other);
    clattn_op_destroy(dot);
    clattn_op_destroy(op);
}
END_TEST

static void add_calls(TCase *tests)
{
    tcase_add_test(tests, an_operand_that_is_missing_is_refused_by_name);
    tcase_add_test(tests, an_operand_that_does_not_fit_is_refused_by_name);
    tcase_add_test(tests, an_operand_that_was_not_announced_is_refused);
    tcase_add_test(tests, weights_that_the_descriptor_has_are_not_given_again);
    tcase_add_test(tests, an_output_over_an_input_is_refused);
    tcase_add_test(tests, the_callers_scratch_serves_or_is_refused);
    tcase_add_test(tests, a_refused_call_writes_nothing);
    tcase_add_test(tests, projected_rows_that_no_memory_holds_are_refused);
    tcase_add_test(tests, a_missing_op_or_call_and_an_op_of_another_kind_are_refused);
}

int main(void)
{
    Suite *suite = suite_create("classic api");
    TCase *descriptor = suite_group(suite, "descriptor", fixture_open, close_all);
    tcase_add_test(descriptor, a_field_out_of_range_is_refused);
    tcase_add_test(descriptor, what_a_kind_does_not_do_is_refused);
    tcase_add_test(descriptor, heads_too_many_for_one_projection_are_refused);
    tcase_add_test(descriptor, weights_of_the_descriptor_that_do_not_fit_are_refused);
    tcase_add_test(descriptor, what_is_missing_is_named);
    add_calls(suite_group(suite, "calls", fixture_open, close_all));
    return suite_run_on_device(suite);
}
