/* Activations and their gated forms. */
#include "activation.h"
#include "families.h"
#include "ops/common/simple.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [CLATTN_IDENTITY] = "identity",   [CLATTN_RELU] = "relu", [CLATTN_GELU] = "gelu",
    [CLATTN_GELU_TANH] = "gelu-tanh", [CLATTN_SILU] = "silu",
};

enum { KINDS = sizeof names / sizeof *names };

const char *clattn__activation_name(clattn_activation kind) { return names[kind]; }

clattn_status clattn__check_activation(const char *op, const char *field, clattn_activation kind)
{
    return (unsigned)kind < KINDS
               ? CLATTN_OK
               : clattn__refuse("%s: %s is %d, must be 0..%d", op, field, (int)kind, KINDS - 1);
}

static clattn_status complete(void *desc)
{
    const clattn_activation_desc *d = desc;
    TRY(clattn__check_activation("activation", "kind", d->kind));
    TRY(clattn__check_float("activation", "type", d->type));
    return clattn__check_float("activation", "out_type", d->out_type);
}

static void specialise(const void *desc, struct clattn__options *options)
{
    const clattn_activation_desc *d = desc;
    clattn__option(options, "TYPE", d->type);
    clattn__option(options, "OUT_TYPE", d->out_type);
    clattn__option(options, "KIND", d->kind);
    clattn__option(options, "GATED", d->gated);
    clattn__option(options, "WITH_RESIDUAL", d->residual);
}

static void label(const void *desc, char *text, size_t bytes)
{
    const clattn_activation_desc *d = desc;
    clattn__label_types(d->type, d->out_type, text, bytes);
    const size_t used = strlen(text);
    snprintf(text + used, bytes - used, " %s%s%s", names[d->kind], d->gated ? " gated" : "",
             d->residual ? " residual" : "");
}

static void describe(const void *desc, const void *args, struct clattn__call *call)
{
    enum { X, UP, RESIDUAL };
    const clattn_activation_desc *d = desc;
    const clattn_activation_args *a = args;
    const int64_t *n = a->x.size;
    const unsigned in = 1u << d->type, out = 1u << d->out_type;
    const unsigned over = 1u << X | 1u << UP | 1u << RESIDUAL;
    *call = (struct clattn__call){
        .operand =
            {{"x", &a->x, {n[0], n[1], n[2], n[3]}, in},
             {"up", &a->up, {n[0], n[1], n[2], n[3]}, in, .unwanted = CLATTN__ANNOUNCED(d, gated)},
             {"residual",
              &a->residual,
              {n[0], n[1], n[2], n[3]},
              in,
              .unwanted = CLATTN__ANNOUNCED(d, residual)},
             {"y", &a->y, {n[0], n[1], n[2], n[3]}, out, .output = true, .over = over}},
        .ints = {n[1], n[2], n[3]},
        .extent = {n[1], n[3], n[0]}};
}

/* Long rows are divided too: a tensor may be one. */
static void blocks(const int *params, const int64_t extent[3], size_t global[3], size_t local[3])
{
    enum { WIDTH, ROWS, COLUMNS };
    const int64_t cells[3] = {clattn__divide_up(extent[0], params[ROWS]),
                              clattn__divide_up(extent[1], params[COLUMNS]), extent[2]};
    clattn__cells(params, cells, global, local);
}

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_activation_desc gelu = {.kind = CLATTN_GELU},
                                 silu = {.kind = CLATTN_SILU, .gated = true};
    visit(user, &gelu);
    visit(user, &silu);
}

static const struct clattn__variant variants[] = {
    {.name = "block/activation_wide",
     .fits = clattn__fits_wide,
     .params = {{"WIDTH", 16}, {"ROWS", 4}, {"COLUMNS", 4096}},
     .adapt = clattn__adapt_width,
     .geometry = blocks},
    {.name = "block/activation", CLATTN__ITEMS(clattn__column_items)},
    {0},
};

static const struct clattn__simple simple = {
    .desc_bytes = sizeof(clattn_activation_desc),
    .args_bytes = sizeof(clattn_activation_args),
    .kernel_at = offsetof(clattn_activation_desc, kernel),
    .ints = 3,
    .complete = complete,
    .specialise = specialise,
    .label = label,
    .describe = describe,
};

const struct clattn__family clattn__activation_family =
    CLATTN__SIMPLE("activation", variants, clattn_activation_desc, simple, usual);

CLATTN__SIMPLE_CALLS(activation)
