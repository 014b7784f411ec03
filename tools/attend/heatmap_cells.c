#include "heatmap_cells.h"

#include <math.h>
#include <stdlib.h>

enum { MORE = 200 }; /* of so many cells that are not empty, one is lighter than the scale goes */

/* Viridis (Smith and van der Walt 2015), even to the eye and safe for the colour-blind, from nine
 * points of its curve. */
uint32_t heatmap_colour(double x)
{
    static const unsigned char points[9][3] = {
        {0x44, 0x01, 0x54}, {0x47, 0x2d, 0x7b}, {0x3b, 0x52, 0x8b},
        {0x2c, 0x72, 0x8e}, {0x21, 0x91, 0x8c}, {0x28, 0xae, 0x80},
        {0x5e, 0xc9, 0x62}, {0xad, 0xdc, 0x30}, {0xfd, 0xe7, 0x25}};
    if (isnan(x)) {
        return 0xffb0b0b0u; /* grey is nowhere on the scale */
    }
    const double place = fmin(fmax(x, 0), 1) * 8;
    const int i = place >= 8 ? 7 : (int)place;
    uint32_t rgb = 0xff;
    for (int c = 0; c < 3; c++) {
        const double value = points[i][c] + (place - i) * (points[i + 1][c] - points[i][c]);
        rgb = rgb << 8 | (uint32_t)lround(value);
    }
    return rgb;
}

/* One cell: the mass of its keys, the mean of its queries, so that a row still sums to 1. */
static double cell_value(const heatmap *map, const layout *l, int64_t head, int down, int across)
{
    const float *mass = map->mass->data;
    const int64_t first = down * l->query_bin, columns = map->mass->shape[3];
    const int64_t end = first + l->query_bin < l->queries ? first + l->query_bin : l->queries;
    double sum = 0;
    for (int64_t i = first; i < end; i++) {
        sum += mass[(head * l->queries + i) * columns + across];
    }
    return sum / (double)(end - first);
}

double heatmap_shade(const scale *scale, double weight)
{
    return scale->binned ? sqrt(weight / scale->most) : weight / scale->most;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* False without memory. */
static bool leave_largest(const double *cells, size_t count, double *most)
{
    double *seen = malloc(count * sizeof *seen);
    size_t n = 0;
    for (size_t i = 0; seen && i < count; i++) {
        if (cells[i] > 0) { /* NaN is not */
            seen[n++] = cells[i];
        }
    }
    if (n > 0) {
        qsort(seen, n, sizeof *seen, by_size);
        *most = seen[n - 1 - n / MORE];
    }
    free(seen);
    return seen != NULL;
}

double *heatmap_cells(const heatmap *map, const layout *l, scale *scale)
{
    const size_t count = (size_t)l->heads * (size_t)l->cells_down * (size_t)l->cells_across;
    double *cells = malloc(count * sizeof *cells), *to = cells;
    *scale = (struct scale){0, l->query_bin > 1 || l->key_bin > 1};
    for (int64_t h = 0; h < l->heads && cells; h++) {
        for (int down = 0; down < l->cells_down; down++) {
            for (int across = 0; across < l->cells_across; across++) {
                *to = cell_value(map, l, h, down, across);
                scale->most = fmax(scale->most, *to++); /* fmax passes NaN over */
            }
        }
    }
    if (cells && scale->binned && !leave_largest(cells, count, &scale->most)) {
        free(cells);
        return NULL;
    }
    if (scale->most == 0) {
        scale->most = 1;
    }
    return cells;
}
