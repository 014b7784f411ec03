/* ops/block/norm.c: what descriptors and calls of norm may say.  Results are tests/check's. */
#include "calls.h"

#include <math.h>

static clattn_norm_desc norm_desc(void)
{
    return (clattn_norm_desc){.kind = CLATTN_LAYER_NORM,
                              .weight = true,
                              .bias = true,
                              .residual = true,
                              .sum = true,
                              .kernel = "norm"};
}

static void open_norm(void)
{
    fixture_open();
    const clattn_norm_desc desc = norm_desc();
    assert_ok(clattn_norm_create(fixture.context, &desc, &op));
}

static clattn_norm_args norm_args(void)
{
    return (clattn_norm_args){
        .x = rows(1),
        .residual = rows(2),
        .weight = tensor_random(3, 1, 1, 1, COLUMNS),
        .bias = tensor_random(4, 1, 1, 1, COLUMNS),
        .sum = rows(5),
        .y = rows(6),
        .mean = tensor_zeros(CLATTN_F32, B, ROWS, HEADS, 1),
        .inverse = tensor_zeros(CLATTN_F32, B, ROWS, HEADS, 1),
    };
}

START_TEST(a_norm_out_of_range_is_refused)
{
    DESC_REFUSED(norm, norm_desc(), desc.kind = (clattn_norm_kind)2, "kind");
    DESC_REFUSED(norm, norm_desc(), desc.kind = (clattn_norm_kind)-1, "kind");
    DESC_REFUSED(norm, norm_desc(), desc.epsilon = -1e-5f, "epsilon");
    DESC_REFUSED(norm, norm_desc(), desc.epsilon = NAN, "epsilon");
    DESC_REFUSED(norm, norm_desc(), desc.epsilon = INFINITY, "epsilon");
    DESC_REFUSED(norm, norm_desc(), desc.residual = false, "sum is set, but residual is not");
    DESC_REFUSED(norm, norm_desc(), desc.kernel = "none", "block/norm_wide, block/norm");
    for (int i = 0; i < NO_FLOATS; i++) {
        DESC_REFUSED(norm, norm_desc(), desc.type = no_floats[i], "norm: type");
        DESC_REFUSED(norm, norm_desc(), desc.weight_type = no_floats[i], "weight_type");
        DESC_REFUSED(norm, norm_desc(), desc.out_type = no_floats[i], "out_type");
    }
    const clattn_activation_desc other_desc = {.kernel = "activation"};
    clattn_op *other = NULL;
    assert_ok(clattn_activation_create(fixture.context, &other_desc, &other));
    MISSING_REFUSED(norm, norm_desc(), op, other);
    clattn_op_destroy(other);
}
END_TEST

#define SPOILT(statement, words) CALL_REFUSED(norm, op, norm_args(), statement, words)

START_TEST(an_operand_that_does_not_fit_is_refused_by_name)
{
    SPOILT(args.x.mem = NULL, "args.x is required");
    SPOILT(args.residual.mem = NULL, "args.residual is required");
    SPOILT(args.weight.mem = NULL, "args.weight is required");
    SPOILT(args.bias.mem = NULL, "args.bias is required");
    SPOILT(args.sum.mem = NULL, "args.sum is required");
    SPOILT(args.y.mem = NULL, "args.y is required");
    SPOILT(args.x = narrow(args.x), "args.x.type is bf16, must be f32");
    SPOILT(args.residual = narrow(args.residual), "args.residual.type");
    SPOILT(args.weight = narrow(args.weight), "args.weight.type");
    SPOILT(args.bias = narrow(args.bias), "args.bias.type");
    SPOILT(args.sum = narrow(args.sum), "args.sum.type");
    SPOILT(args.y = narrow(args.y), "args.y.type");
    SPOILT(args.mean = narrow(args.mean), "args.mean.type");
    SPOILT(args.inverse.type = CLATTN_I32, "args.inverse.type");
    SPOILT(args.residual.size[0]--, "args.residual.size[0]");
    SPOILT(args.weight.size[3]--, "args.weight.size[3]");
    SPOILT(args.bias.size[1]++, "args.bias.size[1]");
    SPOILT(args.sum.size[1]--, "args.sum.size[1]");
    SPOILT(args.y.size[2]--, "args.y.size[2]");
    SPOILT(args.mean.size[3]++, "args.mean.size[3]");
    SPOILT(args.inverse.size[1]--, "args.inverse.size[1]");
    SPOILT(args.x.offset = -1, "args.x.offset");
    SPOILT(args.y.offset = 1, "args.y reaches");
    SPOILT(args.x.stride[3] = 2, "args.x.stride[3]");
    SPOILT(args.x.size[3] = args.residual.size[3] = args.weight.size[3] = args.bias.size[3] =
               args.sum.size[3] = args.y.size[3] = 0,
           "args.x.size[3] is 0");
}
END_TEST

START_TEST(sizes_out_of_range_are_refused_by_name)
{
    const int64_t wrong[] = {-1, INT64_MIN, INT64_MAX, (int64_t)1 << 40, (1 << 30) + 1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        for (int axis = 0; axis < 4; axis++) {
            SPOILT(args.x.size[axis] = wrong[i], "args.x.size");
            SPOILT(args.y.size[axis] = wrong[i], "args.y.size");
            SPOILT(args.weight.size[axis] = wrong[i], "args.weight.size");
        }
    }
}
END_TEST

START_TEST(an_output_over_an_operand_is_refused)
{
    const cl_mem shared = memory_make(1 << 14);
    SPOILT(args.y.mem = args.weight.mem = shared, "args.y overlaps args.weight");
    SPOILT(args.y.mem = args.sum.mem = shared, "args.sum overlaps args.y");
    SPOILT(args.mean.mem = args.inverse.mem = shared, "args.mean overlaps args.inverse");
    SPOILT(args.mean.mem = args.x.mem = shared, "args.mean overlaps args.x");
    /* In place is exactly in place: not a column further, and not of another order. */
    const int64_t turned[4] = {COLUMNS, B * COLUMNS, ROWS * B * COLUMNS, 1};
    SPOILT(args.y.mem = args.x.mem = shared; args.y.offset = 1, "args.y overlaps args.x");
    SPOILT(args.y.mem = args.x.mem = shared;
           memcpy(args.y.stride, turned, sizeof turned), "args.y overlaps args.x");
    SPOILT(args.sum.mem = args.residual.mem = shared;
           args.sum.offset = 4, "args.sum overlaps args.residual");
    SPOILT(const int64_t none[4] = {0}; memcpy(args.y.stride, none, sizeof none);
           args.y.stride[3] = 1, "args.y is an output whose strides make elements coincide");
}
END_TEST

#undef SPOILT

START_TEST(an_operand_that_was_not_announced_is_refused)
{
    const clattn_norm_desc desc = {.kernel = "norm"};
    clattn_op *plain = NULL;
    assert_ok(clattn_norm_create(fixture.context, &desc, &plain));
    clattn_norm_args good = norm_args();
    const clattn_norm_args all = good;
    good.residual = good.weight = good.bias = good.sum = (clattn_tensor){0};
#define GIVEN(name)                                                                                \
    CALL_REFUSED(norm, plain, good, args.name = all.name,                                          \
                 "args." #name " is given, but desc lacks " #name)
    GIVEN(residual);
    GIVEN(weight);
    GIVEN(bias);
    GIVEN(sum);
#undef GIVEN
    assert_ok(clattn_norm_run(plain, fixture.queue, &good, NULL));
    clattn_op_destroy(plain);
}
END_TEST

START_TEST(a_call_without_work_needs_no_tensors_and_gives_an_event)
{
    clattn_norm_args args = norm_args();
    cl_event event = NULL;
    args.x.size[1] = args.residual.size[1] = args.sum.size[1] = args.y.size[1] = args.mean.size[1] =
        args.inverse.size[1] = 0;
    args.x.mem = args.residual.mem = args.y.mem = args.sum.mem = NULL;
    assert_ok(clattn_norm_run(op, fixture.queue, &args, &event));
    ck_assert_ptr_nonnull(event);
    ck_assert_int_eq(clWaitForEvents(1, &event), CL_SUCCESS);
    clReleaseEvent(event);
}
END_TEST

/* ---- In place ------------------------------------------------------------------ */

/* Slices of one buffer's rows: x, residual and y side by side, each in its own columns. */
START_TEST(slices_of_rows_side_by_side_do_not_overlap)
{
    enum { SLICES = 3, PITCH = SLICES * HEADS * COLUMNS };
    const clattn_tensor fused = tensor_random(7, B, ROWS, SLICES, HEADS * COLUMNS);
    clattn_tensor slice[SLICES], dense[SLICES];
    float values[B * ROWS * PITCH];
    tensor_read(&fused, values, B * ROWS * PITCH);
    for (int s = 0; s < SLICES; s++) {
        float part[B * ROWS * HEADS * COLUMNS];
        for (int n = 0; n < B * ROWS * HEADS * COLUMNS; n++) {
            part[n] =
                values[n / (HEADS * COLUMNS) * PITCH + s * HEADS * COLUMNS + n % (HEADS * COLUMNS)];
        }
        dense[s] = tensor_of(part, B, ROWS, HEADS, COLUMNS);
        slice[s] = dense[s];
        slice[s].mem = fused.mem;
        slice[s].offset = s * HEADS * COLUMNS;
        const int64_t stride[4] = {ROWS * PITCH, PITCH, COLUMNS, 1};
        memcpy(slice[s].stride, stride, sizeof stride);
    }
    clattn_norm_args call = norm_args();
    call.x = dense[0], call.residual = dense[1];
    assert_ok(clattn_norm_run(op, fixture.queue, &call, NULL));
    const clattn_tensor y = call.y, sum = call.sum;
    call.x = call.sum = slice[0], call.residual = slice[1], call.y = slice[2];
    assert_ok(clattn_norm_run(op, fixture.queue, &call, NULL));
    float got[B * ROWS * PITCH], expected_y[B * ROWS * HEADS * COLUMNS],
        expected_sum[B * ROWS * HEADS * COLUMNS];
    tensor_read(&fused, got, B * ROWS * PITCH);
    tensor_read(&y, expected_y, B * ROWS * HEADS * COLUMNS);
    tensor_read(&sum, expected_sum, B * ROWS * HEADS * COLUMNS);
    for (int n = 0; n < B * ROWS * HEADS * COLUMNS; n++) {
        const float *row = got + n / (HEADS * COLUMNS) * PITCH + n % (HEADS * COLUMNS);
        ck_assert_float_eq(row[0], expected_sum[n]);
        ck_assert_float_eq(row[2 * HEADS * COLUMNS], expected_y[n]);
    }
    call.y.offset--; /* the last column of the residual */
    CALL_REFUSED(norm, op, call, (void)0, "args.y overlaps args.residual");
    call.y.offset += 2; /* the first of the next row's x */
    CALL_REFUSED(norm, op, call, args.y.size[1]--; args.x.size[1]--; args.residual.size[1]--;
                 args.sum.size[1]--; args.mean.size[1]--; args.inverse.size[1]--, "overlaps");
}
END_TEST

START_TEST(the_label_says_what_the_kernel_is_made_for)
{
    ck_assert_str_eq(clattn_op_kernel(op), "block/norm f32 layer weight bias sum");
    const clattn_norm_desc desc = {.type = CLATTN_F16, .residual = true, .kernel = "norm"};
    clattn_op *other = NULL;
    assert_ok(clattn_norm_create(fixture.context, &desc, &other));
    ck_assert_str_eq(clattn_op_kernel(other), "block/norm f16>f32 rms residual");
    clattn_op_destroy(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("norm api");
    TCase *tests = suite_group(suite, "norm", open_norm, close_all);
    tcase_add_test(tests, a_norm_out_of_range_is_refused);
    tcase_add_test(tests, an_operand_that_does_not_fit_is_refused_by_name);
    tcase_add_test(tests, sizes_out_of_range_are_refused_by_name);
    tcase_add_test(tests, an_output_over_an_operand_is_refused);
    tcase_add_test(tests, an_operand_that_was_not_announced_is_refused);
    tcase_add_test(tests, a_call_without_work_needs_no_tensors_and_gives_an_event);
    tcase_add_test(tests, slices_of_rows_side_by_side_do_not_overlap);
    tcase_add_test(tests, the_label_says_what_the_kernel_is_made_for);
    return suite_run_on_device(suite);
}
