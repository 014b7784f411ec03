/* ops/project/project.c: weights in blocks, as files store them, for each kernel that takes them.
 */
#include "support/fixture.h"
#include "support/tensors.h"

#include <stdlib.h>

enum { ROWS = 3, IN = 512, OUT = 10 };

static const clattn_type types[] = {CLATTN_Q8_0, CLATTN_Q4_0, CLATTN_Q4_1, CLATTN_Q4_K,
                                    CLATTN_Q6_K};
static const char *const kernels[] = {"plain", "wide", "gemv_blocks_wide"};
enum { TYPES = sizeof types / sizeof *types, KERNELS = sizeof kernels / sizeof *kernels };

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

static bool fits(const char *kernel, clattn_type type)
{
    const clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT, .weight_type = type};
    assert_ok(clattn_project_variants(fixture.context, &desc, look_for, &kernel));
    return kernel == NULL;
}

/* A test of each kernel with each type of weights; where the device lacks one, there is nothing to
 * test. */
#define EACH_TEST(test)                                                                            \
    static void test##_by(const char *kernel, clattn_type type);                                   \
    START_TEST(test)                                                                               \
    {                                                                                              \
        if (fits(kernels[_i % KERNELS], types[_i / KERNELS])) {                                    \
            test##_by(kernels[_i % KERNELS], types[_i / KERNELS]);                                 \
        }                                                                                          \
    }                                                                                              \
    END_TEST                                                                                       \
    static void test##_by(const char *kernel, clattn_type type)

/* Bytes below 60: as scales they are finite. */
static clattn_tensor random_blocks(clattn_type type, int64_t rows, int64_t columns)
{
    const clattn_tensor blocks = tensor_zeros(type, 1, rows, 1, columns);
    const size_t bytes = (size_t)rows * clattn_row_bytes(type, columns);
    unsigned char *data = malloc(bytes);
    uint32_t state = 1;
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (unsigned char)((state >> 16) % 60);
    }
    tensor_write(&blocks, data);
    free(data);
    return blocks;
}

static clattn_project_args good_args(clattn_type type)
{
    const clattn_project_args args = {
        .x = tensor_random(1, 1, ROWS, 1, IN),
        .weight = random_blocks(type, OUT, IN),
        .y = tensor_zeros(CLATTN_F32, 1, ROWS, 1, OUT),
    };
    return args;
}

static clattn_op *project_make(const char *kernel, clattn_type type)
{
    const clattn_project_desc desc = {
        .in_dim = IN, .out_dim = OUT, .weight_type = type, .kernel = kernel};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(fixture.context, &desc, &op));
    return op;
}

static void project_run(const clattn_op *op, const clattn_project_args *args)
{
    assert_ok(clattn_project_run(op, fixture.queue, args, NULL));
    ck_assert_int_eq(clFinish(fixture.queue), CL_SUCCESS);
}

/* ---- Descriptor ------------------------------------------------------------ */

static void assert_desc_refused(const clattn_project_desc *desc, const char *words)
{
    clattn_op *op = NULL;
    assert_refused(clattn_project_create(fixture.context, desc, &op), words);
    ck_assert_ptr_null(op);
}

START_TEST(a_type_that_weights_cannot_have_is_refused)
{
    const clattn_type wrong[] = {CLATTN_I32, CLATTN_U8, CLATTN_I8, (clattn_type)1000,
                                 (clattn_type)-1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT, .weight_type = wrong[i]};
        assert_desc_refused(&desc, "project: weight_type is ");
    }
    for (int i = 0; i < TYPES; i++) {
        const clattn_project_desc x = {.in_dim = IN, .out_dim = OUT, .type = types[i]};
        const clattn_project_desc y = {.in_dim = IN, .out_dim = OUT, .out_type = types[i]};
        assert_desc_refused(&x, "project: type is ");
        assert_desc_refused(&y, "project: out_type is ");
    }
}
END_TEST

START_TEST(rows_that_are_no_whole_blocks_are_refused)
{
    for (int i = 0; i < TYPES; i++) {
        const int block = clattn_type_block(types[i]);
        const int wrong[] = {1, block - 1, block + 1, block + block / 2};
        for (size_t n = 0; n < sizeof wrong / sizeof *wrong; n++) {
            const clattn_project_desc desc = {
                .in_dim = wrong[n], .out_dim = OUT, .weight_type = types[i]};
            assert_desc_refused(&desc, "project: in_dim is ");
        }
    }
}
END_TEST

/* ---- Call ------------------------------------------------------------------ */

/* SPOILT(statement, words): the good call after the statement is refused with the words. */
#define SPOILT(statement, words)                                                                   \
    do {                                                                                           \
        clattn_project_args args = good_args(type);                                                \
        statement;                                                                                 \
        assert_refused(clattn_project_run(op, fixture.queue, &args, NULL), words);                 \
    } while (0)

static void set_pitch(clattn_tensor *weight, int64_t pitch)
{
    const int64_t stride[4] = {OUT * pitch, pitch, pitch, 1};
    memcpy(weight->stride, stride, sizeof stride);
}

static void shorten(clattn_tensor *weight)
{
    weight->mem = memory_make(OUT * clattn_row_bytes(weight->type, IN) - 1);
}

EACH_TEST(weights_that_do_not_fit_are_refused_by_name)
{
    const int block = clattn_type_block(type);
    clattn_op *op = project_make(kernel, type);
    SPOILT(args.weight.mem = NULL, "args.weight is required");
    SPOILT(args.weight.type = CLATTN_F32, "args.weight.type is f32, must be q");
    SPOILT(args.x.type = type, "args.x.type");
    SPOILT(args.y.type = type, "args.y.type");
    SPOILT(args.weight.size[1]--, "args.weight.size[1]");
    SPOILT(args.weight.size[3] -= block, "args.weight.size[3]");
    SPOILT(args.weight.offset = -block, "args.weight.offset");
    SPOILT(args.weight.offset = 16, "args.weight.offset is 16, must be whole blocks");
    SPOILT(args.weight.offset = block, "args.weight reaches");
    SPOILT(shorten(&args.weight), "args.weight reaches");
    SPOILT(set_pitch(&args.weight, IN + 16), "args.weight.stride[1] is 528, must be whole blocks");
    SPOILT(set_pitch(&args.weight, IN - block), "args.weight.stride[1]");
    SPOILT(set_pitch(&args.weight, 0);
           args.weight.stride[2] = IN, "args.weight.stride[1] is 0, must be at least 512");
    SPOILT(set_pitch(&args.weight, IN + block), "args.weight reaches");
    SPOILT(args.y.mem = args.weight.mem, "args.y overlaps args.weight");
    clattn_op_destroy(op);
}

EACH_TEST(sizes_out_of_range_are_refused_by_name)
{
    clattn_op *op = project_make(kernel, type);
    const int64_t wrong[] = {-1, INT64_MIN, INT64_MAX, (int64_t)1 << 62, (int64_t)1 << 40};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        for (int axis = 0; axis < 4; axis++) {
            SPOILT(args.weight.size[axis] = wrong[i], "args.weight");
        }
        SPOILT(args.weight.offset = wrong[i], "args.weight");
        SPOILT(set_pitch(&args.weight, wrong[i] / OUT), "args.weight");
    }
    clattn_op_destroy(op);
}

/* ---- Results --------------------------------------------------------------- */

static cl_uint references(cl_mem mem)
{
    cl_uint count = 0;
    clGetMemObjectInfo(mem, CL_MEM_REFERENCE_COUNT, sizeof count, &count, NULL);
    return count;
}

EACH_TEST(constant_weights_are_kept_as_they_lie)
{
    clattn_op *each_call = project_make(kernel, type), *constant = NULL;
    clattn_project_args args = good_args(type);
    const clattn_tensor once = tensor_zeros(CLATTN_F32, 1, ROWS, 1, OUT);
    project_run(each_call, &args);
    const clattn_project_desc desc = {
        .in_dim = IN, .out_dim = OUT, .weight = args.weight, .kernel = kernel};
    assert_ok(clattn_project_create(fixture.context, &desc, &constant));
    ck_assert_uint_eq(references(args.weight.mem), 2); /* no copy */
    ck_assert_uint_eq(clattn_project_scratch(constant, &args), 0);
    const clattn_project_args rest = {.x = args.x, .y = once};
    project_run(constant, &rest);
    assert_same_tensors(&once, &args.y, 0);
    clattn_op_destroy(constant);
    clattn_op_destroy(each_call);
    ck_assert_uint_eq(references(args.weight.mem), 1);
}

/* A slice of wider rows gives the same as the rows alone. */
EACH_TEST(rows_may_have_gaps_of_whole_blocks)
{
    const int block = clattn_type_block(type), pitch = 3 * IN;
    const size_t row = clattn_row_bytes(type, IN);
    clattn_op *op = project_make(kernel, type);
    clattn_project_args args = good_args(type);
    const clattn_tensor dense = args.y, wide = random_blocks(type, OUT, pitch);
    for (int o = 0; o < OUT; o++) {
        const size_t to = clattn_row_bytes(type, block) + (size_t)o * 3 * row;
        ck_assert_int_eq(clEnqueueCopyBuffer(fixture.queue, args.weight.mem, wide.mem,
                                             (size_t)o * row, to, row, 0, NULL, NULL),
                         CL_SUCCESS);
    }
    project_run(op, &args);
    args.weight.mem = wide.mem;
    args.weight.offset = block;
    set_pitch(&args.weight, pitch);
    args.y = tensor_zeros(CLATTN_F32, 1, ROWS, 1, OUT);
    project_run(op, &args);
    assert_same_tensors(&args.y, &dense, 0);
    clattn_op_destroy(op);
}

int main(void)
{
    Suite *suite = suite_create("project_blocks");
    TCase *descriptor = suite_group(suite, "descriptor", fixture_open, close_all);
    tcase_add_test(descriptor, a_type_that_weights_cannot_have_is_refused);
    tcase_add_test(descriptor, rows_that_are_no_whole_blocks_are_refused);
    TCase *calls = suite_group(suite, "calls", fixture_open, close_all);
    tcase_add_loop_test(calls, weights_that_do_not_fit_are_refused_by_name, 0, KERNELS * TYPES);
    tcase_add_loop_test(calls, sizes_out_of_range_are_refused_by_name, 0, KERNELS * TYPES);
    TCase *results = suite_group(suite, "results", fixture_open, close_all);
    tcase_add_loop_test(results, constant_weights_are_kept_as_they_lie, 0, KERNELS * TYPES);
    tcase_add_loop_test(results, rows_may_have_gaps_of_whole_blocks, 0, KERNELS * TYPES);
    return suite_run_on_device(suite);
}
