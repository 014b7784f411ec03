/* Embedding: rows of tables by their numbers, added up. */
#include "families.h"
#include "ops/common/simple.h"

#include <clattn/block.h>

#include <math.h>
#include <string.h>

static clattn_status complete(void *desc)
{
    clattn_embed_desc *d = desc;
    d->scale = d->scale == 0 ? 1 : d->scale;
    TRY(clattn__check_float("embed", "type", d->type));
    TRY(clattn__check_float("embed", "out_type", d->out_type));
    return isfinite(d->scale) ? CLATTN_OK
                              : clattn__refuse("embed: scale is %g, must be finite", d->scale);
}

static void specialise(const void *desc, struct clattn__options *options)
{
    const clattn_embed_desc *d = desc;
    clattn__option(options, "TYPE", d->type);
    clattn__option(options, "OUT_TYPE", d->out_type);
}

static void label(const void *desc, char *text, size_t bytes)
{
    const clattn_embed_desc *d = desc;
    clattn__label_types(d->type, d->out_type, text, bytes);
}

static void describe(const void *desc, const void *args, struct clattn__call *call)
{
    const clattn_embed_desc *d = desc;
    const clattn_embed_args *a = args;
    const int64_t B = a->ids.size[0], N = a->ids.size[1], columns = a->table.size[3];
    const int64_t words = a->table.size[1], positions = a->position_table.size[1],
                  types = a->type_table.size[1];
    const unsigned table = 1u << d->type, out = 1u << d->out_type, i32 = 1u << CLATTN_I32;
    const bool optional = true, output = true;
    const char *const no_position = a->position_table.mem ? NULL : "args.position_table is not";
    const char *const no_type = a->type_table.mem ? NULL : "args.type_table is not";
    const unsigned once = CLATTN__BATCH;
    *call = (struct clattn__call){
        .operand =
            {{"ids", &a->ids, {B, N, 1, 1}, i32},
             {"table", &a->table, {1, words, 1, columns}, table},
             {"position_ids",
              &a->position_ids,
              {B, N, 1, 1},
              i32,
              once,
              optional,
              .unwanted = no_position},
             {"position_table", &a->position_table, {1, positions, 1, columns}, table, 0, optional},
             {"type_ids", &a->type_ids, {B, N, 1, 1}, i32, once, optional, .unwanted = no_type},
             {"type_table", &a->type_table, {1, types, 1, columns}, table, 0, optional},
             {"y", &a->y, {B, N, 1, columns}, out, 0, false, output}},
        .ints = {N, columns, words, positions, types},
        .real = d->scale,
        .extent = {N, columns, B}};
}

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_embed_desc desc = {.scale = 1};
    visit(user, &desc);
}

static const struct clattn__variant variants[] = {
    {.name = "block/embed_wide", CLATTN__WIDE_ROWS(4)},
    {.name = "block/embed", CLATTN__ITEMS(clattn__column_items)},
    {0},
};

static const struct clattn__simple simple = {
    .desc_bytes = sizeof(clattn_embed_desc),
    .args_bytes = sizeof(clattn_embed_args),
    .kernel_at = offsetof(clattn_embed_desc, kernel),
    .ints = 5,
    .real = true,
    .complete = complete,
    .specialise = specialise,
    .label = label,
    .describe = describe,
};

const struct clattn__family clattn__embed_family =
    CLATTN__SIMPLE("embed", variants, clattn_embed_desc, simple, usual);

CLATTN__SIMPLE_CALLS(embed)
