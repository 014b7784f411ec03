#include "projections.h"

#include "ref/ref.h"

#include <stdlib.h>

const char *const kernels[KERNELS] = {"plain", "clblast", "wide", "gemv_wide"};

void close_all(void)
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

bool fits(const char *kernel)
{
    const clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT, .kernel = kernel};
    assert_ok(clattn_project_variants(fixture.context, &desc, look_for, &kernel));
    return kernel == NULL;
}

clattn_op *project_make(const char *kernel, bool bias)
{
    const clattn_project_desc desc = {.in_dim = IN, .out_dim = OUT, .bias = bias, .kernel = kernel};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(fixture.context, &desc, &op));
    return op;
}

clattn_project_args good_args(bool bias)
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

void project_run(const clattn_op *op, const clattn_project_args *args)
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

void assert_projected(const clattn_tensor *x, const clattn_tensor *weight,
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

void assert_call_refused(const clattn_op *op, const clattn_project_args *args, const char *words)
{
    cl_event event = NULL;
    assert_refused(clattn_project_run(op, fixture.queue, args, &event), words);
    assert_contains(clattn_error(), "project: ");
    ck_assert_ptr_null(event);
}
