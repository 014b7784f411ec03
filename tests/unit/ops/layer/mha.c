/* ops/layer/mha.c: a layer's numbers are those of its parts run one after the other. */
#include "support/mha.h"
#include "support/fixture.h"

static void close_all(void)
{
    tensors_release();
    fixture_close();
}

static void project(const clattn_tensor *x, const clattn_tensor *weight, const clattn_tensor *bias,
                    const clattn_tensor *y)
{
    const clattn_project_desc desc = {.in_dim = (int32_t)weight->size[3],
                                      .out_dim = (int32_t)weight->size[1],
                                      .bias = bias->mem != NULL,
                                      .kernel = "plain"};
    const clattn_project_args args = {.x = *x, .weight = *weight, .bias = *bias, .y = *y};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(fixture.context, &desc, &op));
    assert_ok(clattn_project_run(op, fixture.queue, &args, NULL));
    clattn_op_destroy(op);
}

/* What the layer must give: its parts one after the other. */
static clattn_tensor by_parts(clattn_attention_desc desc, const clattn_mha_args *a)
{
    const clattn_tensor *source = a->context.mem ? &a->context : &a->x;
    const int64_t n_k = source->size[1];
    clattn_attention_args attention = a->attention;
    attention.q = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, D);
    attention.k = tensor_zeros(CLATTN_F32, B, n_k, KV, D);
    attention.v = tensor_zeros(CLATTN_F32, B, n_k, KV, DV);
    attention.out = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, DV);
    project(&a->x, &a->wq, &a->bq, &attention.q);
    project(source, &a->wk, &a->bk, &attention.k);
    project(source, &a->wv, &a->bv, &attention.v);
    clattn_op *op = NULL;
    assert_ok(clattn_attention_create(fixture.context, &desc, &op));
    assert_ok(clattn_attention_run(op, fixture.queue, &attention, NULL));
    clattn_op_destroy(op);
    if (!a->wo.mem) {
        return attention.out;
    }
    const clattn_tensor out = tensor_zeros(CLATTN_F32, B, N_Q, 1, OUT);
    project(&attention.out, &a->wo, &a->bo, &out);
    return out;
}

static const float tolerance = 1e-4f; /* values reach a few tens */

START_TEST(self_attention_equals_its_parts)
{
    for (int biases = 0; biases < 2; biases++) {
        const clattn_mha_desc desc = layer_desc(false, biases, false);
        const clattn_mha_args args = separate_args(biases, false);
        mha_run(desc, &args);
        const clattn_tensor expected = by_parts(desc.attention, &args);
        assert_same_tensors(&args.out, &expected, tolerance);
    }
}
END_TEST

START_TEST(cross_attention_equals_its_parts)
{
    for (int biases = 0; biases < 2; biases++) {
        const clattn_mha_desc desc = layer_desc(false, biases, true);
        const clattn_mha_args args = separate_args(biases, true);
        mha_run(desc, &args);
        const clattn_tensor expected = by_parts(desc.attention, &args);
        assert_same_tensors(&args.out, &expected, tolerance);
    }
}
END_TEST

START_TEST(fused_weights_equal_separate_ones)
{
    for (int biases = 0; biases < 2; biases++) {
        const clattn_mha_args separate = separate_args(biases, false),
                              fused = fused_args(&separate, biases);
        mha_run(layer_desc(false, biases, false), &separate);
        mha_run(layer_desc(true, biases, false), &fused);
        assert_same_tensors(&fused.out, &separate.out, tolerance);
    }
}
END_TEST

START_TEST(without_an_output_projection_the_heads_are_the_output)
{
    for (int fused = 0; fused < 2; fused++) {
        clattn_mha_desc desc = layer_desc(fused, true, false);
        desc.out_dim = 0;
        clattn_mha_args separate = separate_args(true, false);
        separate.wo = separate.bo = (clattn_tensor){0};
        const clattn_tensor expected = by_parts(desc.attention, &separate);
        clattn_mha_args args = fused ? fused_args(&separate, true) : separate;
        args.out = tensor_zeros(CLATTN_F32, B, N_Q, 1, ATTENDED);
        mha_run(desc, &args);
        const clattn_tensor heads = tensor_view(args.out, 0, B, N_Q, HEADS, DV);
        assert_same_tensors(&heads, &expected, tolerance);
    }
}
END_TEST

START_TEST(attention_takes_its_optional_operands)
{
    clattn_mha_desc desc = layer_desc(false, false, true);
    desc.attention.with = CLATTN_WITH_BIAS | CLATTN_WITH_WEIGHTS;
    clattn_mha_args args = separate_args(false, true);
    args.attention.bias = tensor_random(11, B, N_Q, HEADS, N_K);
    args.attention.lse = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, 1);
    args.attention.weights = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, N_K);
    mha_run(desc, &args);
    clattn_mha_args again = args;
    again.attention.lse = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, 1);
    again.attention.weights = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, N_K);
    const clattn_tensor expected = by_parts(desc.attention, &again);
    assert_same_tensors(&args.out, &expected, tolerance);
    assert_same_tensors(&args.attention.lse, &again.attention.lse, tolerance);
    assert_same_tensors(&args.attention.weights, &again.attention.weights, tolerance);
}
END_TEST

START_TEST(no_rows_and_no_batch_are_no_work)
{
    clattn_op *op = mha_make(layer_desc(false, true, false));
    clattn_mha_args args = separate_args(true, false);
    const clattn_tensor out = args.out, seven = tensor_zeros(CLATTN_F32, B, N_Q, 1, OUT);
    tensor_fill(&out, 7);
    tensor_fill(&seven, 7);
    for (int axis = 1; axis >= 0; axis--) {
        args.x.size[axis] = args.out.size[axis] = 0;
        cl_event event = NULL;
        assert_ok(clattn_mha_run(op, fixture.queue, &args, &event));
        ck_assert_int_eq(clWaitForEvents(1, &event), CL_SUCCESS);
        clReleaseEvent(event);
    }
    assert_same_tensors(&out, &seven, 0);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(an_empty_context_leaves_the_output_bias)
{
    clattn_mha_args args = separate_args(true, true);
    args.context.size[1] = 0;
    mha_run(layer_desc(false, true, true), &args);
    float bias[OUT], out[B * N_Q * OUT];
    tensor_read(&args.bo, bias, OUT);
    tensor_read(&args.out, out, B * N_Q * OUT);
    for (int i = 0; i < B * N_Q * OUT; i++) {
        ck_assert_float_eq_tol(out[i], bias[i % OUT], 1e-6f);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mha");
    TCase *tests = suite_group(suite, "mha", fixture_open, close_all);
    tcase_add_test(tests, self_attention_equals_its_parts);
    tcase_add_test(tests, cross_attention_equals_its_parts);
    tcase_add_test(tests, fused_weights_equal_separate_ones);
    tcase_add_test(tests, without_an_output_projection_the_heads_are_the_output);
    tcase_add_test(tests, attention_takes_its_optional_operands);
    tcase_add_test(tests, no_rows_and_no_batch_are_no_work);
    tcase_add_test(tests, an_empty_context_leaves_the_output_bias);
    return suite_run_on_device(suite);
}
