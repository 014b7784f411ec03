/* Attention rollout with spans as nodes. */
#include "ops/common/simple.h"

#include <clattn/attribution.h>

#include <stdio.h>

static clattn_status complete(void *desc)
{
    (void)desc; /* says nothing but the kernel */
    return CLATTN_OK;
}

static void specialise(const void *desc, struct clattn__options *options)
{
    (void)desc;
    (void)options;
}

static void label(const void *desc, char *text, size_t bytes)
{
    (void)desc;
    snprintf(text, bytes, "f32");
}

static clattn_status check(const void *desc, const void *args)
{
    const clattn_rollout_args *a = args;
    const int64_t spans = a->mass.size[1], columns = a->mass.size[3];
    (void)desc;
    return columns == spans || columns == spans + 1
               ? CLATTN_OK
               : clattn__refuse("rollout: args.mass.size[3] (column) is %lld, must be %lld, a span "
                                "each, or one more",
                                (long long)columns, (long long)spans);
}

static void describe(const void *desc, const void *args, struct clattn__call *call)
{
    const clattn_rollout_args *a = args;
    const int64_t B = a->mass.size[0], S = a->mass.size[1], H = a->mass.size[2],
                  C = a->mass.size[3];
    const unsigned f32 = 1u << CLATTN_F32;
    const bool optional = true, output = true;
    (void)desc;
    *call = (struct clattn__call){
        .operand = {{"mass", &a->mass, {B, S, H, C}, f32},
                    {"previous", &a->previous, {B, S, 1, C}, f32, .optional = optional},
                    {"rollout", &a->rollout, {B, S, 1, C}, f32, .output = output}},
        .ints = {S, H, C},
        .extent = {S, C, B}};
}

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_rollout_desc desc = {0};
    visit(user, &desc);
}

static const struct clattn__variant variants[] = {
    {.name = "attribution/rollout", CLATTN__ITEMS(clattn__column_items)},
    {0},
};

static const struct clattn__simple simple = {
    .desc_bytes = sizeof(clattn_rollout_desc),
    .args_bytes = sizeof(clattn_rollout_args),
    .kernel_at = offsetof(clattn_rollout_desc, kernel),
    .ints = 3,
    .complete = complete,
    .specialise = specialise,
    .label = label,
    .describe = describe,
    .check = check,
};

const struct clattn__family clattn__rollout_family =
    CLATTN__SIMPLE("rollout", variants, clattn_rollout_desc, simple, usual);

CLATTN__SIMPLE_CALLS(rollout)
