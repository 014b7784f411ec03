/* A tensor for a test: host bytes, device buffer, and the doubles the device sees.
 * The whole buffer starts as 0xff bytes, which is NaN in every floating type, so what
 * is never written (gaps, padding behind a length, canaries around an output) shows. */
#ifndef CHECK_BUFFER_H
#define CHECK_BUFFER_H

#include <clattn/clattn.h>

struct buffer {
    clattn_tensor view;
    unsigned char *bytes; /* of the whole buffer */
    size_t size;          /* bytes */
    double *values;       /* dense {batch, row, head, column} */
    int64_t count;        /* of values */
};

enum layout { LAYOUT_BNHD, LAYOUT_BHND, LAYOUT_GAPS, LAYOUTS };

/* Host side only: sizes, strides by layout, room before and behind, all 0xff.
 * False without memory. */
bool buffer_make(struct buffer *buffer, clattn_type type, const int64_t size[4],
                 enum layout layout);

/* Writes one value, rounded to the type, and remembers what the device will see. */
void buffer_put(struct buffer *buffer, const int64_t at[4], double value);

/* The same for the n-th value in dense order. */
void buffer_put_nth(struct buffer *buffer, int64_t n, double value);

/* Of a buffer in blocks: every byte of its rows is drawn, scales so that numbers are about as large
 * as size; values are what the device will see.  Single values cannot be put. */
void buffer_draw_blocks(struct buffer *buffer, double size, uint64_t seed);

/* Rounds to what a storage type can hold. */
double buffer_round(clattn_type type, double value);

cl_int buffer_upload(struct buffer *buffer, cl_context context);

/* Reads back into bytes and values. */
cl_int buffer_download(struct buffer *buffer, cl_command_queue queue);

/* After a download: no byte outside the elements was written. */
bool buffer_canaries_live(const struct buffer *buffer);

void buffer_free(struct buffer *buffer);

#endif /* CHECK_BUFFER_H */
