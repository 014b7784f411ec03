#include "caches.h"

#include "fixture.h"
#include "tensors.h"

#include <math.h>
#include <stdlib.h>

/* ---- Random numbers ------------------------------------------------------------------ */

uint32_t random_seed;
static uint32_t state;

void random_begin(uint32_t number) { random_seed = state = number; }

int random_below(int n)
{
    state = state * 1664525u + 1013904223u;
    return (int)((uint64_t)(state >> 8) * (uint64_t)n >> 24);
}

static float number(void) { return (float)random_below(1 << 20) / (float)(1 << 19) - 1; }

/* ---- Rows: what the caches should hold ------------------------------------------------ */

struct rows rows;

size_t rows_at(int s, int j) { return ((size_t)s * CAPACITY + (size_t)j) * ROW; }

void rows_open(void)
{
    fixture_open();
    const size_t bytes = (size_t)SEQUENCES * CAPACITY * ROW * sizeof(float);
    memset(&rows, 0, sizeof rows);
    rows.k = malloc(bytes);
    rows.v = malloc(bytes);
    ck_assert(rows.k && rows.v);
    rows.q = tensor_random(7, SEQUENCES, QUERIES, HEADS, DIM);
    rows.lengths = tensor_zeros(CLATTN_I32, SEQUENCES, 1, 1, 1);
    rows.fresh_k = tensor_zeros(CLATTN_F32, 1, SEQUENCES * MOST_NEW, KV, DIM);
    rows.fresh_v = tensor_zeros(CLATTN_F32, 1, SEQUENCES * MOST_NEW, KV, DIM);
    rows.start = tensor_zeros(CLATTN_I32, 1, 1, 1, SEQUENCES + 1);
}

void rows_close(void)
{
    free(rows.k);
    free(rows.v);
    tensors_release();
    fixture_close();
}

/* ---- A cache -------------------------------------------------------------------------- */

/* Entries from first on, count of them, are NaN. */
static void forget(const struct cache *c, int first, int count)
{
    const bool i8 = c->type == CLATTN_I8;
    const clattn_tensor *tensors[] = {i8 ? &c->k_scale : &c->k, i8 ? &c->v_scale : &c->v};
    for (int n = 0; n < 2; n++) {
        const int64_t columns = tensors[n]->size[3];
        const clattn_tensor part = tensor_view(*tensors[n], first * c->entry_rows * KV * columns,
                                               count, c->entry_rows, KV, columns);
        tensor_fill(&part, NAN);
    }
}

static void no_page(struct cache *c, int s, int n)
{
    c->pages[s * c->most + n] = n % 2 ? INT32_MAX : -7;
}

void cache_open(struct cache *c)
{
    const clattn_append_desc desc = {.head_dim = DIM,
                                     .kv_type = c->type,
                                     .page_rows = c->page_rows,
                                     .ring = c->ring,
                                     .packed = true};
    c->most = c->page_rows ? CAPACITY / c->page_rows : 0;
    c->entries = c->page_rows ? SEQUENCES * c->most : SEQUENCES;
    c->entry_rows = c->page_rows ? c->page_rows : c->ring ? RING : CAPACITY;
    assert_ok(clattn_append_create(fixture.context, &desc, &c->append));
    c->k = tensor_zeros(c->type, c->entries, c->entry_rows, KV, DIM);
    c->v = tensor_zeros(c->type, c->entries, c->entry_rows, KV, DIM);
    if (c->type == CLATTN_I8) {
        c->k_scale = tensor_zeros(CLATTN_F32, c->entries, c->entry_rows, KV, 1);
        c->v_scale = tensor_zeros(CLATTN_F32, c->entries, c->entry_rows, KV, 1);
    }
    forget(c, 0, c->entries);
    if (c->page_rows) {
        c->table = tensor_zeros(CLATTN_I32, SEQUENCES, 1, 1, c->most);
        c->pages = malloc((size_t)(SEQUENCES * c->most) * sizeof *c->pages);
        c->unused = malloc((size_t)c->entries * sizeof *c->unused);
        ck_assert(c->pages && c->unused);
        for (int n = 0; n < c->entries; n++) {
            c->unused[c->unused_count++] = n;
            no_page(c, n / c->most, n % c->most);
        }
    }
}

void cache_close(struct cache *c)
{
    clattn_op_destroy(c->append);
    free(c->pages);
    free(c->unused);
}

static int pages_of(const struct cache *c, int length)
{
    return (length + c->page_rows - 1) / c->page_rows;
}

/* Pages for the rows of s from its length up to another, in no order. */
static void grow(struct cache *c, int s, int to)
{
    for (int n = pages_of(c, rows.length[s]); n < pages_of(c, to); n++) {
        const int taken = random_below(c->unused_count);
        c->pages[s * c->most + n] = c->unused[taken];
        c->unused[taken] = c->unused[--c->unused_count];
    }
}

static void release(struct cache *c, int s)
{
    for (int n = 0; c->page_rows && n < pages_of(c, rows.length[s]); n++) {
        const int page = c->pages[s * c->most + n];
        forget(c, page, 1);
        c->unused[c->unused_count++] = page;
        no_page(c, s, n);
    }
    if (!c->page_rows) {
        forget(c, s, 1);
    }
}

void cache_append(struct cache *c, int total)
{
    const clattn_append_args args = {.k = tensor_view(rows.fresh_k, 0, 1, total, KV, DIM),
                                     .v = tensor_view(rows.fresh_v, 0, 1, total, KV, DIM),
                                     .k_cache = c->k,
                                     .v_cache = c->v,
                                     .k_scale = c->k_scale,
                                     .v_scale = c->v_scale,
                                     .page_table = c->table,
                                     .kv_length = rows.lengths,
                                     .start = rows.start};
    if (c->page_rows) {
        tensor_write(&c->table, c->pages);
    }
    assert_ok(clattn_append_run(c->append, fixture.queue, &args, NULL));
    ck_assert_int_eq(clFinish(fixture.queue), CL_SUCCESS);
}

/* ---- Random appends ------------------------------------------------------------------- */

/* Sequence 0 never has a row, 1 has few, the last is never freed and gets full. */
static int fresh_rows(int s)
{
    const int wanted = s == 0 ? 0 : s == 1 ? random_below(2) : random_below(MOST_NEW + 1);
    return wanted < CAPACITY - rows.length[s] ? wanted : CAPACITY - rows.length[s];
}

void caches_append(struct cache *caches, int count)
{
    int32_t start[SEQUENCES + 1] = {0};
    float fresh[2][SEQUENCES * MOST_NEW * ROW];
    for (int s = 0; s < SEQUENCES; s++) {
        const int n = fresh_rows(s);
        for (int i = 0; i < n * ROW; i++) {
            const size_t at = rows_at(s, rows.length[s]) + (size_t)i;
            fresh[0][start[s] * ROW + i] = rows.k[at] = number();
            fresh[1][start[s] * ROW + i] = rows.v[at] = number();
        }
        start[s + 1] = start[s] + n;
        for (int c = 0; c < count; c++) {
            if (caches[c].page_rows) {
                grow(&caches[c], s, rows.length[s] + n);
            }
        }
    }
    const int total = start[SEQUENCES];
    const clattn_tensor k = tensor_view(rows.fresh_k, 0, 1, total, KV, DIM);
    const clattn_tensor v = tensor_view(rows.fresh_v, 0, 1, total, KV, DIM);
    tensor_write(&k, fresh[0]);
    tensor_write(&v, fresh[1]);
    tensor_write(&rows.start, start);
    tensor_write(&rows.lengths, rows.length);
    for (int c = 0; c < count; c++) {
        cache_append(&caches[c], total);
    }
    for (int s = 0; s < SEQUENCES; s++) {
        rows.length[s] += start[s + 1] - start[s];
    }
}

void caches_free(struct cache *caches, int count)
{
    const int s = 1 + random_below(SEQUENCES - 2);
    for (int c = 0; c < count; c++) {
        release(&caches[c], s);
    }
    rows.length[s] = 0;
}
