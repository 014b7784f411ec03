/* gemm_trial.c: whether CLBlast is trusted.  The library's CLBlast is one made here, which computes
 * on the host, and wrongly when told to. */
#include "support/fixture.h"

#include "registry/context.h"

#include <clblast_c.h>
#include <stdio.h>
#include <stdlib.h>

enum { IN = 24, OUT = 40, TRIALS = 3 };

/* ---- CLBlast ---------------------------------------------------------------------- */

static struct {
    size_t wrong_rows;  /* products of so many rows have an element that is wrong */
    bool leaves_column; /* or one that is not written */
    bool fails;
    int calls;
    size_t n, k; /* of the last call */
} clblast;

static float *read_floats(cl_command_queue queue, cl_mem mem, size_t *count)
{
    size_t bytes;
    ck_assert_int_eq(clGetMemObjectInfo(mem, CL_MEM_SIZE, sizeof bytes, &bytes, NULL), CL_SUCCESS);
    float *values = malloc(bytes);
    ck_assert_ptr_nonnull(values);
    ck_assert_int_eq(clEnqueueReadBuffer(queue, mem, CL_TRUE, 0, bytes, values, 0, NULL, NULL),
                     CL_SUCCESS);
    *count = bytes / sizeof *values;
    return values;
}

CLBlastStatusCode CLBlastSgemm(const CLBlastLayout layout, const CLBlastTranspose a_transpose,
                               const CLBlastTranspose b_transpose, const size_t m, const size_t n,
                               const size_t k, const float alpha, const cl_mem a_mem,
                               const size_t a_at, const size_t a_pitch, const cl_mem b_mem,
                               const size_t b_at, const size_t b_pitch, const float beta,
                               cl_mem c_mem, const size_t c_at, const size_t c_pitch,
                               cl_command_queue *queue, cl_event *event)
{
    size_t a_count, b_count, c_count;
    (void)layout, (void)a_transpose, (void)b_transpose, (void)alpha, (void)beta, (void)event;
    clblast.calls++;
    clblast.n = n;
    clblast.k = k;
    if (clblast.fails) {
        return CLBlastInvalidLocalMemUsage;
    }
    float *a = read_floats(*queue, a_mem, &a_count), *b = read_floats(*queue, b_mem, &b_count);
    float *c = read_floats(*queue, c_mem, &c_count);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j + clblast.leaves_column < n; j++) {
            float sum = 0;
            for (size_t x = 0; x < k; x++) {
                sum += a[a_at + i * a_pitch + x] * b[b_at + j * b_pitch + x];
            }
            c[c_at + i * c_pitch + j] = sum;
        }
    }
    if (m == clblast.wrong_rows) {
        c[c_at + (m - 1) * c_pitch + n / 2] += 1;
    }
    ck_assert_int_eq(
        clEnqueueWriteBuffer(*queue, c_mem, CL_TRUE, 0, c_count * sizeof *c, c, 0, NULL, NULL),
        CL_SUCCESS);
    free(a);
    free(b);
    free(c);
    return CLBlastSuccess;
}

/* ---- Projections ------------------------------------------------------------------- */

/* A GPU, to which kernels for CPUs are nothing. */
static clattn_context *open_context(const char *cache_dir)
{
    const clattn_context_desc desc = {
        .cache_dir = cache_dir, .log = log_append, .user = &fixture.log};
    clattn_context *context;
    assert_ok(clattn_context_create(&desc, &context));
    context->device.facts.type = CL_DEVICE_TYPE_GPU;
    context->device.facts.vector_width = 1;
    memset(&clblast, 0, sizeof clblast);
    return context;
}

static clattn_op *project(clattn_context *context, int32_t in, int32_t out, const char *kernel)
{
    const clattn_project_desc desc = {.in_dim = in, .out_dim = out, .kernel = kernel};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(context, &desc, &op));
    return op;
}

static void assert_takes(clattn_context *context, const char *kernel)
{
    clattn_op *op = project(context, IN, OUT, NULL);
    ck_assert_msg(!strncmp(clattn_op_kernel(op), kernel, strlen(kernel)), "%s, expected %s",
                  clattn_op_kernel(op), kernel);
    clattn_op_destroy(op);
}

static void find_refusal(void *user, const char *kernel, const char *refusal)
{
    if (!strcmp(kernel, "gemm/clblast")) {
        snprintf(user, CLATTN__FACT_BYTES, "%s", refusal ? refusal : "");
    }
}

static const char *refusal(clattn_context *context)
{
    static char text[CLATTN__FACT_BYTES];
    const clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT};
    assert_ok(clattn_project_variants(context, &desc, find_refusal, text));
    return text;
}

/* ---- Tests --------------------------------------------------------------------------- */

START_TEST(clblast_is_tried_once_for_each_class_of_sizes)
{
    clattn_context *context = open_context(NULL);
    assert_takes(context, "gemm/clblast");
    ck_assert_int_eq(clblast.calls, TRIALS);
    assert_takes(context, "gemm/clblast");
    ck_assert_int_eq(clblast.calls, TRIALS);
    clattn_op_destroy(project(context, IN, OUT + 1, NULL));
    ck_assert_int_eq(clblast.calls, 2 * TRIALS);
    clattn_op_destroy(project(context, IN + 1, OUT, NULL));
    ck_assert_int_eq(clblast.calls, 3 * TRIALS);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(where_a_number_is_wrong_the_next_kernel_is_taken_and_told_why)
{
    static const struct {
        size_t rows;
        const char *words;
    } wrong[] = {{1, "product of 1x24 and 40x24 is wrong: [0, 20] is"},
                 {333, "product of 333x24 and 40x24 is wrong: [332, 20] is"},
                 {1024, "product of 1024x24 and 40x24 is wrong: [1023, 20] is"}};
    clattn_context *context = open_context(NULL);
    ck_assert_str_eq(refusal(context), "");
    clblast.wrong_rows = wrong[_i].rows;
    assert_takes(context, "gemm/plain");
    assert_contains(fixture.log.text, wrong[_i].words);
    assert_contains(refusal(context), wrong[_i].words);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(an_element_that_is_not_written_is_wrong)
{
    clattn_context *context = open_context(NULL);
    clblast.leaves_column = true;
    assert_takes(context, "gemm/plain");
    assert_contains(refusal(context), "[0, 39] is");
    assert_contains(refusal(context), "nan, must be");
    clattn_context_destroy(context);
}
END_TEST

START_TEST(forced_it_is_refused_with_the_reason)
{
    const clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT, .kernel = "clblast"};
    clattn_context *context = open_context(NULL);
    clattn_op *op = NULL;
    clblast.wrong_rows = 1;
    for (int n = 0; n < 2; n++) { /* tried, then remembered */
        assert_fails(clattn_project_create(context, &desc, &op), CLATTN_ERR_UNSUPPORTED,
                     "is wrong: [0, 20]");
        ck_assert_ptr_null(op);
        ck_assert_int_eq(clblast.calls, 1);
    }
    clattn_context_destroy(context);
}
END_TEST

START_TEST(both_outcomes_are_remembered_in_the_cache)
{
    static const char *const kernels[] = {"gemm/clblast", "gemm/plain"};
    clattn_context *context = open_context(fixture.directory);
    clblast.wrong_rows = _i ? 333 : 0;
    assert_takes(context, kernels[_i]);
    clattn_context_destroy(context);
    context = open_context(fixture.directory); /* where it computes rightly, and is not asked */
    if (_i) {
        assert_contains(refusal(context), "333x24");
    }
    assert_takes(context, kernels[_i]);
    ck_assert_int_eq(clblast.calls, 0);
    clattn_context_destroy(context);
}
END_TEST

START_TEST(a_call_that_fails_is_not_held_against_it)
{
    clattn_context *context = open_context(fixture.directory);
    clblast.fails = true;
    assert_takes(context, "gemm/plain");
    assert_contains(fixture.log.text, "CLBlastSgemm failed");
    clblast.fails = false;
    assert_takes(context, "gemm/clblast");
    clattn_context_destroy(context);
}
END_TEST

/* What would take minutes on the host is not computed here: only its sizes are looked at. */
START_TEST(large_sizes_are_tried_by_smaller_ones_with_the_same_rest)
{
    clattn_context *context = open_context(NULL);
    clblast.fails = true;
    clattn_op_destroy(project(context, 4096, 14336 + 5, NULL));
    ck_assert_uint_eq(clblast.k, 2048);
    ck_assert_uint_eq(clblast.n, 2048 + 5);
    clattn_op_destroy(project(context, 2047, 3, NULL));
    ck_assert_uint_eq(clblast.k, 2047);
    ck_assert_uint_eq(clblast.n, 3);
    clattn_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gemm_trial");
    TCase *trial = suite_group(suite, "trial", fixture_open_directory, fixture_close_directory);
    tcase_add_test(trial, clblast_is_tried_once_for_each_class_of_sizes);
    tcase_add_loop_test(trial, where_a_number_is_wrong_the_next_kernel_is_taken_and_told_why, 0, 3);
    tcase_add_test(trial, an_element_that_is_not_written_is_wrong);
    tcase_add_test(trial, forced_it_is_refused_with_the_reason);
    tcase_add_loop_test(trial, both_outcomes_are_remembered_in_the_cache, 0, 2);
    tcase_add_test(trial, a_call_that_fails_is_not_held_against_it);
    tcase_add_test(trial, large_sizes_are_tried_by_smaller_ones_with_the_same_rest);
    return suite_run_on_device(suite);
}
