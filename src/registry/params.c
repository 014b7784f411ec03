#include "params.h"

#include "tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool clattn__fits(clattn_context *context, const struct clattn__variant *variant, const void *desc,
                  const int *params, char reason[CLATTN__REASON_BYTES])
{
    reason[0] = '\0';
    return (!variant->fits || variant->fits(&context->device.facts, desc, params, reason)) &&
           (!variant->trusted || variant->trusted(context, desc, reason));
}

/* ---- Choosing ---------------------------------------------------------------- */

void clattn__params_built_in(const clattn_context *context, const struct clattn__variant *variant,
                             const void *desc, int params[CLATTN__MAX_PARAMS])
{
    for (int i = 0; i < CLATTN__MAX_PARAMS; i++) {
        params[i] = variant->params[i].value;
    }
    if (variant->adapt) {
        variant->adapt(&context->device.facts, desc, params);
    }
}

void clattn__params_choose(clattn_context *context, const struct clattn__family *family,
                           const struct clattn__variant *variant, const void *desc,
                           int params[CLATTN__MAX_PARAMS])
{
    char label[CLATTN__LABEL_BYTES], reason[CLATTN__REASON_BYTES];
    int kept[CLATTN__MAX_PARAMS];
    clattn__params_built_in(context, variant, desc, params);
    if (!family->label) {
        return;
    }
    family->label(variant, desc, label);
    memcpy(kept, params, sizeof kept);
    if (!clattn__tune_find(context, label, kept)) {
        return;
    }
    if (clattn__fits(context, variant, desc, kept, reason)) {
        memcpy(params, kept, sizeof kept);
    } else {
        clattn__log(&context->device, "tune: what was kept for %s is not used: %s", label, reason);
    }
}

/* ---- As text ------------------------------------------------------------------ */

static bool is_choice(const struct clattn__param *param, long value)
{
    for (int i = 0; i < CLATTN__MAX_CHOICES && param->choices[i]; i++) {
        if (param->choices[i] == value) {
            return true;
        }
    }
    return false;
}

/* The tunable parameter of that name, or -1. */
static int find_param(const struct clattn__variant *variant, const char *name, size_t length)
{
    for (int i = 0; i < CLATTN__MAX_PARAMS && variant->params[i].name; i++) {
        const struct clattn__param *param = &variant->params[i];
        if (clattn__tunable(param) && strlen(param->name) == length &&
            !strncmp(param->name, name, length)) {
            return i;
        }
    }
    return -1;
}

static void append(char *text, size_t bytes, const char *separator, const char *word)
{
    const size_t used = strlen(text);
    snprintf(text + used, bytes - used, "%s%s", used ? separator : "", word);
}

static bool refuse_param(const struct clattn__variant *variant, const char *word, int length,
                         char reason[CLATTN__REASON_BYTES])
{
    char names[CLATTN__PARAMS_BYTES] = "";
    for (int i = 0; i < CLATTN__MAX_PARAMS && variant->params[i].name; i++) {
        if (clattn__tunable(&variant->params[i])) {
            append(names, sizeof names, ", ", variant->params[i].name);
        }
    }
    snprintf(reason, CLATTN__REASON_BYTES, "'%.*s' is not a parameter of %s (%s), as NAME=VALUE",
             length < 40 ? length : 40, word, variant->name, names[0] ? names : "it has none");
    return false;
}

static bool refuse_value(const struct clattn__param *param, const char *word, int length,
                         char reason[CLATTN__REASON_BYTES])
{
    char choices[100] = "";
    for (int i = 0; i < CLATTN__MAX_CHOICES && param->choices[i]; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", param->choices[i]);
        append(choices, sizeof choices, ", ", number);
    }
    snprintf(reason, CLATTN__REASON_BYTES, "'%.*s': %s must be one of %s",
             length < 40 ? length : 40, word, param->name, choices);
    return false;
}

bool clattn__params_read(const struct clattn__variant *variant, const char *text,
                         int params[CLATTN__MAX_PARAMS], char reason[CLATTN__REASON_BYTES])
{
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        const size_t length = strcspn(text, " "), name = strcspn(text, "=");
        const int i = name < length ? find_param(variant, text, name) : -1;
        if (i < 0) {
            return refuse_param(variant, text, (int)length, reason);
        }
        char *end;
        const long value = strtol(text + name + 1, &end, 10);
        if (end != text + length || !is_choice(&variant->params[i], value)) {
            return refuse_value(&variant->params[i], text, (int)length, reason);
        }
        params[i] = (int)value;
        text += length;
    }
    return true;
}

void clattn__params_write(const struct clattn__variant *variant, const int *params,
                          char text[CLATTN__PARAMS_BYTES])
{
    text[0] = '\0';
    for (int i = 0; i < CLATTN__MAX_PARAMS && variant->params[i].name; i++) {
        char word[64];
        snprintf(word, sizeof word, "%s=%d", variant->params[i].name, params[i]);
        if (clattn__tunable(&variant->params[i])) {
            append(text, CLATTN__PARAMS_BYTES, " ", word);
        }
    }
}

/* ---- Candidates ----------------------------------------------------------------- */

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
    const struct clattn__variant *chosen = clattn__tune_chosen(context, family, desc, false), *v;
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
    clattn__params_built_in(context, c.variant, desc, c.built_in);
    report_one(&c, c.in_use);
    if (!same(c.in_use, c.built_in) && clattn__fits(context, c.variant, desc, c.built_in, reason)) {
        report_one(&c, c.built_in);
    }
    memcpy(params, c.built_in, sizeof params);
    report_rest(&c, 0, params);
    return CLATTN_OK;
}
