/* Rotary position embedding of queries and keys. */
#include "families.h"
#include "ops/common/simple.h"
#include "rope_frequencies.h"

#include <clattn/block.h>

#include <stdio.h>

static clattn_status complete(void *desc) { return clattn__rope_complete(desc); }

static void specialise(const void *desc, struct clattn__options *options)
{
    const clattn_rope_desc *d = desc;
    clattn__option(options, "TYPE", d->type);
    clattn__option(options, "HEAD_DIM", d->head_dim);
    clattn__option(options, "ROTARY_DIM", d->rotary_dim);
    clattn__option(options, "INTERLEAVED", d->interleaved);
    clattn__option(options, "TABLES", d->tables);
    clattn__option(options, "TABLE_TYPE", d->table_type);
}

static void label(const void *desc, char *text, size_t bytes)
{
    const clattn_rope_desc *d = desc;
    char part[16] = "";
    if (d->rotary_dim != d->head_dim) {
        snprintf(part, sizeof part, "/%d", d->rotary_dim);
    }
    snprintf(text, bytes, "%s d%d%s%s%s", clattn_type_name(d->type), d->head_dim, part,
             d->interleaved ? " interleaved" : "", d->tables ? " tables" : "");
}

static void describe(const void *desc, const void *args, struct clattn__call *call)
{
    enum { Q, K };
    const clattn_rope_desc *d = desc;
    const clattn_rope_args *a = args;
    const int64_t B = a->q.size[0], N = a->q.size[1], q = a->q.size[2], k = a->k.size[2];
    const bool apart_q = a->q_out.mem, apart_k = a->k_out.mem;
    /* A cache is read by position; other tables are row i's own. */
    const bool cache = d->tables && (a->positions.mem || a->start.mem);
    const int64_t b = cache ? 1 : B, rows = cache ? a->cos.size[1] : N, pairs = d->rotary_dim / 2;
    const char *const computed = d->tables ? NULL : "desc lacks tables";
    const char *const twice = a->positions.mem ? "args.positions is too" : NULL;
    const char *const no_key = a->k.mem ? NULL : "args.k is not";
    const unsigned type = 1u << d->type, table = 1u << d->table_type, i32 = 1u << CLATTN_I32;
    const unsigned batch = CLATTN__BATCH;
    const bool optional = true, output = true;
    *call = (struct clattn__call){
        .operand = {{"q", &a->q, {B, N, q, d->head_dim}, type},
                    {"k", &a->k, {B, N, k, d->head_dim}, type, 0, optional},
                    {apart_q ? "q_out" : "q",
                     apart_q ? &a->q_out : &a->q,
                     {B, N, q, d->head_dim},
                     type,
                     0,
                     false,
                     output,
                     1u << Q},
                    {apart_k ? "k_out" : "k",
                     apart_k ? &a->k_out : &a->k,
                     {B, N, k, d->head_dim},
                     type,
                     0,
                     optional,
                     output,
                     1u << K,
                     no_key},
                    {"positions", &a->positions, {B, N, 1, 1}, i32, batch, optional},
                    {"start", &a->start, {B, 1, 1, 1}, i32, batch, optional, .unwanted = twice},
                    {"cos", &a->cos, {b, rows, 1, pairs}, table, batch, .unwanted = computed},
                    {"sin", &a->sin, {b, rows, 1, pairs}, table, batch, .unwanted = computed}},
        .ints = {N, q, a->k.mem ? k : 0, cache ? rows : 0},
        .real = d->magnitude == 0 ? 1 : d->magnitude,
        .extent = {N, pairs, B}};
}

static clattn_status frequencies(clattn_context *context, const void *desc, cl_mem *out)
{
    const clattn_rope_desc *d = desc;
    return clattn__rope_frequencies(context, d->tables ? NULL : d, out);
}

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    clattn_rope_desc desc = {.head_dim = 128};
    if (complete(&desc) == CLATTN_OK) {
        visit(user, &desc);
    }
}

static const struct clattn__variant variants[] = {
    {.name = "block/rope_wide", CLATTN__WIDE_ROWS(4)},
    {.name = "block/rope", CLATTN__ITEMS(clattn__column_items)},
    {0},
};

static const struct clattn__simple simple = {
    .desc_bytes = sizeof(clattn_rope_desc),
    .args_bytes = sizeof(clattn_rope_args),
    .kernel_at = offsetof(clattn_rope_desc, kernel),
    .ints = 4,
    .real = true,
    .has_constant = true,
    .complete = complete,
    .specialise = specialise,
    .label = label,
    .describe = describe,
    .constant = frequencies,
};

const struct clattn__family clattn__rope_family =
    CLATTN__SIMPLE("rope", variants, clattn_rope_desc, simple, usual);

CLATTN__SIMPLE_CALLS(rope)
