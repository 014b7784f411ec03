/* Every set of parameters of a kernel that fits. */
#include "choose.h"

#include <string.h>

struct candidates {
    clattn_context *context;
    const struct clattn__variant *variant;
    const void *desc;
    char label[CLATTN__LABEL_BYTES];
    int in_use[CLATTN__MAX_PARAMS], built_in[CLATTN__MAX_PARAMS];
    clattn_candidate_report *report;
    void *user;
};

static bool same(const int *a, const int *b)
{
    return !memcmp(a, b, CLATTN__MAX_PARAMS * sizeof *a);
}

static void report_one(const struct candidates *c, const int *params)
{
    char text[CLATTN__PARAMS_BYTES];
    clattn__params_write(c->variant, params, text);
    const clattn_candidate candidate = {.kernel = c->label,
                                        .params = text,
                                        .in_use = same(params, c->in_use),
                                        .built_in = same(params, c->built_in)};
    c->report(c->user, &candidate);
}

/* Every choice of parameter i with every choice of those behind it. */
static void report_rest(const struct candidates *c, int i, int *params)
{
    char reason[CLATTN__REASON_BYTES];
    if (i < CLATTN__MAX_PARAMS && c->variant->params[i].name) {
        const struct clattn__param *param = &c->variant->params[i];
        if (!clattn__tunable(param)) {
            report_rest(c, i + 1, params);
        }
        for (int n = 0; n < CLATTN__MAX_CHOICES && param->choices[n]; n++) {
            params[i] = param->choices[n];
            report_rest(c, i + 1, params);
        }
        return;
    }
    if (!same(params, c->in_use) && !same(params, c->built_in) &&
        clattn__fits(c->context, c->variant, c->desc, params, reason)) {
        report_one(c, params);
    }
}

/* The variant that kernel names, or the first for many rows that fits. */
static const struct clattn__variant *find_variant(clattn_context *context,
                                                  const struct clattn__family *family,
                                                  const void *desc, const char *kernel,
                                                  char reason[CLATTN__REASON_BYTES])
{
    const struct clattn__variant *chosen = clattn__kept_chosen(&context->kept, family, desc, false),
                                 *v;
    for (size_t n = 0; (v = clattn__variant_at(family, chosen, n))->name; n++) {
        int params[CLATTN__MAX_PARAMS];
        if (kernel ? !clattn__names_variant(kernel, v) : v->few_rows || v->forced_only) {
            continue;
        }
        clattn__params_choose(context, family, v, desc, params);
        if (clattn__fits(context, v, desc, params, reason)) {
            return v;
        }
        if (kernel) {
            break;
        }
    }
    return NULL;
}

clattn_status clattn__report_candidates(clattn_context *context,
                                        const struct clattn__family *family, const void *desc,
                                        const char *kernel, clattn_candidate_report *report,
                                        void *user)
{
    char reason[CLATTN__REASON_BYTES] = "";
    int params[CLATTN__MAX_PARAMS];
    struct candidates c = {.context = context, .desc = desc, .report = report, .user = user};
    TRY(clattn__check_kernel_name(family, kernel));
    c.variant = find_variant(context, family, desc, kernel, reason);
    if (!c.variant) {
        return clattn__fail(CLATTN_ERR_UNSUPPORTED, "%s: no kernel serves this: %s", family->op,
                            reason);
    }
    family->label(c.variant, desc, c.label);
    clattn__params_choose(context, family, c.variant, desc, c.in_use);
    clattn__params_built_in(&context->device.facts, c.variant, desc, c.built_in);
    report_one(&c, c.in_use);
    if (!same(c.in_use, c.built_in) && clattn__fits(context, c.variant, desc, c.built_in, reason)) {
        report_one(&c, c.built_in);
    }
    memcpy(params, c.built_in, sizeof params);
    report_rest(&c, 0, params);
    return CLATTN_OK;
}
