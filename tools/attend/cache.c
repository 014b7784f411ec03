/* --rope, --cache and --page-rows: keys and values go through a cache first, those of a past before
 * the others, keys turned on their way, queries in place. */
#include "cache.h"
#include "shared/message.h"

#include <stdlib.h>
#include <string.h>

enum { SCALED = 32 };

static bool failed(const char *what)
{
    fail("%s: %s", what, clattn_error());
    return false;
}

/* ---- Buffers ------------------------------------------------------------------------- */

static cl_mem room(attend_cache *cache, const session *s, size_t bytes, const void *data,
                   const char *what)
{
    cl_mem mem = session_buffer(s, bytes, data, what);
    if (mem) {
        cache->buffers[cache->count++] = mem;
    }
    return mem;
}

/* Rows of a cache, in order or on pages that follow each other. */
static bool make_rows(attend_cache *cache, const call *c, clattn_type type, int64_t columns,
                      clattn_tensor *out)
{
    const attend_inputs *in = c->inputs;
    const int64_t paged = c->options->page_rows;
    const int64_t batch = paged ? in->batch * cache->pages : in->batch;
    const int64_t rows = paged ? paged : in->n_k;
    *out = (clattn_tensor){.size = {batch, rows, in->kv_heads, columns}, .type = type};
    out->mem = room(cache, c->session,
                    (size_t)(batch * rows * in->kv_heads * columns) * clattn_type_size(type), NULL,
                    "--cache");
    return out->mem != NULL;
}

static bool make_numbers(attend_cache *cache, const call *c, const int32_t *numbers, int64_t rows,
                         int64_t columns, const char *what, clattn_tensor *out)
{
    *out = (clattn_tensor){.size = {rows, 1, 1, columns}, .type = CLATTN_I32};
    out->mem = room(cache, c->session, (size_t)(rows * columns) * sizeof *numbers, numbers, what);
    return out->mem != NULL;
}

/* Pages in their order; lengths: all rows, or those of --kv-length; where queries stand. */
static bool make_tables(attend_cache *cache, const call *c, attend_tables *t)
{
    const attend_inputs *in = c->inputs;
    const attend_options *o = c->options;
    const clattn_array *lengths = &in->in[IN_KV_LENGTH];
    const int64_t entries = in->batch * (cache->pages > 0 ? cache->pages : 1);
    int32_t *table = calloc((size_t)(entries + 4 * in->batch) + 1, sizeof *table);
    if (!table) {
        fail("out of memory");
        return false;
    }
    int32_t *none = table + entries, *used = none + in->batch, *start = used + in->batch,
            *past = start + in->batch;
    for (int64_t n = 0; n < entries; n++) {
        table[n] = (int32_t)n;
    }
    for (int64_t b = 0; b < in->batch; b++) {
        past[b] = (int32_t)in->past;
        used[b] = (int32_t)(lengths->data ? (int64_t)clattn_array_get(lengths, b) : in->n_k);
        start[b] =
            o->offset.align == CLATTN_BOTTOM_RIGHT ? used[b] - (int32_t)in->n_q : o->offset.value;
    }
    const bool made = (cache->pages == 0 || make_numbers(cache, c, table, in->batch, cache->pages,
                                                         "--page-rows", &t->pages)) &&
                      make_numbers(cache, c, none, in->batch, 1, "--cache", &t->none) &&
                      make_numbers(cache, c, past, in->batch, 1, "--past-k", &t->past) &&
                      make_numbers(cache, c, used, in->batch, 1, "--kv-length", &t->used) &&
                      make_numbers(cache, c, start, in->batch, 1, "--rope", &t->start);
    free(table);
    return made;
}

/* ---- What is run ------------------------------------------------------------------------ */

static clattn_rope_desc rope_of(const call *c)
{
    return (clattn_rope_desc){.head_dim = c->inputs->head_dim,
                              .rotary_dim = c->options->rotary_dim,
                              .interleaved = c->options->interleaved,
                              .type = c->inputs->type,
                              .base = c->options->rope};
}

static bool rotate_queries(const call *c, const attend_tables *t)
{
    const clattn_rope_desc desc = rope_of(c);
    const clattn_rope_args args = {.q = c->args.attention.q, .start = t->start};
    clattn_op *op = NULL;
    const bool done = clattn_rope_create(c->session->context, &desc, &op) == CLATTN_OK &&
                      clattn_rope_run(op, c->session->queue, &args, NULL) == CLATTN_OK;
    const bool told = done || failed("--rope");
    clattn_op_destroy(op);
    return told;
}

/* So many rows of a tensor from one on. */
static clattn_tensor rows_of(clattn_tensor t, int64_t first, int64_t count)
{
    if (t.stride[3] == 0) {
        const int64_t row = t.size[2] * t.size[3];
        const int64_t dense[4] = {t.size[1] * row, row, t.size[3], 1};
        memcpy(t.stride, dense, sizeof dense);
    }
    t.offset += first * t.stride[1];
    t.size[1] = count;
    return t;
}

/* As decoding does: what there was, then what is new. */
static clattn_status append_both(const call *c, const clattn_op *op, clattn_append_args args,
                                 const attend_tables *t)
{
    const int64_t past = c->inputs->past, fresh = c->inputs->n_k - past;
    const clattn_tensor k = args.k, v = args.v;
    const cl_command_queue queue = c->session->queue;
    args.k = rows_of(k, 0, past);
    args.v = rows_of(v, 0, past);
    args.kv_length = t->none;
    const clattn_status status = past ? clattn_append_run(op, queue, &args, NULL) : CLATTN_OK;
    args.k = rows_of(k, past, fresh);
    args.v = rows_of(v, past, fresh);
    args.kv_length = t->past;
    return status ? status : clattn_append_run(op, queue, &args, NULL);
}

static bool append(attend_cache *cache, call *c, const attend_tables *t)
{
    const attend_inputs *in = c->inputs;
    const attend_options *o = c->options;
    clattn_attention_args *attention = &c->args.attention;
    const clattn_type type = c->desc.attention.kv_type ? c->desc.attention.kv_type : in->type;
    const clattn_append_desc desc = {.head_dim = in->head_dim,
                                     .value_dim = in->value_dim,
                                     .type = in->type,
                                     .kv_type = type,
                                     .page_rows = o->page_rows,
                                     .rotate = o->rope > 0,
                                     .rope = o->rope > 0 ? rope_of(c) : (clattn_rope_desc){0}};
    clattn_append_args args = {.k = attention->k, .v = attention->v, .page_table = t->pages};
    if (!make_rows(cache, c, type, in->head_dim, &args.k_cache) ||
        !make_rows(cache, c, type, in->value_dim, &args.v_cache)) {
        return false;
    }
    if (type == CLATTN_I8 &&
        (!make_rows(cache, c, CLATTN_F32, (in->head_dim + SCALED - 1) / SCALED, &args.k_scale) ||
         !make_rows(cache, c, CLATTN_F32, (in->value_dim + SCALED - 1) / SCALED, &args.v_scale))) {
        return false;
    }
    clattn_op *op = NULL;
    const bool done = clattn_append_create(c->session->context, &desc, &op) == CLATTN_OK &&
                      append_both(c, op, args, t) == CLATTN_OK;
    const bool told = done || failed("--cache");
    clattn_op_destroy(op);
    attention->k = args.k_cache;
    attention->v = args.v_cache;
    attention->k_scale = args.k_scale;
    attention->v_scale = args.v_scale;
    attention->page_table = t->pages;
    if (o->page_rows) {
        attention->kv_length = t->used;
    }
    return told;
}

bool attend_cache_wanted(const attend_options *o)
{
    return o->rope > 0 || o->cache != CACHE_OF_INPUT || o->page_rows;
}

void attend_cache_describe(call *c)
{
    static const clattn_type types[] = {[CACHE_OF_INPUT] = CLATTN_F32,
                                        [CACHE_F16] = CLATTN_F16,
                                        [CACHE_BF16] = CLATTN_BF16,
                                        [CACHE_I8] = CLATTN_I8};
    c->desc.attention.kv_type = types[c->options->cache];
    c->desc.attention.page_rows = c->options->page_rows;
}

bool attend_cache_fill(attend_cache *cache, call *c)
{
    const int64_t rows = c->options->page_rows;
    attend_tables tables = {0};
    const bool matrix = c->in[IN_BIAS] || c->in[IN_MASK] || c->options->out[OUT_WEIGHTS];
    if (rows && matrix && c->inputs->n_k % rows) {
        fail("--page-rows %d: pages must divide the %lld keys where --bias, --mask or --weights "
             "name "
             "each",
             c->options->page_rows, (long long)c->inputs->n_k);
        return false;
    }
    *cache = (attend_cache){.pages = rows ? (c->inputs->n_k + rows - 1) / rows : 0};
    return make_tables(cache, c, &tables) &&
           (c->options->rope <= 0 || rotate_queries(c, &tables)) && append(cache, c, &tables);
}

void attend_cache_free(attend_cache *cache)
{
    for (int i = 0; i < cache->count; i++) {
        clReleaseMemObject(cache->buffers[i]);
    }
}
