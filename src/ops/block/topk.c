/* The k largest of each row. */
#include "families.h"
#include "ops/common/simple.h"

#include <clattn/block.h>

#include <stdio.h>
#include <string.h>

enum { MAX_K = 1024 };

static clattn_status complete(void *desc)
{
    const clattn_topk_desc *d = desc;
    if (d->k < 1 || d->k > MAX_K) {
        return clattn__refuse("topk: k is %d, must be 1..%d", d->k, MAX_K);
    }
    return clattn__check_float("topk", "type", d->type);
}

static void specialise(const void *desc, struct clattn__options *options)
{
    const clattn_topk_desc *d = desc;
    clattn__option(options, "TYPE", d->type);
    clattn__option(options, "K", d->k);
}

static void label(const void *desc, char *text, size_t bytes)
{
    const clattn_topk_desc *d = desc;
    snprintf(text, bytes, "%s k%d", clattn_type_name(d->type), d->k);
}

static void describe(const void *desc, const void *args, struct clattn__call *call)
{
    const clattn_topk_desc *d = desc;
    const clattn_topk_args *a = args;
    const int64_t *n = a->x.size;
    const unsigned type = 1u << d->type, i32 = 1u << CLATTN_I32;
    const bool output = true;
    *call = (struct clattn__call){
        .operand = {{"x", &a->x, {n[0], n[1], n[2], n[3]}, type},
                    {"values", &a->values, {n[0], n[1], n[2], d->k}, type, 0, false, output},
                    {"indices", &a->indices, {n[0], n[1], n[2], d->k}, i32, 0, false, output}},
        .ints = {n[1], n[2], n[3]},
        .extent = {n[1], n[2], n[0]}};
}

static clattn_status check(const void *desc, const void *args)
{
    const int64_t columns = ((const clattn_topk_args *)args)->x.size[3];
    const int32_t k = ((const clattn_topk_desc *)desc)->k;
    return columns >= k ? CLATTN_OK
                        : clattn__refuse("topk: args.x.size[3] is %lld, must be at least k, %d",
                                         (long long)columns, k);
}

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_topk_desc desc = {.k = 64};
    visit(user, &desc);
}

static const struct clattn__variant variants[] = {
    {.name = "block/topk_wide", CLATTN__WIDE_ROWS(1)},
    {.name = "block/topk", CLATTN__ITEMS(clattn__row_items)},
    {0},
};

static const struct clattn__simple simple = {
    .desc_bytes = sizeof(clattn_topk_desc),
    .args_bytes = sizeof(clattn_topk_args),
    .kernel_at = offsetof(clattn_topk_desc, kernel),
    .ints = 3,
    .complete = complete,
    .specialise = specialise,
    .label = label,
    .describe = describe,
    .check = check,
};

const struct clattn__family clattn__topk_family =
    CLATTN__SIMPLE("topk", variants, clattn_topk_desc, simple, usual);

CLATTN__SIMPLE_CALLS(topk)
