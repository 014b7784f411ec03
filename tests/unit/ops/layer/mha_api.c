/* ops/layer/mha.c: what a layer's descriptor and call may say. */
#include "support/fixture.h"
#include "support/mha.h"

#include <math.h>

static void close_all(void)
{
    tensors_release();
    fixture_close();
}

/* ---- Descriptor ------------------------------------------------------------ */

static void assert_desc_refused(clattn_mha_desc desc, const char *field)
{
    clattn_op *const before = (clattn_op *)(void *)&fixture, *op = before;
    const clattn_status status = clattn_mha_create(fixture.context, &desc, &op);
    ck_assert_msg(status == CLATTN_ERR_ARGUMENT, "%s was not refused: %s", field,
                  clattn_status_name(status));
    assert_contains(clattn_error(), field);
    assert_contains(clattn_error(), "mha: ");
    ck_assert_ptr_eq(op, before);
}

#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        clattn_mha_desc desc = layer_desc(false, false, false);                                    \
        desc.field = value;                                                                        \
        assert_desc_refused(desc, strrchr("." #field, '.') + 1);                                   \
    } while (0)

START_TEST(a_field_out_of_range_is_refused)
{
    REFUSED(model_dim, 0);
    REFUSED(model_dim, -1);
    REFUSED(model_dim, INT32_MIN);
    REFUSED(context_dim, -1);
    REFUSED(out_dim, -1);
    REFUSED(out_dim, INT32_MIN);
    REFUSED(attention.head_dim, 0);
    REFUSED(attention.value_dim, 1000);
    REFUSED(attention.query_heads, 0);
    REFUSED(attention.query_heads, INT32_MAX);
    REFUSED(attention.kv_heads, 3);
    REFUSED(attention.type, CLATTN_U8);
    REFUSED(attention.out_type, CLATTN_I32);
    REFUSED(attention.scale, INFINITY);
    REFUSED(attention.kernel, "none");
    clattn_mha_desc fused = layer_desc(true, false, false);
    fused.context_dim = CONTEXT;
    assert_desc_refused(fused, "context_dim");
}
END_TEST

START_TEST(heads_too_many_for_one_projection_are_refused)
{
    clattn_mha_desc desc = layer_desc(false, false, false);
    desc.attention.query_heads = desc.attention.kv_heads = 1 << 29;
    assert_desc_refused(desc, "query_heads");
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    clattn_op *op = NULL;
    const clattn_mha_desc desc = layer_desc(false, false, false);
    assert_refused(clattn_mha_create(NULL, &desc, &op), "context is NULL");
    assert_refused(clattn_mha_create(fixture.context, NULL, &op), "desc is NULL");
    assert_refused(clattn_mha_create(fixture.context, &desc, NULL), "out is NULL");
    ck_assert_ptr_null(op);
}
END_TEST

/* ---- Call ------------------------------------------------------------------ */

static void assert_call_refused(const clattn_op *op, const clattn_mha_args *args, const char *words)
{
    cl_event event = NULL;
    const clattn_status status = clattn_mha_run(op, fixture.queue, args, &event);
    ck_assert_msg(status == CLATTN_ERR_ARGUMENT, "%s was not refused: %s", words,
                  clattn_status_name(status));
    assert_contains(clattn_error(), words);
    ck_assert_ptr_null(event);
}

#define SPOILT(good, statement, words)                                                             \
    do {                                                                                           \
        clattn_mha_args args = good;                                                               \
        statement;                                                                                 \
        assert_call_refused(op, &args, words);                                                     \
    } while (0)

START_TEST(an_operand_that_is_missing_is_refused_by_name)
{
    clattn_op *op = mha_make(layer_desc(false, true, false));
    const clattn_mha_args good = separate_args(true, false);
    SPOILT(good, args.x.mem = NULL, "args.x is required");
    SPOILT(good, args.wq.mem = NULL, "args.wq is required");
    SPOILT(good, args.wk.mem = NULL, "args.wk is required");
    SPOILT(good, args.wv.mem = NULL, "args.wv is required");
    SPOILT(good, args.wo.mem = NULL, "args.wo is required");
    SPOILT(good, args.bq.mem = NULL, "args.bq is required");
    SPOILT(good, args.bk.mem = NULL, "args.bk is required");
    SPOILT(good, args.bv.mem = NULL, "args.bv is required");
    SPOILT(good, args.bo.mem = NULL, "args.bo is required");
    SPOILT(good, args.out.mem = NULL, "args.out is required");
    clattn_op_destroy(op);
    op = mha_make(layer_desc(true, true, false));
    const clattn_mha_args fused = fused_args(&good, true);
    SPOILT(fused, args.wqkv.mem = NULL, "args.wqkv is required");
    SPOILT(fused, args.bqkv.mem = NULL, "args.bqkv is required");
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_context_that_the_descriptor_promised_is_required)
{
    clattn_op *op = mha_make(layer_desc(false, false, true));
    SPOILT(separate_args(false, true), args.context.mem = NULL, "args.context");
    clattn_op_destroy(op);
}
END_TEST

START_TEST(an_operand_that_does_not_fit_is_refused_by_name)
{
    clattn_op *op = mha_make(layer_desc(false, true, true));
    const clattn_mha_args good = separate_args(true, true);
    SPOILT(good, args.x.size[3]--, "args.x.size[3]");
    SPOILT(good, args.x.size[2] = 2, "args.x.size[2]");
    SPOILT(good, args.x.type = CLATTN_F16, "args.x.type");
    SPOILT(good, args.x.offset = 1, "args.x reaches");
    SPOILT(good, args.x.size[0] = -1, "args.x");
    SPOILT(good, args.x.size[1] = INT64_MAX, "args.x");
    SPOILT(good, args.context.size[0]--, "args.context.size[0]");
    SPOILT(good, args.context.size[1] = -1, "args.context");
    SPOILT(good, args.context.size[3]--, "args.context.size[3]");
    SPOILT(good, args.out.size[1]--, "args.out.size[1]");
    SPOILT(good, args.out.size[3]++, "args.out.size[3]");
    SPOILT(good, args.out.type = CLATTN_BF16, "args.out.type");
    SPOILT(good, args.wq.size[1]--, "args.wq.size[1]");
    SPOILT(good, args.wk.size[3]++, "args.wk.size[3]");
    SPOILT(good, args.wv.type = CLATTN_F16, "args.wv.type");
    SPOILT(good, args.wo.offset = -1, "args.wo.offset");
    SPOILT(good, args.bk.size[3]--, "args.bk.size[3]");
    SPOILT(good, args.bo.offset = 1, "args.bo reaches");
    clattn_op_destroy(op);
}
END_TEST

START_TEST(an_operand_that_was_not_announced_is_refused)
{
    const clattn_mha_args with_bias = separate_args(true, false),
                          fused = fused_args(&with_bias, true);
    const clattn_mha_args good = separate_args(false, false);
    clattn_op *op = mha_make(layer_desc(false, false, false));
    SPOILT(good, args.wqkv = fused.wqkv, "args.wqkv is given");
    SPOILT(good, args.bqkv = fused.bqkv, "args.bqkv is given");
    SPOILT(good, args.bq = with_bias.bq, "args.bq is given");
    SPOILT(good, args.bk = with_bias.bk, "args.bk is given");
    SPOILT(good, args.bv = with_bias.bv, "args.bv is given");
    SPOILT(good, args.bo = with_bias.bo, "args.bo is given");
    SPOILT(good, args.attention.q = good.x, "args.attention.q is given");
    SPOILT(good, args.attention.k = good.x, "args.attention.k is given");
    SPOILT(good, args.attention.v = good.x, "args.attention.v is given");
    SPOILT(good, args.attention.out = good.out, "args.attention.out is given");
    SPOILT(good, args.attention.scratch = good.x.mem, "args.attention.scratch is given");
    SPOILT(good, args.attention.bias = good.x, "args.bias is given");
    clattn_op_destroy(op);
    op = mha_make(layer_desc(true, false, false));
    SPOILT(fused, args.wq = good.wq, "args.wq is given");
    SPOILT(fused, args.context = good.x, "args.context is given");
    clattn_op_destroy(op);
    clattn_mha_desc no_output = layer_desc(false, false, false);
    no_output.out_dim = 0;
    op = mha_make(no_output);
    SPOILT(good, args.out = good.out, "args.wo is given");
    clattn_op_destroy(op);
}
END_TEST

START_TEST(an_output_over_an_input_is_refused)
{
    clattn_op *op = mha_make(layer_desc(false, true, true));
    const clattn_mha_args good = separate_args(true, true);
    const cl_mem shared = memory_make(1 << 14);
#define OVER(input)                                                                                \
    SPOILT(good, args.input.mem = args.out.mem = shared, "args.out overlaps args." #input)
    OVER(x);
    OVER(context);
    OVER(wq);
    OVER(wk);
    OVER(wv);
    OVER(wo);
    OVER(bq);
    OVER(bk);
    OVER(bv);
    OVER(bo);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(a_refused_call_writes_nothing)
{
    clattn_op *op = mha_make(layer_desc(false, true, true));
    clattn_mha_args args = separate_args(true, true);
    args.scratch = memory_make(clattn_mha_scratch(op, &args));
    const int64_t count = (int64_t)(clattn_mha_scratch(op, &args) / sizeof(float));
    const clattn_tensor scratch = {.mem = args.scratch, .size = {1, 1, 1, count}};
    const clattn_tensor seven = tensor_zeros(CLATTN_F32, 1, 1, 1, count);
    tensor_fill(&scratch, 7);
    tensor_fill(&seven, 7);
    args.wo.mem = NULL;
    assert_call_refused(op, &args, "args.wo");
    assert_same_tensors(&scratch, &seven, 0);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(the_callers_scratch_serves_or_is_refused)
{
    for (int fused = 0; fused < 2; fused++) {
        const clattn_mha_desc desc = layer_desc(fused, true, false);
        const clattn_mha_args separate = separate_args(true, false);
        clattn_mha_args args = fused ? fused_args(&separate, true) : separate;
        clattn_op *op = mha_make(desc);
        const size_t bytes = clattn_mha_scratch(op, &args);
        ck_assert_uint_eq(bytes,
                          sizeof(float) * B * N_Q * (Q_COLUMNS + K_COLUMNS + V_COLUMNS + ATTENDED));
        mha_run(desc, &args);
        const clattn_tensor expected = args.out;
        args.out = tensor_zeros(CLATTN_F32, B, N_Q, 1, OUT);
        args.scratch = scratch_make(bytes);
        mha_run(desc, &args);
        assert_scratch_kept(args.scratch, bytes);
        assert_same_tensors(&args.out, &expected, 0);
        args.scratch = memory_make(bytes - 1);
        assert_call_refused(op, &args, "args.scratch");
        clattn_op_destroy(op);
    }
}
END_TEST

START_TEST(a_missing_op_or_call_and_an_op_of_another_kind_are_refused)
{
    const clattn_project_desc project_desc = {.in_dim = 4, .out_dim = 4, .kernel = "plain"};
    clattn_op *other = NULL, *op = mha_make(layer_desc(false, false, false));
    const clattn_mha_args args = separate_args(false, false);
    assert_ok(clattn_project_create(fixture.context, &project_desc, &other));
    assert_refused(clattn_mha_run(NULL, fixture.queue, &args, NULL), "op is NULL");
    assert_refused(clattn_mha_run(op, fixture.queue, NULL, NULL), "args is NULL");
    assert_refused(clattn_mha_run(other, fixture.queue, &args, NULL), "of another kind, project");
    ck_assert_uint_eq(clattn_mha_scratch(NULL, &args), 0);
    ck_assert_uint_eq(clattn_mha_scratch(op, NULL), 0);
    ck_assert_uint_eq(clattn_mha_scratch(other, &args), 0);
    clattn_op_destroy(other);
    clattn_op_destroy(op);
}
END_TEST

static void add_calls(TCase *tests)
{
    tcase_add_test(tests, an_operand_that_is_missing_is_refused_by_name);
    tcase_add_test(tests, a_context_that_the_descriptor_promised_is_required);
    tcase_add_test(tests, an_operand_that_does_not_fit_is_refused_by_name);
    tcase_add_test(tests, an_operand_that_was_not_announced_is_refused);
    tcase_add_test(tests, an_output_over_an_input_is_refused);
    tcase_add_test(tests, a_refused_call_writes_nothing);
    tcase_add_test(tests, the_callers_scratch_serves_or_is_refused);
    tcase_add_test(tests, a_missing_op_or_call_and_an_op_of_another_kind_are_refused);
}

int main(void)
{
    Suite *suite = suite_create("mha api");
    TCase *descriptor = suite_group(suite, "descriptor", fixture_open, close_all);
    tcase_add_test(descriptor, a_field_out_of_range_is_refused);
    tcase_add_test(descriptor, heads_too_many_for_one_projection_are_refused);
    tcase_add_test(descriptor, what_is_missing_is_named);
    add_calls(suite_group(suite, "calls", fixture_open, close_all));
    return suite_run_on_device(suite);
}
