/* Joining attention over two disjoint sets of keys. */
#include "families.h"
#include "ops/common/simple.h"

#include <clattn/cache.h>

static clattn_status complete(void *desc)
{
    const clattn_merge_desc *d = desc;
    TRY(clattn__check_float("merge", "type", d->type));
    return clattn__check_float("merge", "out_type", d->out_type);
}

static void specialise(const void *desc, struct clattn__options *options)
{
    const clattn_merge_desc *d = desc;
    clattn__option(options, "TYPE", d->type);
    clattn__option(options, "OUT_TYPE", d->out_type);
}

static void label(const void *desc, char *text, size_t bytes)
{
    const clattn_merge_desc *d = desc;
    clattn__label_types(d->type, d->out_type, text, bytes);
}

static void describe(const void *desc, const void *args, struct clattn__call *call)
{
    enum { A, B, A_LSE, B_LSE };
    const clattn_merge_desc *d = desc;
    const clattn_merge_args *x = args;
    const int64_t *s = x->a.size;
    const unsigned type = 1u << d->type, f32 = 1u << CLATTN_F32;
    const bool output = true, optional = true;
    *call = (struct clattn__call){.operand = {{"a", &x->a, {s[0], s[1], s[2], s[3]}, type},
                                              {"b", &x->b, {s[0], s[1], s[2], s[3]}, type},
                                              {"a_lse", &x->a_lse, {s[0], s[1], s[2], 1}, f32},
                                              {"b_lse", &x->b_lse, {s[0], s[1], s[2], 1}, f32},
                                              {"out",
                                               &x->out,
                                               {s[0], s[1], s[2], s[3]},
                                               1u << d->out_type,
                                               0,
                                               false,
                                               output,
                                               1u << A | 1u << B},
                                              {"lse",
                                               &x->lse,
                                               {s[0], s[1], s[2], 1},
                                               f32,
                                               0,
                                               optional,
                                               output,
                                               1u << A_LSE | 1u << B_LSE}},
                                  .ints = {s[1], s[3]},
                                  .extent = {s[1], s[2], s[0]}};
}

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_merge_desc desc = {.type = CLATTN_F32};
    visit(user, &desc);
}

static const struct clattn__variant variants[] = {
    {.name = "cache/merge", CLATTN__ITEMS(clattn__row_items)},
    {0},
};

static const struct clattn__simple simple = {
    .desc_bytes = sizeof(clattn_merge_desc),
    .args_bytes = sizeof(clattn_merge_args),
    .kernel_at = offsetof(clattn_merge_desc, kernel),
    .ints = 2,
    .complete = complete,
    .specialise = specialise,
    .label = label,
    .describe = describe,
};

const struct clattn__family clattn__merge_family =
    CLATTN__SIMPLE("merge", variants, clattn_merge_desc, simple, usual);

CLATTN__SIMPLE_CALLS(merge)
