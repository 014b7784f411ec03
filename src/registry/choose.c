#include "choose.h"

#include <string.h>

bool clattn__fits(clattn_context *context, const struct clattn__variant *variant, const void *desc,
                  const int *params, char reason[CLATTN__REASON_BYTES])
{
    reason[0] = '\0';
    return (!variant->fits || variant->fits(&context->device.facts, desc, params, reason)) &&
           (!variant->trusted || variant->trusted(context, desc, reason));
}

void clattn__params_choose(clattn_context *context, const struct clattn__family *family,
                           const struct clattn__variant *variant, const void *desc,
                           int params[CLATTN__MAX_PARAMS])
{
    char label[CLATTN__LABEL_BYTES], reason[CLATTN__REASON_BYTES];
    int kept[CLATTN__MAX_PARAMS];
    clattn__params_built_in(&context->device.facts, variant, desc, params);
    if (!family->label) {
        return;
    }
    family->label(variant, desc, label);
    memcpy(kept, params, sizeof kept);
    if (!clattn__kept_find(&context->kept, label, kept)) {
        return;
    }
    if (clattn__fits(context, variant, desc, kept, reason)) {
        memcpy(params, kept, sizeof kept);
    } else {
        clattn__log(&context->device, "tune: what was kept for %s is not used: %s", label, reason);
    }
}

void clattn__report_variants(clattn_context *context, const struct clattn__family *family,
                             const void *desc, const char *kernel, clattn_variant_report *report,
                             void *user)
{
    const struct clattn__variant *chosen = clattn__kept_chosen(&context->kept, family, desc, false),
                                 *v;
    for (size_t n = 0; (v = clattn__variant_at(family, chosen, n))->name; n++) {
        if (v->forced_only && !(kernel && clattn__names_variant(kernel, v))) {
            continue;
        }
        char reason[CLATTN__REASON_BYTES];
        int params[CLATTN__MAX_PARAMS];
        clattn__params_choose(context, family, v, desc, params);
        report(user, v->name, clattn__fits(context, v, desc, params, reason) ? NULL : reason);
    }
}

const struct clattn__variant *clattn__few_rows_variant(clattn_context *context,
                                                       const struct clattn__family *family,
                                                       const void *desc,
                                                       int params[CLATTN__MAX_PARAMS])
{
    const struct clattn__variant *chosen = clattn__kept_chosen(&context->kept, family, desc, true),
                                 *v;
    for (size_t n = 0; (v = clattn__variant_at(family, chosen, n))->name; n++) {
        char reason[CLATTN__REASON_BYTES];
        clattn__params_choose(context, family, v, desc, params);
        if ((v->few_rows || v == chosen) && clattn__fits(context, v, desc, params, reason)) {
            return v;
        }
    }
    return NULL;
}
