/* The kernels of attribution: which fit, compiling and binding them. */
#include "attribution.h"
#include "registry/choose.h"

#include <stdio.h>
#include <string.h>

/* ---- Registry ---------------------------------------------------------------- */

enum { LANES_BY, SUBGROUP, PER_KEY, TOGETHER }; /* places in attribution/subgroup's params */

static bool subgroup_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                          char reason[CLATTN__REASON_BYTES])
{
    (void)desc;
    if (!clattn__lanes_fit(facts, params[SUBGROUP], reason)) {
        return false;
    }
    if (params[PER_KEY] > params[SUBGROUP] || params[TOGETHER] > params[PER_KEY]) {
        snprintf(reason, CLATTN__REASON_BYTES,
                 "PER_KEY, %d, must be at most SUBGROUP, %d, and TOGETHER, %d, at most that",
                 params[PER_KEY], params[SUBGROUP], params[TOGETHER]);
        return false;
    }
    return true;
}

/* Rows of many columns take more registers, so fewer are together; Intel's hold half as many
 * numbers of a lane as others'. */
static void subgroup_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    const clattn_attention_desc *d = desc;
    clattn__lanes_adapt(facts, &params[LANES_BY], &params[SUBGROUP]);
    const bool intel = facts->lanes == CLATTN_LANES_INTEL;
    const int together = d->head_dim > 256 ? 2 : d->head_dim > 64 ? 4 : 8;
    params[PER_KEY] = intel && params[SUBGROUP] > 8 ? 16 : 8;
    params[TOGETHER] = intel ? together / 2 : together;
}

static void subgroup_geometry(const int *params, const int64_t extent[3], size_t global[3],
                              size_t local[3])
{
    clattn__cells(params, extent, global, local);
    local[0] = (size_t)params[SUBGROUP];
    global[0] *= local[0];
}

const struct clattn__variant clattn__attribution_variants[] = {
    {.name = "attribution/wide",
     .fits = clattn__queries_fit,
     .params = {{"WIDTH", 16},
                {"VECTORS", 2, {1, 2, 3, 4}},
                {"KEYS", 8, {2, 4, 8, 16}},
                {"TILE_K", 128, {48, 64, 96, 128, 192, 256}}},
     .adapt = clattn__queries_adapt,
     .geometry = clattn__queries_geometry},
    {.name = "attribution/decode_wide",
     .few_rows = true,
     .fits = clattn__fits_wide,
     .params = {{"WIDTH", 16}, {"BLOCK", 1}, {"BLOCKS", 16, {1, 2, 4, 8, 16}}},
     .adapt = clattn__decode_adapt,
     .geometry = clattn__cells},
    {.name = "attribution/subgroup",
     .fits = subgroup_fits,
     .params = {{"LANES_BY", 0},
                {"SUBGROUP", 32},
                {"PER_KEY", 8, {4, 8, 16}},
                {"TOGETHER", 8, {1, 2, 4, 8}}},
     .adapt = subgroup_adapt,
     .geometry = subgroup_geometry},
    {.name = "attribution/row",
     .fits = clattn__rows_fit,
     .params = {{"ROWS", 8, {1, 4, 8, 16, 32, 64}}},
     .adapt = clattn__rows_adapt,
     .geometry = clattn__rows_geometry},
    {0},
};

/* ---- Binding ----------------------------------------------------------------- */

struct clattn__binding clattn__attribution_bind(cl_kernel kernel, const clattn_attribution_desc *d,
                                                const struct attribution_problem *p)
{
    struct clattn__binding binding = clattn__attention_bind(kernel, &d->attention, &p->attention);
    clattn__bind_view(&binding, &p->spans);
    clattn__bind_view(&binding, &p->row_weight);
    clattn__bind_view(&binding, &p->mass);
    clattn__bind_view(&binding, &p->parts);
    clattn__bind_int(&binding, p->span_count);
    clattn__bind_int(&binding, p->mass_rows);
    clattn__bind_int(&binding, p->accumulate);
    clattn__bind_int(&binding, p->walkers);
    clattn__bind_int(&binding, p->split_keys);
    clattn__bind_int(&binding, d->attention.query_heads);
    return binding;
}

/* ---- Building ---------------------------------------------------------------- */

static void label(const struct clattn__variant *variant, const void *desc,
                  char text[CLATTN__LABEL_BYTES])
{
    static const char *const rows[] = {"", " sum", " by-span"};
    const clattn_attribution_desc *d = desc;
    clattn__attention_label(variant, &d->attention, text);
    const size_t used = strlen(text);
    snprintf(text + used, CLATTN__LABEL_BYTES - used, "%s%s", rows[d->rows],
             d->value_weighted ? " values" : "");
}

static clattn_status build_kernel(struct attribution_op *op, const struct clattn__variant *variant,
                                  const int *params, const char *name, cl_kernel *out)
{
    const int64_t one[3] = {1, 1, 1};
    const struct attribution_problem nothing = {0};
    const bool reduces = strcmp(name, variant->name) != 0;
    size_t global[3], local[3];
    struct clattn__options options =
        clattn__attention_options(variant, params, &op->desc.attention);
    clattn__option(&options, "OVER_ROWS", op->desc.rows);
    clattn__option(&options, "OVER_HEADS", op->desc.heads);
    clattn__option(&options, "VALUE_WEIGHTED", op->desc.value_weighted);
    variant->geometry(params, one, global, local);
    TRY(clattn__build_kernel_in(op->base.context, variant->name, name, &options, out));
    const struct clattn__binding binding = clattn__attribution_bind(*out, &op->desc, &nothing);
    const size_t single[3] = {1, 1, 1};
    return clattn__first_launch(op->base.context, &binding, reduces ? single : local);
}

/* A second kernel beside the one for many queries; without it that one serves. */
static void build_few(struct attribution_op *op)
{
    const struct clattn__variant *variant = clattn__few_rows_variant(
        op->base.context, &clattn__attribution_family, &op->desc, op->few_params);
    if (!variant) {
        return;
    }
    if (build_kernel(op, variant, op->few_params, variant->name, &op->few) == CLATTN_OK) {
        op->few_variant = variant;
        label(variant, &op->desc, op->few_label);
    } else {
        clattn__log(&op->base.context->device, "attribution: not %s: %s", variant->name,
                    clattn_error());
    }
}

static clattn_status build(clattn_op *base, const void *desc)
{
    struct attribution_op *op = (struct attribution_op *)base;
    const bool forced = ((const clattn_attribution_desc *)desc)->kernel;
    op->desc = *(const clattn_attribution_desc *)desc;
    op->desc.kernel = op->desc.params = NULL; /* the caller's strings do not outlive the call */
    TRY(build_kernel(op, base->variant, base->params, base->variant->name, &base->kernel));
    TRY(build_kernel(op, base->variant, base->params, "attribution/reduce", &op->reduce));
    if (!base->variant->few_rows && !forced) {
        build_few(op);
    }
    return CLATTN_OK;
}

static void release(clattn_op *base)
{
    struct attribution_op *op = (struct attribution_op *)base;
    const cl_kernel kernels[] = {op->few, op->reduce};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        if (kernels[i]) {
            clReleaseKernel(kernels[i]);
        }
    }
}

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_attribution_desc desc = {
        .attention = {.head_dim = 64, .query_heads = 1, .causal = true}};
    clattn_attribution_desc full;
    if (clattn__attribution_complete(&desc, &full) == CLATTN_OK) {
        visit(user, &full);
    }
}

const struct clattn__family clattn__attribution_family = {
    .op = "attribution",
    .variants = clattn__attribution_variants,
    .op_bytes = sizeof(struct attribution_op),
    .label = label,
    .build = build,
    .release = release,
    .usual = usual,
};
