#include "heatmap_cells.h"

#include <cairo/cairo.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_CELLS = 256, /* of one side of a tile; more rows or keys than that share a cell */
    MAX_CELL = 28,   /* pixels */
    MIN_TILE = 44,   /* pixels, so that "head 123" fits above */
    GAP = 22,        /* between tiles, with the head's label */
    MARGIN = 16,
    FONT = 11,
    LINE = 16,       /* of text */
    LABEL_STEP = 13, /* pixels between labels of an axis, at least */
    LEGEND = 96,     /* width of the colour bar with its numbers */
    TITLE_LINES = 3
};

/* ---- Text ---------------------------------------------------------------------------------- */

static void use_font(cairo_t *cr, cairo_font_weight_t weight)
{
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, weight);
    cairo_set_font_size(cr, FONT);
    cairo_set_source_rgb(cr, 0.1, 0.1, 0.1);
}

static double text_width(cairo_t *cr, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cr, text, &extents);
    return extents.x_advance;
}

static void put_text(cairo_t *cr, double x, double y, const char *text)
{
    cairo_move_to(cr, x, y);
    cairo_show_text(cr, text);
}

static void write_title(const heatmap *map, const layout *l, char title[TITLE_LINES][128])
{
    char heads[40] = "by head", batch[40] = "";
    if (map->heads == 1) {
        snprintf(heads, sizeof heads, "1 head");
    } else if (map->mean) {
        snprintf(heads, sizeof heads, "mean of %" PRId64 " heads", map->heads);
    }
    if (map->batch > 1) {
        snprintf(batch, sizeof batch, "; batch 0 of %" PRId64, map->batch);
    }
    snprintf(title[0], sizeof title[0], "Attention weights after softmax, %s%s", heads, batch);
    snprintf(title[1], sizeof title[1], "down: queries (%" PRId64 "), across: keys (%" PRId64 ")",
             l->queries, l->keys);
    title[2][0] = '\0';
    if (l->query_bin > 1 || l->key_bin > 1) {
        snprintf(title[2], sizeof title[2],
                 "a cell: %" PRId64 " %s x %" PRId64 " %s; mean over queries, sum over keys",
                 l->query_bin, l->query_bin == 1 ? "query" : "queries", l->key_bin,
                 l->key_bin == 1 ? "key" : "keys");
    }
}

/* Tokens where a cell is of one, else numbers. */
static bool has_tokens(const heatmap *map, const layout *l, bool queries)
{
    const int64_t bin = queries ? l->query_bin : l->key_bin;
    return map->tokens && bin == 1 && (!queries || map->label_queries);
}

static void axis_label(const heatmap *map, const layout *l, bool queries, int64_t index,
                       char label[LABEL_BYTES])
{
    if (has_tokens(map, l, queries)) {
        label_of(map->tokens->lines.items[index], label);
    } else {
        snprintf(label, LABEL_BYTES, "%" PRId64, index);
    }
}

/* Every how many queries or keys a label has room; numbers are round ones. */
static int64_t label_every(const heatmap *map, const layout *l, bool queries)
{
    const int cell = queries ? l->cell_height : l->cell_width;
    const int64_t bin = queries ? l->query_bin : l->key_bin;
    const int64_t least = (LABEL_STEP + cell - 1) / cell * bin;
    int64_t step = 1;
    while (step < least && !has_tokens(map, l, queries)) {
        const bool two = step * 2 >= least, five = step * 5 >= least;
        step *= two ? 2 : five ? 5 : 10;
    }
    return has_tokens(map, l, queries) ? least : step;
}

static int widest_label(cairo_t *cr, const heatmap *map, const layout *l, bool queries)
{
    const int64_t count = queries ? l->queries : l->keys, every = label_every(map, l, queries);
    double widest = 0;
    for (int64_t i = 0; i < count; i += every) {
        char label[LABEL_BYTES];
        axis_label(map, l, queries, i, label);
        widest = fmax(widest, text_width(cr, label));
    }
    return (int)ceil(widest) + 6;
}

/* ---- Layout ------------------------------------------------------------------------------------
 */

static int at_most(int64_t x, int most) { return x < most ? (int)x : most; }
static int at_least(int x, int least) { return x > least ? x : least; }

static int columns_of(int64_t tiles) { return (int)ceil(sqrt((double)tiles)); }

/* Pixels: many heads, smaller tiles; one may be larger. */
static int side_of(int64_t tiles)
{
    return tiles == 1 ? 2 * MAX_CELLS : at_least(at_most(2560 / columns_of(tiles), 320), 64);
}

int64_t heatmap_bin(int64_t tiles, int64_t keys)
{
    const int64_t most = at_most(side_of(tiles), MAX_CELLS);
    return (keys + most - 1) / most;
}

static void plan_tiles(const heatmap *map, layout *l)
{
    const int64_t *shape = map->mass->shape;
    *l = (layout){.heads = shape[1], .queries = shape[2], .keys = map->keys};
    l->columns = columns_of(l->heads);
    l->rows = (int)((l->heads + l->columns - 1) / l->columns);
    l->query_bin = heatmap_bin(l->heads, l->queries);
    l->key_bin = heatmap_bin(l->heads, l->keys);
    const int side = side_of(l->heads);
    l->cells_down = (int)((l->queries + l->query_bin - 1) / l->query_bin);
    l->cells_across = (int)((l->keys + l->key_bin - 1) / l->key_bin);
    l->cell_height = at_most(side / l->cells_down, MAX_CELL);
    l->cell_width = at_most(side / l->cells_across, MAX_CELL);
    l->tile_height = l->cells_down * l->cell_height;
    l->tile_width = l->cells_across * l->cell_width;
}

static int tile_x(const layout *l, int64_t head)
{
    return l->left + (int)(head % l->columns) * (at_least(l->tile_width, MIN_TILE) + GAP);
}

static int tile_y(const layout *l, int64_t head)
{
    return l->top + (int)(head / l->columns) * (l->tile_height + GAP + LINE / 2);
}

/* Needs a font to measure with. */
static void plan_picture(cairo_t *cr, const heatmap *map, layout *l)
{
    char title[TITLE_LINES][128];
    write_title(map, l, title);
    l->left = MARGIN + widest_label(cr, map, l, true);
    l->top = MARGIN + (TITLE_LINES + 1) * LINE + 4;
    const int tiles = tile_x(l, l->columns - 1) + at_least(l->tile_width, MIN_TILE);
    l->width = tiles + GAP + LEGEND + MARGIN;
    for (int i = 0; i < TITLE_LINES; i++) {
        l->width = at_least(l->width, (int)ceil(text_width(cr, title[i])) + 2 * MARGIN);
    }
    l->height = tile_y(l, l->heads - 1) + l->tile_height + widest_label(cr, map, l, false) + MARGIN;
    l->height = at_least(l->height, l->top + 120 + MARGIN); /* the legend */
}

/* ---- Drawing
 * ------------------------------------------------------------------------------------- */

/* Straight into the pixels: there may be millions of cells. */
static void fill(cairo_surface_t *surface, int x, int y, int width, int height, uint32_t pixel)
{
    unsigned char *data = cairo_image_surface_get_data(surface);
    const int stride = cairo_image_surface_get_stride(surface);
    for (int row = y; row < y + height; row++) {
        for (int column = x; column < x + width; column++) {
            memcpy(data + (size_t)row * (size_t)stride + (size_t)column * 4, &pixel, 4);
        }
    }
}

static void fill_tiles(cairo_surface_t *surface, const layout *l, const double *cells,
                       const scale *scale)
{
    for (int64_t h = 0; h < l->heads; h++) {
        const int x = tile_x(l, h), y = tile_y(l, h);
        for (int down = 0; down < l->cells_down; down++) {
            for (int across = 0; across < l->cells_across; across++) {
                fill(surface, x + across * l->cell_width, y + down * l->cell_height, l->cell_width,
                     l->cell_height, heatmap_colour(heatmap_shade(scale, *cells++)));
            }
        }
    }
}

enum { BAR_WIDTH = 14, BAR_HEIGHT = 100 };

static int legend_x(const layout *l)
{
    return tile_x(l, l->columns - 1) + at_least(l->tile_width, MIN_TILE) + GAP;
}

static void fill_legend(cairo_surface_t *surface, const layout *l)
{
    for (int i = 0; i < BAR_HEIGHT; i++) {
        fill(surface, legend_x(l), l->top + i, BAR_WIDTH, 1,
             heatmap_colour(1 - i / (double)(BAR_HEIGHT - 1)));
    }
}

static void frame(cairo_t *cr, int x, int y, int width, int height)
{
    cairo_rectangle(cr, x - 0.5, y - 0.5, width + 1, height + 1);
    cairo_stroke(cr);
}

static void draw_legend(cairo_t *cr, const layout *l, const scale *scale)
{
    const int x = legend_x(l);
    frame(cr, x, l->top, BAR_WIDTH, BAR_HEIGHT);
    put_text(cr, x, l->top - 7, "weight");
    for (int i = 0; i <= 2; i++) {
        char text[32];
        const double part = (2 - i) / 2.0;
        snprintf(text, sizeof text, i || !scale->binned ? "%.3g" : "%.3g, more",
                 scale->most * (scale->binned ? part * part : part));
        put_text(cr, x + BAR_WIDTH + 5, l->top + BAR_HEIGHT * i / 2.0 + FONT / 3.0, text);
    }
}

/* Of a cell, in pixels from the first. */
static double middle(int64_t cell, int size) { return ((double)cell + 0.5) * size; }

static void draw_query_labels(cairo_t *cr, const heatmap *map, const layout *l, int64_t head)
{
    const int64_t every = label_every(map, l, true);
    for (int64_t i = 0; i < l->queries; i += every) {
        char label[LABEL_BYTES];
        axis_label(map, l, true, i, label);
        put_text(cr, tile_x(l, head) - 5 - text_width(cr, label),
                 tile_y(l, head) + middle(i / l->query_bin, l->cell_height) + FONT / 3.0, label);
    }
}

static void draw_key_labels(cairo_t *cr, const heatmap *map, const layout *l, int64_t head)
{
    const int64_t every = label_every(map, l, false);
    for (int64_t i = 0; i < l->keys; i += every) {
        char label[LABEL_BYTES];
        axis_label(map, l, false, i, label);
        cairo_save(cr); /* turned to read upwards, ending at the axis */
        cairo_translate(cr, tile_x(l, head) + middle(i / l->key_bin, l->cell_width) + FONT / 3.0,
                        tile_y(l, head) + l->tile_height + 5 + text_width(cr, label));
        cairo_rotate(cr, -1.5707963267948966);
        put_text(cr, 0, 0, label);
        cairo_restore(cr);
    }
}

static void draw_text(cairo_t *cr, const heatmap *map, const layout *l, const scale *scale)
{
    char title[TITLE_LINES][128];
    write_title(map, l, title);
    cairo_set_line_width(cr, 1);
    for (int i = 0; i < TITLE_LINES; i++) {
        use_font(cr, i ? CAIRO_FONT_WEIGHT_NORMAL : CAIRO_FONT_WEIGHT_BOLD);
        put_text(cr, MARGIN, MARGIN + FONT + i * LINE, title[i]);
    }
    for (int64_t h = 0; h < l->heads; h++) {
        char label[32];
        if (map->mean) {
            snprintf(label, sizeof label, "mean");
        } else {
            snprintf(label, sizeof label, "head %" PRId64, h);
        }
        use_font(cr, CAIRO_FONT_WEIGHT_BOLD);
        put_text(cr, tile_x(l, h), tile_y(l, h) - 6, label);
        use_font(cr, CAIRO_FONT_WEIGHT_NORMAL);
        frame(cr, tile_x(l, h), tile_y(l, h), l->tile_width, l->tile_height);
        if (h % l->columns == 0) { /* tiles share their axes: the leftmost and the lowest have
                                      labels */
            draw_query_labels(cr, map, l, h);
        }
        if (h + l->columns >= l->heads) {
            draw_key_labels(cr, map, l, h);
        }
    }
    draw_legend(cr, l, scale);
}

/* ---- All of it
 * --------------------------------------------------------------------------------------- */

static cairo_status_t write_bytes(void *file, const unsigned char *data, unsigned int length)
{
    return fwrite(data, 1, length, file) == length ? CAIRO_STATUS_SUCCESS
                                                   : CAIRO_STATUS_WRITE_ERROR;
}

static void measure(const heatmap *map, layout *l)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1, 1);
    cairo_t *cr = cairo_create(surface);
    use_font(cr, CAIRO_FONT_WEIGHT_BOLD); /* the wider one */
    plan_tiles(map, l);
    plan_picture(cr, map, l);
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
}

bool heatmap_write(FILE *file, const heatmap *map, reason *why)
{
    layout l;
    scale scale;
    measure(map, &l);
    double *cells = heatmap_cells(map, &l, &scale);
    if (!cells) {
        return refuse(why, "out of memory");
    }
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, l.width, l.height);
    cairo_t *cr = cairo_create(surface);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_surface_flush(surface);
    cairo_status_t status = cairo_surface_status(surface);
    if (status == CAIRO_STATUS_SUCCESS) {
        fill_tiles(surface, &l, cells, &scale);
        fill_legend(surface, &l);
        cairo_surface_mark_dirty(surface);
        draw_text(cr, map, &l, &scale);
        status = cairo_status(cr);
    }
    if (status == CAIRO_STATUS_SUCCESS) {
        status = cairo_surface_write_to_png_stream(surface, write_bytes, file);
    }
    if (status != CAIRO_STATUS_SUCCESS) {
        refuse(why, "drawing %d x %d pixels: %s", l.width, l.height,
               cairo_status_to_string(status));
    }
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    free(cells);
    return status == CAIRO_STATUS_SUCCESS;
}
