/* Rotary position embedding of queries and keys. */
#include "rope_frequencies.h"
#include "simple.h"

#include <clattn/block.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIM = 512 };

static clattn_status complete(void *desc)
{
    clattn_rope_desc *d = desc;
    if (d->head_dim < 2 || d->head_dim > MAX_DIM) {
        return clattn__refuse("rope: head_dim is %d, must be 2..%d", d->head_dim, MAX_DIM);
    }
    d->rotary_dim = d->rotary_dim ? d->rotary_dim : d->head_dim;
    if (d->rotary_dim < 2 || d->rotary_dim > d->head_dim || d->rotary_dim % 2) {
        return clattn__refuse("rope: rotary_dim is %d, must be even, 2..%d (head_dim)",
                              d->rotary_dim, d->head_dim);
    }
    TRY(clattn__check_float("rope", "type", d->type));
    TRY(clattn__check_float("rope", "table_type", d->table_type));
    return clattn__rope_complete_scaling(d);
}

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

/* Turns per position, each in two floats, which hold 48 bits of it: all those of the larger parts,
 * then all the smaller ones, both filled up with zeros to whole vectors. */
static clattn_status frequencies(clattn_context *context, const void *desc, cl_mem *out)
{
    enum { VECTOR = 16 }; /* as in kernels/block/rope.h */
    static const double TURN = 6.28318530717958647693;
    const clattn_rope_desc *d = desc;
    const int pairs = d->rotary_dim / 2, pitch = (pairs + VECTOR - 1) / VECTOR * VECTOR;
    float turns[2 * (MAX_DIM / 2 + VECTOR)] = {0};
    cl_int code;
    for (int c = 0; c < pairs && !d->tables; c++) {
        const double exact = clattn__rope_frequency(d, c) / TURN;
        turns[c] = (float)exact;
        turns[pitch + c] = (float)(exact - turns[c]);
    }
    *out = clCreateBuffer(context->cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                          (size_t)(2 * pitch) * sizeof *turns, turns, &code);
    return clattn__opencl(code, "clCreateBuffer");
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
