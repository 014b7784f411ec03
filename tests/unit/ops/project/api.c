/* ops/project/project.c: what a projection's descriptor and call may say, for each kernel. */
#include "projections.h"

/* ---- Descriptor ------------------------------------------------------------ */

#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT};                                 \
        clattn_op *const before = (clattn_op *)(void *)&fixture, *op = before;                     \
        desc.field = value;                                                                        \
        assert_refused(clattn_project_create(fixture.context, &desc, &op), #field);                \
        assert_contains(clattn_error(), "project: ");                                              \
        ck_assert_ptr_eq(op, before);                                                              \
    } while (0)

START_TEST(a_field_out_of_range_is_refused)
{
    const int32_t wrong[] = {0, -1, INT32_MIN, INT32_MAX, (1 << 24) + 1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        REFUSED(in_dim, wrong[i]);
        REFUSED(out_dim, wrong[i]);
    }
    const clattn_type types[] = {CLATTN_I32, CLATTN_U8, (clattn_type)5, (clattn_type)-1};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        REFUSED(type, types[i]);
        REFUSED(out_type, types[i]);
    }
    REFUSED(activation, (clattn_activation)-1);
    REFUSED(activation, (clattn_activation)(CLATTN_SILU + 1));
    REFUSED(kernel, "none");
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    clattn_op *op = NULL;
    const clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT};
    assert_refused(clattn_project_create(NULL, &desc, &op), "context is NULL");
    assert_refused(clattn_project_create(fixture.context, NULL, &op), "desc is NULL");
    assert_refused(clattn_project_create(fixture.context, &desc, NULL), "out is NULL");
    ck_assert_ptr_null(op);
}
END_TEST

/* ---- Call ------------------------------------------------------------------ */

KERNEL_TEST(an_operand_that_does_not_fit_is_refused_by_name)
{
    clattn_op *op = project_make(kernel, true);
    SPOILT(args.x.mem = NULL, "args.x is required");
    SPOILT(args.weight.mem = NULL, "args.weight is required");
    SPOILT(args.bias.mem = NULL, "args.bias is required");
    SPOILT(args.y.mem = NULL, "args.y is required");
    SPOILT(args.x.type = CLATTN_F16, "args.x.type");
    SPOILT(args.weight.type = CLATTN_BF16, "args.weight.type");
    SPOILT(args.bias.type = CLATTN_I32, "args.bias.type");
    SPOILT(args.y.type = CLATTN_F16, "args.y.type");
    SPOILT(args.x.size[3]--, "args.x.size[3]");
    SPOILT(args.weight.size[1]--, "args.weight.size[1]");
    SPOILT(args.weight.size[3]++, "args.weight.size[3]");
    SPOILT(args.bias.size[3]--, "args.bias.size[3]");
    SPOILT(args.y.size[0]--, "args.y.size[0]");
    SPOILT(args.y.size[1]++, "args.y.size[1]");
    SPOILT(args.y.size[3]--, "args.y.size[3]");
    SPOILT(args.x.offset = -1, "args.x.offset");
    SPOILT(args.x.offset = 1, "args.x reaches");
    SPOILT(args.weight.offset = 1, "args.weight reaches");
    SPOILT(args.bias.offset = 1, "args.bias reaches");
    SPOILT(args.y.offset = 1, "args.y reaches");
    clattn_op_destroy(op);
}

KERNEL_TEST(sizes_out_of_range_are_refused_by_name)
{
    clattn_op *op = project_make(kernel, true);
    const int64_t wrong[] = {-1, INT64_MIN, INT64_MAX, INT64_MAX / 2, (int64_t)1 << 40};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        for (int axis = 0; axis < 4; axis++) {
            SPOILT(args.x.size[axis] = wrong[i], "args.x");
            SPOILT(args.y.size[axis] = wrong[i], "args.y");
            SPOILT(args.weight.size[axis] = wrong[i], "args.weight");
            SPOILT(args.bias.size[axis] = wrong[i], "args.bias");
        }
    }
    clattn_op_destroy(op);
}

KERNEL_TEST(rows_that_overlap_are_refused)
{
    clattn_op *op = project_make(kernel, true);
    const int64_t narrow[4] = {ROWS * IN, IN - 1, IN, 1}, none[4] = {ROWS * IN, 0, IN, 1};
    SPOILT(memcpy(args.x.stride, narrow, sizeof narrow), "args.x.stride[1]");
    SPOILT(memcpy(args.x.stride, none, sizeof none), "args.x.stride[1]");
    SPOILT(memcpy(args.weight.stride, narrow, sizeof narrow), "args.weight.stride[1]");
    clattn_op_destroy(op);
}

KERNEL_TEST(an_output_over_an_input_is_refused)
{
    clattn_op *op = project_make(kernel, true);
    const cl_mem shared = memory_make(1 << 14);
    SPOILT(args.x.mem = args.y.mem = shared, "args.y overlaps args.x");
    SPOILT(args.weight.mem = args.y.mem = shared, "args.y overlaps args.weight");
    SPOILT(args.bias.mem = args.y.mem = shared, "args.y overlaps args.bias");
    clattn_op_destroy(op);
}

KERNEL_TEST(a_bias_that_was_not_announced_is_refused)
{
    clattn_op *op = project_make(kernel, false);
    const clattn_project_args args = good_args(true);
    assert_call_refused(op, &args, "args.bias is given, but desc lacks bias");
    clattn_op_destroy(op);
}

START_TEST(a_missing_op_or_call_and_an_op_of_another_kind_are_refused)
{
    const clattn_attention_desc attention = {.head_dim = 8, .query_heads = 1, .kernel = "row"};
    clattn_op *other = NULL, *op = project_make("plain", false);
    const clattn_project_args args = good_args(false);
    assert_ok(clattn_attention_create(fixture.context, &attention, &other));
    assert_refused(clattn_project_run(NULL, fixture.queue, &args, NULL), "op is NULL");
    assert_refused(clattn_project_run(op, fixture.queue, NULL, NULL), "args is NULL");
    assert_refused(clattn_project_run(other, fixture.queue, &args, NULL),
                   "of another kind, attention");
    ck_assert_uint_eq(clattn_project_scratch(NULL, &args), 0);
    ck_assert_uint_eq(clattn_project_scratch(op, NULL), 0);
    ck_assert_uint_eq(clattn_project_scratch(other, &args), 0);
    clattn_op_destroy(other);
    clattn_op_destroy(op);
}
END_TEST

static void add_calls(TCase *tests)
{
    tcase_add_loop_test(tests, an_operand_that_does_not_fit_is_refused_by_name, 0, KERNELS);
    tcase_add_loop_test(tests, sizes_out_of_range_are_refused_by_name, 0, KERNELS);
    tcase_add_loop_test(tests, rows_that_overlap_are_refused, 0, KERNELS);
    tcase_add_loop_test(tests, an_output_over_an_input_is_refused, 0, KERNELS);
    tcase_add_loop_test(tests, a_bias_that_was_not_announced_is_refused, 0, KERNELS);
    tcase_add_test(tests, a_missing_op_or_call_and_an_op_of_another_kind_are_refused);
}

int main(void)
{
    Suite *suite = suite_create("project");
    TCase *descriptor = suite_group(suite, "descriptor", fixture_open, close_all);
    tcase_add_test(descriptor, a_field_out_of_range_is_refused);
    tcase_add_test(descriptor, what_is_missing_is_named);
    add_calls(suite_group(suite, "calls", fixture_open, close_all));
    return suite_run_on_device(suite);
}
