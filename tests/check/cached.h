/* Cases whose keys lie anywhere a cache puts them: in order, on pages, in a ring, packed, as i8.
 * What attention itself and what explains it have in common.  Rows that are not in use stay NaN,
 * and so do page numbers behind the length nonsense. */
#ifndef CHECK_CACHED_H
#define CHECK_CACHED_H

#include "trial.h"

#include "ref/ref.h"

/* Places of a trial's operands; an op adds its own behind them. */
enum {
    Q,
    K,
    V,
    KV_LENGTH,
    Q_START,
    K_START,
    PAGE_TABLE,
    K_SCALE,
    V_SCALE,
    SINKS,
    ALIBI,
    BIAS,
    MASK,
    OFFSET,
    LSE,
    OUT,
    CACHED_OPERANDS
};

enum { SCALED = 32 }; /* columns that share a scale, where keys and values are i8 */

/* The options that say where keys lie, for tables of options. */
#define CACHED_OPTIONS                                                                             \
    CASE_OPTION("--page-rows", CASE_INTEGER, own.cache.page_rows),                                 \
        CASE_OPTION("--ring", CASE_INTEGER, own.cache.ring),                                       \
        CASE_OPTION("--packed", CASE_FLAG, own.cache.packed),                                      \
        CASE_OPTION("--stray", CASE_FLAG, own.cache.stray),                                        \
        CASE_OPTION("--apart", CASE_FLAG, own.cache.apart),                                        \
        CASE_OPTION("--q-length", CASE_TEXT, own.cache.q_length),                                  \
        CASE_OPTION("--kv-type", CASE_TYPE, own.cache.kv_type),                                    \
        CASE_OPTION("--split-keys", CASE_INTEGER, own.cache.split_keys)

/* All but the outputs' expected values, as trial_kind. */
bool cached_describe(struct trial *t, struct check_result *result);
void cached_fill(struct trial *t, struct rng *rng);

/* Rows of the queries' tensor, rows and keys of an entry, the first of its rows in that tensor, and
 * the rows of k that a bias would have columns for. */
int64_t cached_q_rows(const struct test_case *c);
int64_t cached_queries(const struct test_case *c, int64_t b);
int64_t cached_keys(const struct test_case *c, int64_t b);
int64_t cached_first_query(const struct test_case *c, int64_t b);
int64_t cached_key_span(const struct test_case *c);

/* The first key of an entry that is still there (a ring keeps the newest), what is added to its
 * queries' numbers, and batch and row where a key of it lies in k and v. */
int64_t cached_first_key(const struct test_case *c, int64_t b);
int64_t cached_offset(const struct test_case *c, int64_t b);
void cached_place(const struct trial *t, int64_t b, int64_t j, int64_t at[4]);

/* Calls visit for each batch entry or sequence with its attention, keys in order.  False without
 * memory. */
bool cached_visit(struct trial *t,
                  void (*visit)(struct trial *t, int64_t b, const struct ref_attention *a));

clattn_attention_desc cached_desc(const struct test_case *c, const char *kernel);
clattn_attention_args cached_args(const struct trial *t);

#endif /* CHECK_CACHED_H */
