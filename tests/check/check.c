#include "trial.h"

#include "case_files.h"

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
