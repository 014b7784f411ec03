/* Building all at once. */
#include "choose.h"
#include "create.h"

#include <stdio.h>

struct warm {
    clattn_context *context;
    const struct clattn__family *family;
    void (*report)(void *user, const clattn_build *build);
    void *user;
    clattn_status status; /* first failure */
    char error[4096];
};

static void warm_one(struct warm *warm, const void *desc, const struct clattn__variant *variant)
{
    char reason[CLATTN__REASON_BYTES];
    int params[CLATTN__MAX_PARAMS];
    clattn_op *op = NULL;
    clattn__params_choose(warm->context, warm->family, variant, desc, params);
    if (!clattn__fits(warm->context, variant, desc, params, reason)) {
        return;
    }
    const double start = clattn__now_ms();
    const clattn_status status =
        clattn__op_try(warm->context, warm->family, variant, params, desc, &op);
    if (status != CLATTN_OK) {
        clattn__log(&warm->context->device, "%s: not %s: %s", warm->family->op, variant->name,
                    clattn_error());
        if (warm->status == CLATTN_OK) {
            warm->status = status;
            snprintf(warm->error, sizeof warm->error, "%s: %s", variant->name, clattn_error());
        }
        return;
    }
    clattn_build build = {.kernel = clattn_op_kernel(op)};
    build.compile_ms = build.load_ms = clattn__now_ms() - start;
    if (op->kernel) {
        clattn__kernel_build(&warm->context->programs, op->kernel, &build);
    }
    if (warm->report) {
        warm->report(warm->user, &build);
    }
    clattn_op_destroy(op);
}

static void warm_visit(void *user, const void *desc)
{
    struct warm *warm = user;
    for (const struct clattn__variant *v = warm->family->variants; v->name; v++) {
        if (!v->forced_only) {
            warm_one(warm, desc, v);
        }
    }
}

clattn_status clattn_context_warm(clattn_context *context,
                                  void (*report)(void *user, const clattn_build *build), void *user)
{
    if (!context) {
        return clattn__refuse("warm: context is NULL");
    }
    struct warm warm = {.context = context, .report = report, .user = user};
    for (const struct clattn__family *const *family = context->families; *family; family++) {
        warm.family = *family;
        (*family)->usual(warm_visit, &warm);
    }
    return warm.status == CLATTN_OK ? CLATTN_OK : clattn__fail(warm.status, "%s", warm.error);
}
