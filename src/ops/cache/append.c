/* New keys and values to the end of a cache. */
#include "families.h"
#include "ops/block/rope_frequencies.h"
#include "ops/common/simple.h"

#include <clattn/cache.h>

#include <stdio.h>

enum { MAX_DIM = 512, MAX_PAGE_ROWS = 1 << 16, SCALED = 32 };

static clattn_status complete_rope(clattn_append_desc *d)
{
    d->rope.head_dim = d->rope.head_dim ? d->rope.head_dim : d->head_dim;
    if (d->rope.head_dim != d->head_dim) {
        return clattn__refuse("append: rope.head_dim is %d, must be head_dim, %d", d->rope.head_dim,
                              d->head_dim);
    }
    if (d->rope.tables) {
        return clattn__refuse("append: rope.tables is set, which append does not take");
    }
    return clattn__rope_complete(&d->rope);
}

static clattn_status complete(void *desc)
{
    clattn_append_desc *d = desc;
    d->value_dim = d->value_dim ? d->value_dim : d->head_dim;
    d->kv_type = d->kv_type == CLATTN_F32 ? d->type : d->kv_type;
    const struct clattn__count dims[] = {
        {"head_dim", d->head_dim, MAX_DIM}, {"value_dim", d->value_dim, MAX_DIM}, {0}};
    TRY(clattn__check_counts("append", dims));
    TRY(clattn__check_float("append", "type", d->type));
    if (!clattn__is_float(d->kv_type) && d->kv_type != CLATTN_I8) {
        return clattn__refuse("append: kv_type is %s (%d), must be f32, f16, bf16 or i8",
                              clattn_type_name(d->kv_type), (int)d->kv_type);
    }
    if (d->page_rows < 0 || d->page_rows > MAX_PAGE_ROWS) {
        return clattn__refuse("append: page_rows is %d, must be 0..%d", d->page_rows,
                              MAX_PAGE_ROWS);
    }
    if (d->ring && d->page_rows) {
        return clattn__refuse("append: ring is set with page_rows, %d: it is one or the other",
                              d->page_rows);
    }
    return d->rotate ? complete_rope(d) : CLATTN_OK;
}

static void specialise(const void *desc, struct clattn__options *options)
{
    const clattn_append_desc *d = desc;
    const struct {
        const char *name;
        int value;
    } macros[] = {
        {"TYPE", d->type},
        {"KV_TYPE", d->kv_type},
        {"HEAD_DIM", d->head_dim},
        {"VALUE_DIM", d->value_dim},
        {"PAGE_ROWS", d->page_rows},
        {"RING", d->ring},
        {"PACKED", d->packed},
        {"ROTATE", d->rotate},
        /* Arrays of angles need a size even if there are none. */
        {"ROTARY_DIM", d->rotate ? d->rope.rotary_dim : 2},
        {"INTERLEAVED", d->rotate && d->rope.interleaved},
    };
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++) {
        clattn__option(options, macros[i].name, macros[i].value);
    }
}

static void label(const void *desc, char *text, size_t bytes)
{
    const clattn_append_desc *d = desc;
    char types[24], value_dim[16] = "", pages[24] = "";
    clattn__label_types(d->type, d->kv_type, types, sizeof types);
    if (d->value_dim != d->head_dim) {
        snprintf(value_dim, sizeof value_dim, "/%d", d->value_dim);
    }
    if (d->page_rows) {
        snprintf(pages, sizeof pages, " pages%d", d->page_rows);
    }
    snprintf(text, bytes, "%s d%d%s%s%s%s%s", types, d->head_dim, value_dim, pages,
             d->ring ? " ring" : "", d->packed ? " packed" : "", d->rotate ? " rope" : "");
}

static void describe(const void *desc, const void *args, struct clattn__call *call)
{
    const clattn_append_desc *d = desc;
    const clattn_append_args *a = args;
    const int64_t sequences = d->packed ? a->start.size[3] - 1 : a->k.size[0];
    const int64_t B = a->k.size[0], N = a->k.size[1], G = a->k.size[2];
    const int64_t entries = d->page_rows ? a->k_cache.size[0] : sequences;
    const int64_t rows = d->page_rows ? d->page_rows : a->k_cache.size[1];
    const int64_t most = a->page_table.size[3];
    const int64_t capacity = d->page_rows ? most * d->page_rows : rows;
    const unsigned type = 1u << d->type, stored = 1u << d->kv_type, i32 = 1u << CLATTN_I32,
                   f32 = 1u << CLATTN_F32;
    const char *const no_pages = CLATTN__ANNOUNCED(d, page_rows);
    const char *const no_rope = CLATTN__ANNOUNCED(d, rotate);
    const char *const no_scale = d->kv_type == CLATTN_I8 ? NULL : "desc.kv_type is not I8";
    const bool optional = true, output = true;
    *call = (struct clattn__call){
        .operand =
            {{"k", &a->k, {d->packed ? 1 : B, N, G, d->head_dim}, type},
             {"v", &a->v, {B, N, G, d->value_dim}, type},
             {"k_cache", &a->k_cache, {entries, rows, G, d->head_dim}, stored, .output = output},
             {"v_cache", &a->v_cache, {entries, rows, G, d->value_dim}, stored, .output = output},
             {"k_scale",
              &a->k_scale,
              {entries, rows, G, clattn__divide_up(d->head_dim, SCALED)},
              f32,
              .output = output,
              .unwanted = no_scale},
             {"v_scale",
              &a->v_scale,
              {entries, rows, G, clattn__divide_up(d->value_dim, SCALED)},
              f32,
              .output = output,
              .unwanted = no_scale},
             {"page_table", &a->page_table, {sequences, 1, 1, most}, i32, .unwanted = no_pages},
             {"kv_length", &a->kv_length, {sequences, 1, 1, 1}, i32},
             {"start",
              &a->start,
              {1, 1, 1, sequences + 1},
              i32,
              .unwanted = CLATTN__ANNOUNCED(d, packed)},
             {"positions",
              &a->positions,
              {B, N, 1, 1},
              i32,
              .optional = optional,
              .unwanted = no_rope},
             {"q",
              &a->q,
              {B, N, a->q.size[2], d->head_dim},
              type,
              .optional = optional,
              .output = output,
              .unwanted = no_rope}},
        .ints = {N, G, a->q.mem ? a->q.size[2] : 0, N, capacity, a->k_cache.size[0]},
        .real = d->rotate && d->rope.magnitude != 0 ? d->rope.magnitude : 1,
        .extent = {N, 1, sequences}};
}

static clattn_status frequencies(clattn_context *context, const void *desc, cl_mem *out)
{
    const clattn_append_desc *d = desc;
    return clattn__rope_frequencies(context, d->rotate ? &d->rope : NULL, out);
}

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    clattn_append_desc desc = {.head_dim = 128, .rotate = true};
    if (complete(&desc) == CLATTN_OK) {
        visit(user, &desc);
    }
}

static const struct clattn__variant variants[] = {
    {.name = "cache/append", CLATTN__ITEMS(clattn__row_items)},
    {0},
};

static const struct clattn__simple simple = {
    .desc_bytes = sizeof(clattn_append_desc),
    .args_bytes = sizeof(clattn_append_args),
    .kernel_at = offsetof(clattn_append_desc, kernel),
    .ints = 6,
    .real = true,
    .has_constant = true,
    .complete = complete,
    .specialise = specialise,
    .label = label,
    .describe = describe,
    .constant = frequencies,
};

const struct clattn__family clattn__append_family =
    CLATTN__SIMPLE("append", variants, clattn_append_desc, simple, usual);

CLATTN__SIMPLE_CALLS(append)
