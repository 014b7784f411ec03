/* Attention weights as a picture: one tile for each head, or for all, queries down, keys across. */
#ifndef TOOLS_HEATMAP_H
#define TOOLS_HEATMAP_H

#include "labels.h"

#include <clattn/models/array.h>

#include <stdio.h>

enum { HEATMAP_MAX_HEADS = 1024 };

typedef struct heatmap {
    const clattn_array *mass; /* f4 [1, heads, queries, cells across], none of them 0: what keys of
                               * a cell get; a sink's is a column more, which is not drawn */
    int64_t keys, heads;      /* keys of all cells, heads of the attention */
    int64_t batch;            /* of which this is the first */
    bool mean;                /* over heads: there is one */
    const labels *tokens;     /* labels of the keys; NULL = their numbers */
    bool label_queries;       /* queries are the same tokens */
} heatmap;

/* Keys of a cell, where so many tiles are drawn: as few as there is room for. */
int64_t heatmap_bin(int64_t tiles, int64_t keys);

/* Writes a PNG. */
bool heatmap_write(FILE *file, const heatmap *map, reason *why);

#endif /* TOOLS_HEATMAP_H */
