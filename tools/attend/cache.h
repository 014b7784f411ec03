/* Keys and values through a cache, before attention reads them there. */
#ifndef TOOLS_ATTEND_CACHE_H
#define TOOLS_ATTEND_CACHE_H

#include "call.h"

typedef struct attend_cache {
    cl_mem buffers[9];
    int count;
    int64_t pages; /* of a batch entry; 0 = rows in order */
} attend_cache;

/* I32 tensors: page numbers, lengths at first, before what is new, and after, positions of the
 * first queries. */
typedef struct attend_tables {
    clattn_tensor pages, none, past, used, start;
} attend_tables;

bool attend_cache_wanted(const attend_options *options);

/* What the descriptor says of it. */
void attend_cache_describe(call *c);

/* Behind call_bind_inputs: fills the cache, turns queries, and binds both.  False after a line that
 * says why; what was made is freed in any case. */
bool attend_cache_fill(attend_cache *cache, call *c);
void attend_cache_free(attend_cache *cache);

#endif /* TOOLS_ATTEND_CACHE_H */
