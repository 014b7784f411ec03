/* What a program that measures keeps, lists and clears. */
#include "op.h"
#include "params.h"

#include <clattn/tune.h>

#include <string.h>

clattn_status clattn_tune_keep(const clattn_op *op)
{
    if (!op) {
        return clattn__refuse("tune: op is NULL");
    }
    if (!op->params_text[0]) {
        return clattn__refuse("tune: %s has no parameters to keep", op->label);
    }
    struct clattn__kept kept = {.variant = op->variant};
    memcpy(kept.label, op->label, sizeof kept.label);
    for (int i = 0; i < CLATTN__MAX_PARAMS; i++) {
        kept.params[i] = clattn__tunable(&op->variant->params[i]) ? op->params[i] : 0;
    }
    return clattn__kept_put(&op->context->kept, &kept, op->built_in);
}

clattn_status clattn_tune_choose(const clattn_op *op, bool few_rows)
{
    if (!op) {
        return clattn__refuse("tune: op is NULL");
    }
    if (!op->shape_class[0]) {
        return clattn__refuse("tune: which kernel serves %s is not chosen by measuring", op->label);
    }
    if (!clattn__may_be_chosen(op->variant, few_rows)) {
        return clattn__refuse("tune: %s is not for every call", op->variant->name);
    }
    struct clattn__kept kept = {.variant = op->variant, .chosen = true};
    clattn__class_label(op->shape_class, few_rows, kept.label);
    return clattn__kept_put(&op->context->kept, &kept, op->usual[few_rows]);
}

clattn_status clattn_tune_list(clattn_context *context, clattn_tune_report *report, void *user)
{
    struct clattn__kept kept;
    if (!context || !report) {
        return clattn__refuse("tune: %s is NULL", context ? "report" : "context");
    }
    for (int n = 0; clattn__kept_entry(&context->kept, n, &kept); n++) {
        char params[CLATTN__PARAMS_BYTES];
        clattn__kept_write(&kept, params);
        report(user, kept.label, params);
    }
    return CLATTN_OK;
}

clattn_status clattn_tune_clear(clattn_context *context)
{
    if (!context) {
        return clattn__refuse("tune: context is NULL");
    }
    clattn__kept_clear(&context->kept);
    return CLATTN_OK;
}
