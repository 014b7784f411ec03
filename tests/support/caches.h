/* Caches that rows are appended to at random, and the rows that they should hold. */
#ifndef SUPPORT_CACHES_H
#define SUPPORT_CACHES_H

#include <clattn/clattn.h>

#include <stdbool.h>

enum { SEQUENCES = 5, CAPACITY = 4096, HEADS = 4, KV = 2, DIM = 32, ROW = KV * DIM, SCALED = 32 };
enum { RING = 256, MOST_NEW = 24, APPENDS = 1000, SPLIT = 256, QUERIES = 3 };
enum { OUT_ROWS = SEQUENCES * QUERIES, OUTS = OUT_ROWS * HEADS * DIM };

/* The same numbers again from the same seed, which failures print. */
extern uint32_t random_seed;
void random_begin(uint32_t number);
int random_below(int n);

/* What the caches should hold. */
struct rows {
    int length[SEQUENCES];
    float *k, *v; /* [SEQUENCES][CAPACITY][ROW] */
    clattn_tensor q, lengths, fresh_k, fresh_v, start;
};
extern struct rows rows;

void rows_open(void);
void rows_close(void);
size_t rows_at(int s, int j);

struct cache {
    const char *name;
    int page_rows;
    bool ring;
    clattn_type type;
    int entries, entry_rows, most; /* most: pages of a sequence */
    clattn_op *append;
    clattn_tensor k, v, k_scale, v_scale, table;
    int32_t *pages; /* [SEQUENCES][most], what table gets */
    int *unused, unused_count;
};

/* By its page_rows, ring and type. */
void cache_open(struct cache *c);
void cache_close(struct cache *c);

/* The new rows, total of them. */
void cache_append(struct cache *c, int total);

/* New rows in some sequences, and in every cache. */
void caches_append(struct cache *caches, int count);

/* A sequence ends: its pages get NaN and are taken by others. */
void caches_free(struct cache *caches, int count);

#endif /* SUPPORT_CACHES_H */
