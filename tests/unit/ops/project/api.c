/* ops/project/project.c: what a projection's descriptor and call may say, for each kernel. */
#include "support/fixture.h"
#include "support/tensors.h"

#include <stdlib.h>

#include "ref/ref.h"

enum { B = 2, ROWS = 5, IN = 12, OUT = 10 };

static const char *const kernels[] = {"plain", "clblast", "wide", "gemv_wide"};
enum { KERNELS = sizeof kernels / sizeof *kernels };

static void close_all(void)
{
    tensors_release();
    fixture_close();
}

static void look_for(void *kernel, const char *name, const char *refusal)
{
    const char **const wanted = kernel;
    if (*wanted && !strcmp(strchr(name, '/') + 1, *wanted) && !refusal) {
        *wanted = NULL;
    }
}

/* Whether this device takes the kernel; where not, there is nothing to test of it. */
static bool fits(const char *kernel)
{
    const clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT, .kernel = kernel};
    assert_ok(clattn_project_variants(fixture.context, &desc, look_for, &kernel));
    return kernel == NULL;
}

/* A test of each kernel. */
#define KERNEL_TEST(test)                                                                          \
    static void test##_by(const char *kernel);                                                     \
    START_TEST(test)                                                                               \
    {                                                                                              \
        if (fits(kernels[_i])) {                                                                   \
            test##_by(kernels[_i]);                                                                \
        }                                                                                          \
    }                                                                                              \
    END_TEST                                                                                       \
    static void test##_by(const char *kernel)

static clattn_op *project_make(const char *kernel, bool bias)
{
    const clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT, .bias = bias, .kernel = kernel};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(fixture.context, &desc, &op));
    return op;
}

static clattn_project_args good_args(bool bias)
{
    clattn_project_args args = {
        .x = tensor_random(1, B, ROWS, 1, IN),
        .weight = tensor_random(2, 1, OUT, 1, IN),
        .y = tensor_zeros(CLATTN_F32, B, ROWS, 1, OUT),
    };
    if (bias) {
        args.bias = tensor_random(3, 1, 1, 1, OUT);
    }
    return args;
}

static void project_run(const clattn_op *op, const clattn_project_args *args)
{
    assert_ok(clattn_project_run(op, fixture.queue, args, NULL));
    ck_assert_int_eq(clFinish(fixture.queue), CL_SUCCESS);
}

static void read_doubles(const clattn_tensor *tensor, double *values, int64_t count)
{
    float *floats = calloc((size_t)count, sizeof *floats);
    ck_assert_ptr_nonnull(floats);
    tensor_read(tensor, floats, (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        values[i] = floats[i];
    }
    free(floats);
}

/* y against the reference, given dense x and y of B * ROWS rows. */
static void assert_projected(const clattn_tensor *x, const clattn_tensor *weight,
                             const clattn_tensor *bias, const clattn_tensor *y)
{
    double in[B * ROWS * IN], w[OUT * IN], b[OUT], expected[B * ROWS * OUT], got[B * ROWS * OUT];
    read_doubles(x, in, B * ROWS * IN);
    read_doubles(weight, w, OUT * IN);
    if (bias) {
        read_doubles(bias, b, OUT);
    }
    read_doubles(y, got, B * ROWS * OUT);
    ref_project(B * ROWS, IN, OUT, in, w, bias ? b : NULL, expected);
    for (int i = 0; i < B * ROWS * OUT; i++) {
        ck_assert_double_eq_tol(got[i], expected[i], 1e-5);
    }
}

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

static void assert_call_refused(const clattn_op *op, const clattn_project_args *args,
                                const char *words)
{
    cl_event event = NULL;
    assert_refused(clattn_project_run(op, fixture.queue, args, &event), words);
    assert_contains(clattn_error(), "project: ");
    ck_assert_ptr_null(event);
}

/* SPOILT(statement, words): the good call after the statement is refused with the words. */
#define SPOILT(statement, words)                                                                   \
    do {                                                                                           \
        clattn_project_args args = good_args(true);                                                \
        statement;                                                                                 \
        assert_call_refused(op, &args, words);                                                     \
    } while (0)

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

/* ---- Results --------------------------------------------------------------- */

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
    args.scratch = memory_make(bytes);
    project_run(op, &args);
    if (bytes > 0) {
        args.scratch = memory_make(bytes - 1);
        assert_call_refused(op, &args, "args.scratch");
    }
    clattn_op_destroy(op);
}

static void add_calls(TCase *tests)
{
    tcase_add_loop_test(tests, an_operand_that_does_not_fit_is_refused_by_name, 0, KERNELS);
    tcase_add_loop_test(tests, sizes_out_of_range_are_refused_by_name, 0, KERNELS);
    tcase_add_loop_test(tests, rows_that_overlap_are_refused, 0, KERNELS);
    tcase_add_loop_test(tests, an_output_over_an_input_is_refused, 0, KERNELS);
    tcase_add_loop_test(tests, a_bias_that_was_not_announced_is_refused, 0, KERNELS);
    tcase_add_test(tests, a_missing_op_or_call_and_an_op_of_another_kind_are_refused);
}

static void add_results(TCase *tests)
{
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
}

int main(void)
{
    Suite *suite = suite_create("project");
    TCase *descriptor = suite_group(suite, "descriptor", fixture_open, close_all);
    tcase_add_test(descriptor, a_field_out_of_range_is_refused);
    tcase_add_test(descriptor, what_is_missing_is_named);
    add_calls(suite_group(suite, "calls", fixture_open, close_all));
    add_results(suite_group(suite, "results", fixture_open, close_all));
    return suite_run_on_device(suite);
}
