/* RMSNorm and LayerNorm, with the residual addition before them. */
#include "families.h"
#include "ops/common/simple.h"

#include <clattn/block.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static clattn_status complete(void *desc)
{
    clattn_norm_desc *d = desc;
    d->epsilon = d->epsilon == 0 ? 1e-5f : d->epsilon;
    if (d->kind != CLATTN_RMS_NORM && d->kind != CLATTN_LAYER_NORM) {
        return clattn__refuse("norm: kind is %d, must be CLATTN_RMS_NORM or CLATTN_LAYER_NORM",
                              (int)d->kind);
    }
    TRY(clattn__check_float("norm", "type", d->type));
    TRY(clattn__check_float("norm", "weight_type", d->weight_type));
    TRY(clattn__check_float("norm", "out_type", d->out_type));
    if (d->sum && !d->residual) {
        return clattn__refuse("norm: sum is set, but residual is not");
    }
    return d->epsilon > 0 && isfinite(d->epsilon)
               ? CLATTN_OK
               : clattn__refuse("norm: epsilon is %g, must be positive", d->epsilon);
}

static void specialise(const void *desc, struct clattn__options *options)
{
    const clattn_norm_desc *d = desc;
    clattn__option(options, "TYPE", d->type);
    clattn__option(options, "WEIGHT_TYPE", d->weight_type);
    clattn__option(options, "OUT_TYPE", d->out_type);
    clattn__option(options, "ABOUT_MEAN", d->kind == CLATTN_LAYER_NORM);
    clattn__option(options, "WITH_WEIGHT", d->weight);
    clattn__option(options, "WITH_BIAS", d->bias);
    clattn__option(options, "WITH_RESIDUAL", d->residual);
    clattn__option(options, "WITH_SUM", d->sum);
}

static void label(const void *desc, char *text, size_t bytes)
{
    const clattn_norm_desc *d = desc;
    clattn__label_types(d->type, d->out_type, text, bytes);
    const size_t used = strlen(text);
    snprintf(text + used, bytes - used, " %s%s%s%s", d->kind == CLATTN_LAYER_NORM ? "layer" : "rms",
             d->weight ? " weight" : "", d->bias ? " bias" : "",
             d->sum        ? " sum"
             : d->residual ? " residual"
                           : "");
}

static void describe(const void *desc, const void *args, struct clattn__call *call)
{
    enum { X, RESIDUAL };
    const clattn_norm_desc *d = desc;
    const clattn_norm_args *a = args;
    const int64_t *n = a->x.size;
    const unsigned in = 1u << d->type, weight = 1u << d->weight_type, out = 1u << d->out_type;
    const unsigned over = 1u << X | 1u << RESIDUAL, f32 = 1u << CLATTN_F32;
    const bool optional = true, output = true;
    *call = (struct clattn__call){
        .operand =
            {{"x", &a->x, {n[0], n[1], n[2], n[3]}, in},
             {"residual",
              &a->residual,
              {n[0], n[1], n[2], n[3]},
              in,
              .unwanted = CLATTN__ANNOUNCED(d, residual)},
             {"weight",
              &a->weight,
              {1, 1, 1, n[3]},
              weight,
              .unwanted = CLATTN__ANNOUNCED(d, weight)},
             {"bias", &a->bias, {1, 1, 1, n[3]}, weight, .unwanted = CLATTN__ANNOUNCED(d, bias)},
             {"sum",
              &a->sum,
              {n[0], n[1], n[2], n[3]},
              in,
              .output = true,
              .over = over,
              .unwanted = CLATTN__ANNOUNCED(d, sum)},
             {"y", &a->y, {n[0], n[1], n[2], n[3]}, out, .output = true, .over = over},
             {"mean", &a->mean, {n[0], n[1], n[2], 1}, f32, 0, optional, output},
             {"inverse", &a->inverse, {n[0], n[1], n[2], 1}, f32, 0, optional, output}},
        .ints = {n[1], n[2], n[3]},
        .real = d->epsilon,
        .extent = {n[1], n[2], n[0]}};
}

static clattn_status check(const void *desc, const void *args)
{
    const clattn_norm_args *a = args;
    (void)desc;
    return a->x.size[3] > 0 ? CLATTN_OK
                            : clattn__refuse("norm: args.x.size[3] is 0, must be at least 1");
}

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_norm_desc rms = {.weight = true, .epsilon = 1e-5f};
    const clattn_norm_desc layer = {
        .kind = CLATTN_LAYER_NORM, .weight = true, .bias = true, .epsilon = 1e-5f};
    visit(user, &rms);
    visit(user, &layer);
}

static const struct clattn__variant variants[] = {
    {.name = "block/norm_wide", CLATTN__WIDE_ROWS(4)},
    {.name = "block/norm", CLATTN__ITEMS(clattn__row_items)},
    {0},
};

static const struct clattn__simple simple = {
    .desc_bytes = sizeof(clattn_norm_desc),
    .args_bytes = sizeof(clattn_norm_args),
    .kernel_at = offsetof(clattn_norm_desc, kernel),
    .ints = 3,
    .real = true,
    .complete = complete,
    .specialise = specialise,
    .label = label,
    .describe = describe,
    .check = check,
};

const struct clattn__family clattn__norm_family =
    CLATTN__SIMPLE("norm", variants, clattn_norm_desc, simple, usual);

CLATTN__SIMPLE_CALLS(norm)
