#include "trial.h"

#include "case_files.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct check_op *const check_ops[] = {
    &check_attention, &check_cache,    &check_append,     &check_merge, &check_attribution,
    &check_rollout,   &check_project,  &check_mha,        &check_ffn,   &check_moe,
    &check_norm,      &check_rope,     &check_activation, &check_embed, &check_softmax,
    &check_topk,      &check_additive, &check_luong,      NULL};

const struct check_op *check_op_named(const char *name)
{
    for (int i = 0; check_ops[i]; i++) {
        if (!strcmp(check_ops[i]->name, name)) {
            return check_ops[i];
        }
    }
    return NULL;
}

const char *check_op_names(char *text, size_t bytes)
{
    text[0] = '\0';
    for (int i = 0; check_ops[i]; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, bytes - used, "%s%s", used ? ", " : "", check_ops[i]->name);
    }
    return text;
}

const char *check_cases(const char *tier)
{
    char path[32];
    snprintf(path, sizeof path, "%s.txt", tier);
    for (const struct clattn__embedded *e = case_files; e->path; e++) {
        if (!strcmp(e->path, path)) {
            return e->text;
        }
    }
    return NULL;
}

void check_fail(struct check_result *result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->why, sizeof result->why, format, arguments);
    va_end(arguments);
    result->outcome = CHECK_FAILED;
}

bool check_step(struct check_result *result, bool ok, const char *what)
{
    if (!ok) {
        check_fail(result, "%s failed", what);
    }
    return ok;
}

void check_run(const struct check *check, const struct test_case *c, const char *kernel,
               struct check_result *result)
{
    memset(result, 0, sizeof *result);
    snprintf(result->kernel, sizeof result->kernel, "%s", kernel ? kernel : "");
    const struct check_op *op = check_op_named(c->op);
    if (op && op->trial) {
        trial_run(op->trial, check, c, kernel, result);
    } else if (op) {
        op->run(check, c, kernel, result);
    } else {
        check_fail(result, "there is no op '%s'", c->op);
    }
}

struct visitor {
    void (*visit)(void *user, const char *kernel);
    void *user;
};

static void report(void *user, const char *kernel, const char *refusal)
{
    const struct visitor *visitor = user;
    (void)refusal; /* the run says why it is skipped */
    visitor->visit(visitor->user, kernel);
}

void check_variants(const struct check *check, const struct test_case *c,
                    void (*visit)(void *user, const char *kernel), void *user)
{
    struct visitor visitor = {visit, user};
    const struct check_op *op = check_op_named(c->op);
    if (op) {
        op->variants(check->context, c, report, &visitor);
    }
}

void check_random_line(const char *name, uint64_t seed, char *line, size_t bytes)
{
    struct rng rng = {seed};
    const struct check_op *op = check_op_named(name);
    snprintf(line, bytes, "%s", name);
    if (op) {
        op->random(&rng, line, bytes);
    }
}

void check_candidates(const struct check *check, const struct test_case *c, const char *kernel,
                      clattn_candidate_report *visit, void *user)
{
    const struct check_op *op = check_op_named(c->op);
    if (op && op->candidates) {
        op->candidates(check, c, kernel, visit, user);
    }
}

double check_tolerance(clattn_type in, clattn_type out)
{
    switch (out) {
    case CLATTN_F16: return 2e-3;
    case CLATTN_BF16: return 1e-2;
    default: return in == CLATTN_F32 ? 1e-5 : 2e-5;
    }
}

static bool close_enough(double got, double expected, double tolerance, double *share)
{
    *share = 0;
    if (isnan(expected) || isinf(expected) || got == expected) {
        return isnan(expected) ? isnan(got) : got == expected;
    }
    *share = fabs(got - expected) / (tolerance + tolerance * fabs(expected));
    return *share <= 1; /* false for NaN */
}

bool check_compare(struct check_result *result, const char *name, const struct buffer *got,
                   const double *expected, double tolerance)
{
    for (int64_t n = 0; n < got->count; n++) {
        double share;
        if (!close_enough(got->values[n], expected[n], tolerance, &share)) {
            const int64_t *size = got->view.size;
            check_fail(result, "%s[%lld,%lld,%lld,%lld] is %.9g, expected %.9g", name,
                       (long long)(n / (size[1] * size[2] * size[3])),
                       (long long)(n / (size[2] * size[3]) % size[1]),
                       (long long)(n / size[3] % size[2]), (long long)(n % size[3]), got->values[n],
                       expected[n]);
            return false;
        }
        result->worst = fmax(result->worst, share);
    }
    return check_step(result, buffer_canaries_live(got),
                      "writing inside its elements only: an output's canary");
}
