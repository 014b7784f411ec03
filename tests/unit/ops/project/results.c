/* What a projection computes, with each kernel: rows and heads wherever they lie, weights of the
 * call and of the descriptor, scratch. */
#include "projections.h"

KERNEL_TEST(it_computes_what_the_reference_says)
{
    for (int bias = 0; bias < 2; bias++) {
        clattn_op *op = project_make(kernel, bias);
        const clattn_project_args args = good_args(bias);
        project_run(op, &args);
        assert_projected(&args.x, &args.weight, bias ? &args.bias : NULL, &args.y);
        clattn_op_destroy(op);
    }
}

KERNEL_TEST(heads_of_a_row_are_one_row)
{
    clattn_op *op = project_make(kernel, true);
    clattn_project_args args = good_args(true);
    const clattn_tensor x = args.x, y = args.y;
    args.x = tensor_view(x, 0, B, ROWS, 3, IN / 3);
    args.y = tensor_view(y, 0, B, ROWS, 2, OUT / 2);
    project_run(op, &args);
    assert_projected(&x, &args.weight, &args.bias, &y);
    clattn_op_destroy(op);
}

KERNEL_TEST(heads_that_do_not_lie_side_by_side_are_refused)
{
    clattn_op *op = project_make(kernel, true);
    const int64_t apart[4] = {ROWS * IN, IN / 3, ROWS * IN / 3, 1};
    SPOILT(args.x = tensor_view(args.x, 0, B, ROWS, 3, IN / 3);
           memcpy(args.x.stride, apart, sizeof apart), "args.x.stride[2]");
    SPOILT(args.y = tensor_view(args.y, 0, B, ROWS, 2, OUT / 2);
           memcpy(args.y.stride, apart, sizeof apart), "args.y.stride[2]");
    clattn_op_destroy(op);
}

/* Rows with gaps, and a batch whose rows interleave with those of the next. */
KERNEL_TEST(strides_do_not_change_the_result)
{
    enum { PITCH = 20 };
    const int64_t orders[2][2] = {{ROWS * PITCH, PITCH}, {PITCH, B * PITCH}}; /* batch, row */
    clattn_op *op = project_make(kernel, true);
    for (int order = 0; order < 2; order++) {
        clattn_project_args args = good_args(true);
        const clattn_tensor dense_x = args.x, dense_y = args.y;
        project_run(op, &args);
        float x[B * ROWS * IN], wide[B * ROWS * PITCH] = {0}, y[B * ROWS * PITCH],
                                                expected[B * ROWS * OUT];
        tensor_read(&dense_x, x, B * ROWS * IN);
        tensor_read(&dense_y, expected, B * ROWS * OUT);
        const int64_t stride[4] = {orders[order][0], orders[order][1], 0, 1};
        for (int i = 0; i < B * ROWS * IN; i++) {
            wide[i / IN / ROWS * stride[0] + i / IN % ROWS * stride[1] + i % IN] = x[i];
        }
        const clattn_tensor wide_x = tensor_of(wide, 1, 1, 1, B * ROWS * PITCH);
        const clattn_tensor wide_y = tensor_zeros(CLATTN_F32, 1, 1, 1, B * ROWS * PITCH);
        args.x.mem = wide_x.mem;
        args.y.mem = wide_y.mem;
        memcpy(args.x.stride, stride, sizeof stride);
        memcpy(args.y.stride, stride, sizeof stride);
        project_run(op, &args);
        tensor_read(&wide_y, y, B * ROWS * PITCH);
        for (int i = 0; i < B * ROWS * OUT; i++) {
            const int64_t row = i / OUT / ROWS * stride[0] + i / OUT % ROWS * stride[1];
            ck_assert_float_eq_tol(y[row + i % OUT], expected[i], 1e-5f);
            ck_assert(y[row + OUT + i % (PITCH - OUT)] == 0); /* the gap is not written */
        }
    }
    clattn_op_destroy(op);
}

KERNEL_TEST(a_repeated_batch_equals_one_written_out)
{
    clattn_op *op = project_make(kernel, true);
    for (int64_t rows = 1; rows <= ROWS; rows += ROWS - 1) {
        clattn_project_args args = good_args(true);
        const clattn_tensor once = tensor_zeros(CLATTN_F32, 1, rows, 1, OUT);
        const int64_t repeated[4] = {0, IN, IN, 1};
        args.x.size[1] = args.y.size[1] = rows;
        memcpy(args.x.stride, repeated, sizeof repeated);
        project_run(op, &args);
        const clattn_tensor first = tensor_view(args.y, 0, 1, rows, 1, OUT);
        const clattn_tensor second = tensor_view(args.y, rows * OUT, 1, rows, 1, OUT);
        args.x = tensor_view(args.x, 0, 1, rows, 1, IN);
        args.y = once;
        project_run(op, &args);
        assert_same_tensors(&first, &once, 1e-5f);
        assert_same_tensors(&second, &once, 1e-5f);
    }
    clattn_op_destroy(op);
}

KERNEL_TEST(no_rows_and_no_batch_are_no_work)
{
    clattn_op *op = project_make(kernel, true);
    clattn_project_args args = good_args(true);
    const clattn_tensor y = args.y, seven = tensor_zeros(CLATTN_F32, B, ROWS, 1, OUT);
    tensor_fill(&seven, 7);
    tensor_fill(&y, 7);
    args.x.size[1] = args.y.size[1] = 0;
    project_run(op, &args);
    args.x.mem = args.y.mem = NULL;
    project_run(op, &args);
    args.x.size[0] = args.y.size[0] = 0;
    cl_event event = NULL;
    assert_ok(clattn_project_run(op, fixture.queue, &args, &event));
    ck_assert_int_eq(clWaitForEvents(1, &event), CL_SUCCESS);
    ck_assert_int_eq(clReleaseEvent(event), CL_SUCCESS);
    assert_same_tensors(&y, &seven, 0);
    clattn_op_destroy(op);
}

/* ---- Constant weights ------------------------------------------------------- */

static cl_uint references(cl_mem mem)
{
    cl_uint count = 0;
    clGetMemObjectInfo(mem, CL_MEM_REFERENCE_COUNT, sizeof count, &count, NULL);
    return count;
}

KERNEL_TEST(a_weight_of_the_descriptor_equals_one_of_the_call)
{
    clattn_project_args args = good_args(true);
    const clattn_project_desc desc = {
        .in_dim = IN, .out_dim = OUT, .bias = true, .weight = args.weight, .kernel = kernel};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(fixture.context, &desc, &op));
    const clattn_tensor weight = args.weight;
    args.weight = (clattn_tensor){0};
    project_run(op, &args);
    assert_projected(&args.x, &weight, &args.bias, &args.y);
    clattn_op_destroy(op);
    ck_assert_uint_eq(references(weight.mem), 1);
}

KERNEL_TEST(a_weight_given_twice_is_refused)
{
    const clattn_project_args args = good_args(false);
    const clattn_project_desc desc = {
        .in_dim = IN, .out_dim = OUT, .weight = args.weight, .kernel = kernel};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(fixture.context, &desc, &op));
    assert_call_refused(op, &args, "args.weight is given, but desc.weight was");
    clattn_op_destroy(op);
}

START_TEST(a_weight_of_the_descriptor_that_does_not_fit_is_refused_by_name)
{
    const clattn_tensor good = tensor_random(2, 1, OUT, 1, IN);
    clattn_tensor wrong[5] = {good, good, good, good, good};
    wrong[0].type = CLATTN_I32;
    wrong[1].size[1]--;
    wrong[2].size[3]++;
    wrong[3].offset = 1;
    wrong[4].stride[1] = IN - 1; /* rows overlap */
    wrong[4].stride[3] = 1;
    for (int i = 0; i < 5; i++) {
        clattn_op *const before = (clattn_op *)(void *)&fixture, *op = before;
        const clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT, .weight = wrong[i]};
        assert_refused(clattn_project_create(fixture.context, &desc, &op), "desc.weight");
        ck_assert_ptr_eq(op, before);
        ck_assert_uint_eq(references(good.mem), 1);
    }
}
END_TEST

/* ---- Scratch --------------------------------------------------------------- */

/* f16 zeros: x, weight and y of the call in half. */
static clattn_project_args half_args(void)
{
    const clattn_project_args args = {
        .x = tensor_zeros(CLATTN_F16, B, ROWS, 1, IN),
        .weight = tensor_zeros(CLATTN_F16, 1, OUT, 1, IN),
        .y = tensor_zeros(CLATTN_F16, B, ROWS, 1, OUT),
    };
    return args;
}

KERNEL_TEST(the_callers_scratch_serves_or_is_refused)
{
    const clattn_project_desc desc = {
        .in_dim = IN, .out_dim = OUT, .type = CLATTN_F16, .out_type = CLATTN_F16, .kernel = kernel};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(fixture.context, &desc, &op));
    clattn_project_args args = half_args();
    const size_t bytes = clattn_project_scratch(op, &args);
    project_run(op, &args);
    args.scratch = scratch_make(bytes);
    project_run(op, &args);
    assert_scratch_kept(args.scratch, bytes);
    if (bytes > 0) {
        args.scratch = memory_make(bytes - 1);
        assert_call_refused(op, &args, "args.scratch");
    }
    clattn_op_destroy(op);
}

int main(void)
{
    Suite *suite = suite_create("project results");
    TCase *tests = suite_group(suite, "results", fixture_open, close_all);
    tcase_add_loop_test(tests, it_computes_what_the_reference_says, 0, KERNELS);
    tcase_add_loop_test(tests, heads_of_a_row_are_one_row, 0, KERNELS);
    tcase_add_loop_test(tests, heads_that_do_not_lie_side_by_side_are_refused, 0, KERNELS);
    tcase_add_loop_test(tests, strides_do_not_change_the_result, 0, KERNELS);
    tcase_add_loop_test(tests, a_repeated_batch_equals_one_written_out, 0, KERNELS);
    tcase_add_loop_test(tests, no_rows_and_no_batch_are_no_work, 0, KERNELS);
    tcase_add_loop_test(tests, the_callers_scratch_serves_or_is_refused, 0, KERNELS);
    tcase_add_loop_test(tests, a_weight_of_the_descriptor_equals_one_of_the_call, 0, KERNELS);
    tcase_add_loop_test(tests, a_weight_given_twice_is_refused, 0, KERNELS);
    tcase_add_test(tests, a_weight_of_the_descriptor_that_does_not_fit_is_refused_by_name);
    return suite_run_on_device(suite);
}
