/* What cells of a heat map hold, and by which colours. */
#ifndef TOOLS_HEATMAP_CELLS_H
#define TOOLS_HEATMAP_CELLS_H

#include "heatmap.h"

#include <stdint.h>

/* What the picture's parts measure, in cells and in pixels. */
typedef struct layout {
    int64_t heads, queries, keys; /* heads: tiles */
    int64_t query_bin, key_bin;   /* of a cell */
    int columns, rows;            /* of tiles */
    int cells_down, cells_across; /* of one tile */
    int cell_height, cell_width;  /* pixels */
    int tile_height, tile_width;
    int left, top;     /* of the first tile */
    int width, height; /* of the picture */
} layout;

/* What colours stand for: weights up to the largest.  Where cells are binned most weights are far
 * below the few large ones (the first rows see few keys): then colours go by the square root, and
 * a few cells are lighter than the scale goes. */
typedef struct scale {
    double most;
    bool binned;
} scale;

/* Values of all cells, [heads][down][across], and the scale for them; NULL without memory. */
double *heatmap_cells(const heatmap *map, const layout *l, scale *scale);

/* A weight on the scale, and the colour of a number from 0 to 1, as 0xffRRGGBB. */
double heatmap_shade(const scale *scale, double weight);
uint32_t heatmap_colour(double x);

#endif /* TOOLS_HEATMAP_CELLS_H */
