#include "trial.h"

#include <stdio.h>
#include <stdlib.h>

void trial_normal(struct trial *t, int i, struct rng *rng, double scale, double shift)
{
    for (int64_t n = 0; n < t->o[i].count; n++) {
        buffer_put_nth(&t->o[i], n, scale * rng_normal(rng) + shift);
    }
}

void trial_below(struct trial *t, int i, struct rng *rng, int64_t below)
{
    for (int64_t n = 0; n < t->o[i].count; n++) {
        buffer_put_nth(&t->o[i], n, (double)rng_below(rng, below));
    }
}

static bool make_buffers(struct trial *t)
{
    for (int i = 0; i < TRIAL_OPERANDS; i++) {
        const struct trial_operand *spec = &t->spec[i];
        if (spec->name && !buffer_make(&t->o[i], spec->type, spec->size, t->c->layout)) {
            return false;
        }
        if (spec->name && spec->output &&
            !(t->expected[i] = malloc((size_t)(t->o[i].count + 1) * sizeof(double)))) {
            return false;
        }
    }
    return true;
}

/* An output in place of an input is the input's buffer. */
static bool upload(struct trial *t, cl_context context)
{
    for (int i = 0; i < TRIAL_OPERANDS; i++) {
        const int over = t->spec[i].over;
        if (t->spec[i].name && !over && buffer_upload(&t->o[i], context) != CL_SUCCESS) {
            return false;
        }
    }
    for (int i = 0; i < TRIAL_OPERANDS; i++) {
        const int over = t->spec[i].over;
        if (t->spec[i].name && over) {
            t->o[i].view.mem = t->o[over - 1].view.mem;
            clRetainMemObject(t->o[i].view.mem);
        }
    }
    return true;
}

static bool execute(struct trial *t, const struct trial_kind *kind, const struct check *check,
                    const char *kernel, struct check_result *result)
{
    clattn_op *op = NULL;
    const clattn_status status =
        kind->create(t, check->context, kernel && kernel[0] ? kernel : NULL, &op);
    if (status != CLATTN_OK) {
        check_fail(result, "create: %s", clattn_error());
        result->outcome = status == CLATTN_ERR_UNSUPPORTED ? CHECK_SKIPPED : CHECK_FAILED;
        return false;
    }
    snprintf(result->kernel, sizeof result->kernel, "%s", clattn_op_kernel(op));
    const bool ran = kind->run(t, op, check->queue) == CLATTN_OK;
    if (!ran) {
        check_fail(result, "run: %s", clattn_error());
    }
    clattn_op_destroy(op);
    return ran;
}

static bool compare(struct trial *t, const struct check *check, struct check_result *result)
{
    for (int i = 0; i < TRIAL_OPERANDS; i++) {
        const struct trial_operand *spec = &t->spec[i];
        if (spec->name && spec->output &&
            !(check_step(result, buffer_download(&t->o[i], check->queue) == CL_SUCCESS,
                         "reading an output") &&
              check_compare(result, spec->name, &t->o[i], t->expected[i], spec->tolerance))) {
            return false;
        }
    }
    return true;
}

void trial_run(const struct trial_kind *kind, const struct check *check, const struct test_case *c,
               const char *kernel, struct check_result *result)
{
    struct trial *t = calloc(1, sizeof *t);
    struct rng rng = {c->seed};
    if (!check_step(result, t != NULL, "memory")) {
        return;
    }
    t->c = c;
    if (kind->describe(t, result) && check_step(result, make_buffers(t), "memory for the case")) {
        kind->fill(t, &rng);
        (void)(check_step(result, kind->expect(t), "memory for the reference") &&
               check_step(result, upload(t, clattn_context_cl(check->context)), "making buffers") &&
               execute(t, kind, check, kernel, result) && compare(t, check, result));
    }
    for (int i = 0; i < TRIAL_OPERANDS; i++) {
        buffer_free(&t->o[i]);
        free(t->expected[i]);
    }
    free(t);
}
