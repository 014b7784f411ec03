/* Projection cases: attention's linear layers, alone. */
#include "check.h"
#include "rng.h"

#include "../ref/ref.h"

#include <stdio.h>
#include <stdlib.h>

enum { X, WEIGHT, BIAS, Y, OPERANDS };

static bool make_buffers(const struct test_case *c, struct buffer o[OPERANDS])
{
    const int64_t x[4] = {c->batch, c->rows, 1, c->in_dim}, w[4] = {1, c->out_dim, 1, c->in_dim};
    const int64_t bias[4] = {1, 1, 1, c->out_dim}, y[4] = {c->batch, c->rows, 1, c->out_dim};
    const bool made = buffer_make(&o[X], c->type, x, c->layout) &&
                      buffer_make(&o[WEIGHT], c->type, w, c->layout) &&
                      (!c->project_bias || buffer_make(&o[BIAS], c->type, bias, c->layout)) &&
                      buffer_make(&o[Y], c->out_type, y, c->layout);
    struct rng rng = {c->seed};
    for (int i = X; made && i < Y; i++) {
        for (int64_t n = 0; n < o[i].count; n++) {
            buffer_put_nth(&o[i], n, rng_normal(&rng) / (i == WEIGHT ? sqrt(c->in_dim) : 1));
        }
    }
    return made;
}

static clattn_project_desc describe(const struct test_case *c, const char *kernel)
{
    const clattn_project_desc desc = {.in_dim = c->in_dim,
                                      .out_dim = c->out_dim,
                                      .type = c->type,
                                      .out_type = c->out_type,
                                      .bias = c->project_bias,
                                      .kernel = kernel && kernel[0] ? kernel : NULL,
                                      .params = c->params[0] ? c->params : NULL};
    return desc;
}

static bool execute(const struct check *check, const struct test_case *c, const char *kernel,
                    struct buffer o[OPERANDS], struct check_result *result)
{
    const clattn_project_desc desc = describe(c, kernel);
    const clattn_project_args args = {
        .x = o[X].view, .weight = o[WEIGHT].view, .bias = o[BIAS].view, .y = o[Y].view};
    clattn_op *op = NULL;
    const clattn_status status = clattn_project_create(check->context, &desc, &op);
    if (status != CLATTN_OK) {
        check_fail(result, "create: %s", clattn_error());
        result->outcome = status == CLATTN_ERR_UNSUPPORTED ? CHECK_SKIPPED : CHECK_FAILED;
        return false;
    }
    snprintf(result->kernel, sizeof result->kernel, "%s", clattn_op_kernel(op));
    const bool ok = clattn_project_run(op, check->queue, &args, NULL) == CLATTN_OK;
    if (!ok) {
        check_fail(result, "run: %s", clattn_error());
    }
    clattn_op_destroy(op);
    return ok &&
           check_step(result, buffer_download(&o[Y], check->queue) == CL_SUCCESS, "reading y");
}

void check_project(const struct check *check, const struct test_case *c, const char *kernel,
                   struct check_result *result)
{
    struct buffer o[OPERANDS] = {0};
    double *expected =
        malloc((size_t)((int64_t)c->batch * c->rows * c->out_dim + 1) * sizeof *expected);
    bool ok = check_step(result, expected && make_buffers(c, o), "memory for the inputs");
    for (int i = 0; ok && i < OPERANDS; i++) {
        ok = !o[i].bytes ||
             check_step(result,
                        buffer_upload(&o[i], clattn_context_cl(check->context)) == CL_SUCCESS,
                        "making buffers");
    }
    if (ok && execute(check, c, kernel, o, result)) {
        ref_project((int64_t)c->batch * c->rows, c->in_dim, c->out_dim, o[X].values,
                    o[WEIGHT].values, o[BIAS].values, expected);
        check_compare(result, "y", &o[Y], expected, check_tolerance(c->type, c->out_type));
    }
    for (int i = 0; i < OPERANDS; i++) {
        buffer_free(&o[i]);
    }
    free(expected);
}

void check_project_candidates(const struct check *check, const struct test_case *c,
                              const char *kernel, clattn_candidate_report *visit, void *user)
{
    const clattn_project_desc desc = describe(c, kernel);
    clattn_project_candidates(check->context, &desc, visit, user);
}
