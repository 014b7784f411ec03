/* Softmax over the columns of rows. */
#include "families.h"
#include "ops/common/simple.h"

#include <clattn/block.h>

#include <math.h>

static clattn_status complete(void *desc)
{
    const clattn_softmax_desc *d = desc;
    TRY(clattn__check_float("softmax", "type", d->type));
    return clattn__check_float("softmax", "out_type", d->out_type);
}

static void specialise(const void *desc, struct clattn__options *options)
{
    const clattn_softmax_desc *d = desc;
    clattn__option(options, "TYPE", d->type);
    clattn__option(options, "OUT_TYPE", d->out_type);
}

static void label(const void *desc, char *text, size_t bytes)
{
    const clattn_softmax_desc *d = desc;
    clattn__label_types(d->type, d->out_type, text, bytes);
}

static void describe(const void *desc, const void *args, struct clattn__call *call)
{
    enum { X };
    const clattn_softmax_desc *d = desc;
    const clattn_softmax_args *a = args;
    const int64_t *n = a->x.size;
    const unsigned in = 1u << d->type, out = 1u << d->out_type;
    const bool output = true;
    *call = (struct clattn__call){
        .operand = {{"x", &a->x, {n[0], n[1], n[2], n[3]}, in},
                    {"y", &a->y, {n[0], n[1], n[2], n[3]}, out, 0, false, output, 1u << X}},
        .ints = {n[1], n[2], n[3]},
        .real = a->temperature == 0 ? 1 : 1 / a->temperature,
        .extent = {n[1], n[2], n[0]}};
}

static clattn_status check(const void *desc, const void *args)
{
    const float temperature = ((const clattn_softmax_args *)args)->temperature;
    (void)desc;
    return temperature >= 0 && isfinite(temperature) && (temperature == 0 || temperature >= 1e-30f)
               ? CLATTN_OK
               : clattn__refuse("softmax: args.temperature is %g, must be positive", temperature);
}

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_softmax_desc desc = {.type = CLATTN_F32};
    visit(user, &desc);
}

static const struct clattn__variant variants[] = {
    {.name = "block/softmax_wide", CLATTN__WIDE_ROWS(1)},
    {.name = "block/softmax", CLATTN__ITEMS(clattn__row_items)},
    {0},
};

static const struct clattn__simple simple = {
    .desc_bytes = sizeof(clattn_softmax_desc),
    .args_bytes = sizeof(clattn_softmax_args),
    .kernel_at = offsetof(clattn_softmax_desc, kernel),
    .ints = 3,
    .real = true,
    .complete = complete,
    .specialise = specialise,
    .label = label,
    .describe = describe,
    .check = check,
};

const struct clattn__family clattn__softmax_family =
    CLATTN__SIMPLE("softmax", variants, clattn_softmax_desc, simple, usual);

CLATTN__SIMPLE_CALLS(softmax)
