/* Attention weights as a picture: one tile for each head, queries down, keys across. */
#ifndef TOOLS_HEATMAP_H
#define TOOLS_HEATMAP_H

#include "array.h"
#include "tokens.h"

#include <stdio.h>

enum { HEATMAP_MAX_HEADS = 1024 };

typedef struct heatmap {
    const array *weights; /* f4 [1, heads, queries, keys], none of them 0 */
    int64_t batch;        /* of which this is the first */
    const tokens *tokens; /* labels of the keys; NULL = their numbers */
    bool label_queries;   /* queries are the same tokens */
} heatmap;

/* Writes a PNG. */
bool heatmap_write(FILE *file, const heatmap *map, reason *why);

#endif /* TOOLS_HEATMAP_H */
