#include "variant.h"

#include "op.h"
#include "params.h"
#include "runtime/program.h"
#include "tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct clattn__family *const clattn__families[] = {
    &clattn__attention_family,   &clattn__project_family,    &clattn__norm_family,
    &clattn__rope_family,        &clattn__activation_family, &clattn__embed_family,
    &clattn__softmax_family,     &clattn__topk_family,       &clattn__append_family,
    &clattn__merge_family,       &clattn__additive_family,   &clattn__moe_family,
    &clattn__attribution_family, &clattn__rollout_family,    NULL};

bool clattn__names_variant(const char *text, const struct clattn__variant *variant)
{
    const char *slash = strchr(variant->name, '/');
    return !strcmp(text, variant->name) || (slash && !strcmp(text, slash + 1));
}

int clattn__param(const struct clattn__variant *variant, const int *params, const char *name)
{
    for (int i = 0; i < CLATTN__MAX_PARAMS && variant->params[i].name; i++) {
        if (!strcmp(variant->params[i].name, name)) {
            return params[i];
        }
    }
    return 0;
}

bool clattn__fits_wide(const clattn_device_facts *facts, const void *desc, const int *params,
                       char reason[CLATTN__REASON_BYTES])
{
    (void)desc;
    (void)params;
    if (facts->vector_width != 4 && facts->vector_width != 8 && facts->vector_width != 16) {
        snprintf(reason, CLATTN__REASON_BYTES,
                 "is for CPUs with float vectors of 4, 8 or 16, the device has %d",
                 facts->vector_width);
        return false;
    }
    return true;
}

/* The tile, the vectors it is multiplied with and one broadcast value; AVX-512 and ARM have 32
 * registers, AVX2 has 16. */
bool clattn__fits_registers(const clattn_device_facts *facts, int values, int vectors,
                            char reason[CLATTN__REASON_BYTES])
{
    const int needed = values * vectors + vectors + 1, there = facts->vector_width == 8 ? 16 : 32;
    if (needed > there) {
        snprintf(reason, CLATTN__REASON_BYTES, "needs %d vector registers, the device has %d",
                 needed, there);
        return false;
    }
    return true;
}

bool clattn__fits_group(const clattn_device_facts *facts, size_t items, size_t local_bytes,
                        char reason[CLATTN__REASON_BYTES])
{
    if (facts->max_work_group < items) {
        snprintf(reason, CLATTN__REASON_BYTES, "needs work-groups of %zu, the device allows %zu",
                 items, facts->max_work_group);
        return false;
    }
    if (facts->local_bytes < local_bytes) {
        snprintf(reason, CLATTN__REASON_BYTES,
                 "needs %zu bytes of local memory, the device has %llu", local_bytes,
                 (unsigned long long)facts->local_bytes);
        return false;
    }
    return true;
}

void clattn__cells(const int *params, const int64_t extent[3], size_t global[3], size_t local[3])
{
    (void)params;
    for (int i = 0; i < 3; i++) {
        global[i] = (size_t)extent[i];
        local[i] = 1;
    }
}

const char *clattn__variant_file(const struct clattn__variant *variant)
{
    return variant->file ? variant->file : variant->name;
}

const struct clattn__variant *clattn__variant_at(const struct clattn__family *family,
                                                 const struct clattn__variant *chosen, size_t n)
{
    const size_t place = chosen ? (size_t)(chosen - family->variants) : 0;
    return chosen && n == 0       ? chosen
           : chosen && n <= place ? &family->variants[n - 1]
                                  : &family->variants[n];
}

void clattn__report_variants(clattn_context *context, const struct clattn__family *family,
                             const void *desc, const char *kernel, clattn_variant_report *report,
                             void *user)
{
    const struct clattn__variant *chosen = clattn__tune_chosen(context, family, desc, false), *v;
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
    const struct clattn__variant *chosen = clattn__tune_chosen(context, family, desc, true), *v;
    for (size_t n = 0; (v = clattn__variant_at(family, chosen, n))->name; n++) {
        char reason[CLATTN__REASON_BYTES];
        clattn__params_choose(context, family, v, desc, params);
        if ((v->few_rows || v == chosen) && clattn__fits(context, v, desc, params, reason)) {
            return v;
        }
    }
    return NULL;
}

static void describe_params(clattn_op *op, const void *desc)
{
    int built_in[CLATTN__MAX_PARAMS];
    clattn__params_write(op->variant, op->params, op->params_text);
    clattn__params_built_in(op->context, op->variant, desc, built_in);
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

static clattn_status try_variant(clattn_context *context, const struct clattn__family *family,
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

clattn_status clattn__check_kernel_name(const struct clattn__family *family, const char *kernel)
{
    char list[512] = "";
    for (const struct clattn__variant *v = family->variants; v->name; v++) {
        if (!kernel || clattn__names_variant(kernel, v)) {
            return CLATTN_OK;
        }
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", v->name);
    }
    return clattn__refuse("%s: kernel '%s' is not one of %s", family->op, kernel, list);
}

/* Those that text names, the rest built in: the same whatever was kept on this machine. */
static clattn_status force_params(const clattn_context *context,
                                  const struct clattn__family *family,
                                  const struct clattn__variant *variant, const void *desc,
                                  const char *text, int params[CLATTN__MAX_PARAMS])
{
    char reason[CLATTN__REASON_BYTES];
    clattn__params_built_in(context, variant, desc, params);
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
    const struct clattn__variant *chosen = clattn__tune_chosen(context, family, desc, false);
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
            TRY(force_params(context, family, variant, desc, forced, params));
        }
        if (clattn__fits(context, variant, desc, params, refusal)) {
            const clattn_status status = try_variant(context, family, variant, params, desc, out);
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

/* ---- Building all at once -------------------------------------------------- */

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
        try_variant(warm->context, warm->family, variant, params, desc, &op);
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
    for (const struct clattn__family *const *family = clattn__families; *family; family++) {
        warm.family = *family;
        (*family)->usual(warm_visit, &warm);
    }
    return warm.status == CLATTN_OK ? CLATTN_OK : clattn__fail(warm.status, "%s", warm.error);
}
