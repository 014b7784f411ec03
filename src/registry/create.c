#include "create.h"

#include "choose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void describe_params(clattn_op *op, const void *desc)
{
    int built_in[CLATTN__MAX_PARAMS];
    clattn__params_write(op->variant, op->params, op->params_text);
    clattn__params_built_in(&op->context->device.facts, op->variant, desc, built_in);
    op->built_in = !memcmp(op->params, built_in, sizeof built_in);
}

/* What would be taken if nothing had been chosen. */
static const struct clattn__variant *usual_variant(clattn_context *context,
                                                   const struct clattn__family *family,
                                                   const void *desc, bool few_rows)
{
    for (const struct clattn__variant *v = family->variants; v->name; v++) {
        char reason[CLATTN__REASON_BYTES];
        int params[CLATTN__MAX_PARAMS];
        clattn__params_choose(context, family, v, desc, params);
        if (v->few_rows == few_rows && !v->forced_only &&
            clattn__fits(context, v, desc, params, reason)) {
            return v;
        }
    }
    return few_rows ? usual_variant(context, family, desc, false) : NULL;
}

static void describe_class(clattn_op *op, const void *desc)
{
    op->family->shape_class(desc, op->shape_class);
    for (int few = 0; few < 2; few++) {
        op->usual[few] = op->variant == usual_variant(op->context, op->family, desc, few);
    }
}

clattn_status clattn__op_try(clattn_context *context, const struct clattn__family *family,
                             const struct clattn__variant *variant, const int *params,
                             const void *desc, clattn_op **out)
{
    clattn_op *op = calloc(1, family->op_bytes);
    if (!op) {
        return clattn__out_of_memory();
    }
    clattn__mutex_init(&op->lock);
    op->context = context;
    op->family = family;
    op->variant = variant;
    memcpy(op->params, params, sizeof op->params);
    if (family->label) {
        family->label(variant, desc, op->label);
    }
    if (family->shape_class) {
        describe_class(op, desc);
    }
    describe_params(op, desc);
    const clattn_status status = family->build(op, desc);
    if (status != CLATTN_OK) {
        clattn_op_destroy(op);
        return status;
    }
    *out = op;
    return CLATTN_OK;
}

/* Those that text names, the rest built in: the same whatever was kept on this machine. */
static clattn_status force_params(const clattn_device_facts *facts,
                                  const struct clattn__family *family,
                                  const struct clattn__variant *variant, const void *desc,
                                  const char *text, int params[CLATTN__MAX_PARAMS])
{
    char reason[CLATTN__REASON_BYTES];
    clattn__params_built_in(facts, variant, desc, params);
    return clattn__params_read(variant, text, params, reason)
               ? CLATTN_OK
               : clattn__refuse("%s: params: %s", family->op, reason);
}

clattn_status clattn__op_create(clattn_context *context, const struct clattn__family *family,
                                const void *desc, const char *kernel, const char *forced,
                                clattn_op **out)
{
    char reasons[3500] = "";
    /* A build log is long: no reason may crowd out the others. */
    const int share = kernel ? (int)sizeof reasons : 800;
    clattn_status worst = CLATTN_ERR_UNSUPPORTED;
    TRY(clattn__check_kernel_name(family, kernel));
    if (forced && !kernel) {
        return clattn__refuse("%s: params are given, but no kernel to force them on", family->op);
    }
    const struct clattn__variant *chosen = clattn__kept_chosen(&context->kept, family, desc, false);
    const struct clattn__variant *variant;
    for (size_t n = 0; (variant = clattn__variant_at(family, chosen, n))->name; n++) {
        if (kernel ? !clattn__names_variant(kernel, variant)
                   : variant->few_rows || variant->forced_only) {
            continue;
        }
        char refusal[CLATTN__REASON_BYTES];
        const char *reason = refusal;
        int params[CLATTN__MAX_PARAMS];
        clattn__params_choose(context, family, variant, desc, params);
        if (forced) {
            TRY(force_params(&context->device.facts, family, variant, desc, forced, params));
        }
        if (clattn__fits(context, variant, desc, params, refusal)) {
            const clattn_status status =
                clattn__op_try(context, family, variant, params, desc, out);
            if (status == CLATTN_OK) {
                clattn__log(&context->device, "%s: chose %s", family->op, clattn_op_kernel(*out));
                return CLATTN_OK;
            }
            worst = status;
            reason = clattn_error();
            if (status == CLATTN_ERR_MEMORY) {
                return status;
            }
        }
        clattn__log(&context->device, "%s: not %s: %s", family->op, variant->name, reason);
        const size_t used = strlen(reasons);
        snprintf(reasons + used, sizeof reasons - used, "%s%s: %.*s", used ? "; " : "",
                 variant->name, share, reason);
    }
    return clattn__fail(worst, "%s: no kernel serves this: %s", family->op, reasons);
}
