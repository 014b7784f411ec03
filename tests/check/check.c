#include "check.h"

#include "case_files.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct op {
    const char *name;
    void (*run)(const struct check *check, const struct test_case *c, const char *kernel,
                struct check_result *result);
    void (*candidates)(const struct check *check, const struct test_case *c, const char *kernel,
                       clattn_candidate_report *visit, void *user); /* NULL = there are none */
} ops[] = {
    {"attention", check_attention, check_attention_candidates},
    {"project", check_project, check_project_candidates},
    {"mha", check_mha, NULL},
};

const char *const check_ops[] = {"attention", "project", "mha", NULL};

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
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!strcmp(ops[i].name, c->op)) {
            ops[i].run(check, c, kernel, result);
            return;
        }
    }
    check_fail(result, "there is no op '%s'", c->op);
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
    if (!strcmp(c->op, "project")) {
        const clattn_project_desc desc = {.in_dim = c->in_dim, .out_dim = c->out_dim};
        clattn_project_variants(check->context, &desc, report, &visitor);
    } else {
        /* A layer is run with each variant of its attention. */
        const clattn_attention_desc desc = {.head_dim = c->head_dim, .query_heads = c->heads};
        clattn_attention_variants(check->context, &desc, report, &visitor);
    }
}

void check_candidates(const struct check *check, const struct test_case *c, const char *kernel,
                      clattn_candidate_report *visit, void *user)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!strcmp(ops[i].name, c->op) && ops[i].candidates) {
            ops[i].candidates(check, c, kernel, visit, user);
        }
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
    if (isnan(expected) || isinf(expected)) {
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
