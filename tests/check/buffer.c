#include "buffer.h"

#include "rng.h"

#include "ref/ref.h"

#include <clattn/models/array.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CANARY = 37 }; /* elements before and behind; odd, so that nothing is aligned by luck */

static int64_t count_of(const int64_t size[4]) { return size[0] * size[1] * size[2] * size[3]; }

static void set_strides(clattn_tensor *view, enum layout layout)
{
    const int64_t *size = view->size;
    const int64_t gap = layout == LAYOUT_GAPS ? 3 : 0;
    const int64_t column = size[3] + gap;
    if (layout == LAYOUT_BHND) {
        const int64_t stride[4] = {size[1] * size[2] * column, column, size[1] * column, 1};
        memcpy(view->stride, stride, sizeof stride);
    } else {
        const int64_t row = size[2] * column + 2 * gap;
        const int64_t stride[4] = {size[1] * row + gap, row, column, 1};
        memcpy(view->stride, stride, sizeof stride);
    }
}

/* Dense rows, a block before and behind them. */
static bool make_blocks(struct buffer *buffer)
{
    clattn_tensor *view = &buffer->view;
    const int64_t rows = view->size[0] * view->size[1] * view->size[2];
    const int block = clattn_type_block(view->type);
    view->offset = block;
    buffer->count = rows * view->size[3];
    buffer->size = (size_t)rows * clattn_row_bytes(view->type, view->size[3]) +
                   2 * clattn_row_bytes(view->type, block);
    buffer->bytes = malloc(buffer->size);
    buffer->values = malloc((size_t)(buffer->count + 1) * sizeof *buffer->values);
    if (!buffer->bytes || !buffer->values) {
        buffer_free(buffer);
        return false;
    }
    memset(buffer->bytes, 0xff, buffer->size);
    return true;
}

bool buffer_make(struct buffer *buffer, clattn_type type, const int64_t size[4], enum layout layout)
{
    memset(buffer, 0, sizeof *buffer);
    clattn_tensor *view = &buffer->view;
    view->type = type;
    view->offset = CANARY;
    memcpy(view->size, size, sizeof view->size);
    if (clattn_type_block(type) > 1) {
        return make_blocks(buffer);
    }
    set_strides(view, layout);
    int64_t extent = 1;
    for (int a = 0; a < 4; a++) {
        extent += size[a] > 0 ? (size[a] - 1) * view->stride[a] : 0;
    }
    buffer->count = count_of(size);
    buffer->size = (size_t)(extent + 2 * CANARY) * clattn_type_size(type);
    buffer->bytes = malloc(buffer->size);
    buffer->values = malloc((size_t)(buffer->count + 1) * sizeof *buffer->values);
    if (!buffer->bytes || !buffer->values) {
        buffer_free(buffer);
        return false;
    }
    memset(buffer->bytes, 0xff, buffer->size);
    for (int64_t n = 0; n < buffer->count; n++) {
        buffer->values[n] = NAN;
    }
    return true;
}

static void encode(clattn_type type, double value, unsigned char *to)
{
    const float f32 = (float)value;
    const uint16_t bits16 =
        type == CLATTN_F16 ? clattn_double_to_half(value) : clattn_double_to_bfloat(value);
    const int32_t i32 = type == CLATTN_I32 ? (int32_t)value : 0;
    const unsigned char u8 = type == CLATTN_U8 ? (unsigned char)value : 0;
    const int8_t i8 = type == CLATTN_I8 ? (int8_t)value : 0;
    const void *const encoded[] = {
        [CLATTN_F32] = &f32, [CLATTN_F16] = &bits16, [CLATTN_BF16] = &bits16,
        [CLATTN_I32] = &i32, [CLATTN_U8] = &u8,      [CLATTN_I8] = &i8};
    memcpy(to, encoded[type], clattn_type_size(type));
}

static double decode(clattn_type type, const unsigned char *from)
{
    float f32;
    uint16_t bits16;
    int32_t i32;
    switch (type) {
    case CLATTN_F32: memcpy(&f32, from, 4); return f32;
    case CLATTN_F16: memcpy(&bits16, from, 2); return clattn_half_to_float(bits16);
    case CLATTN_BF16: memcpy(&bits16, from, 2); return clattn_bfloat_to_float(bits16);
    case CLATTN_I32: memcpy(&i32, from, 4); return i32;
    case CLATTN_U8: return *from;
    case CLATTN_I8: return (int8_t)*from;
    default: return NAN; /* blocks: see blocks.h */
    }
    return NAN;
}

double buffer_round(clattn_type type, double value)
{
    unsigned char bytes[4];
    encode(type, value, bytes);
    return decode(type, bytes);
}

static void position(const int64_t size[4], int64_t n, int64_t at[4])
{
    for (int a = 3; a >= 0; a--) {
        at[a] = n % size[a];
        n /= size[a];
    }
}

static size_t byte_of(const struct buffer *buffer, const int64_t at[4])
{
    int64_t element = buffer->view.offset;
    for (int a = 0; a < 4; a++) {
        element += at[a] * buffer->view.stride[a];
    }
    return (size_t)element * clattn_type_size(buffer->view.type);
}

void buffer_put(struct buffer *buffer, const int64_t at[4], double value)
{
    const int64_t *size = buffer->view.size;
    unsigned char *to = buffer->bytes + byte_of(buffer, at);
    encode(buffer->view.type, value, to);
    buffer->values[((at[0] * size[1] + at[1]) * size[2] + at[2]) * size[3] + at[3]] =
        decode(buffer->view.type, to);
}

void buffer_put_nth(struct buffer *buffer, int64_t n, double value)
{
    int64_t at[4];
    position(buffer->view.size, n, at);
    buffer_put(buffer, at, value);
}

cl_int buffer_upload(struct buffer *buffer, cl_context context)
{
    cl_int code;
    buffer->view.mem = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                      buffer->size, buffer->bytes, &code);
    return code;
}

cl_int buffer_download(struct buffer *buffer, cl_command_queue queue)
{
    const cl_int code = clEnqueueReadBuffer(queue, buffer->view.mem, CL_TRUE, 0, buffer->size,
                                            buffer->bytes, 0, NULL, NULL);
    for (int64_t n = 0; code == CL_SUCCESS && n < buffer->count; n++) {
        int64_t at[4];
        position(buffer->view.size, n, at);
        buffer->values[n] = decode(buffer->view.type, buffer->bytes + byte_of(buffer, at));
    }
    return code;
}

bool buffer_canaries_live(const struct buffer *buffer)
{
    const size_t bytes = clattn_type_size(buffer->view.type);
    unsigned char *outside = malloc(buffer->size);
    if (!outside) {
        return false;
    }
    memcpy(outside, buffer->bytes, buffer->size);
    for (int64_t n = 0; n < buffer->count; n++) {
        int64_t at[4];
        position(buffer->view.size, n, at);
        memset(outside + byte_of(buffer, at), 0xff, bytes);
    }
    bool live = true;
    for (size_t i = 0; i < buffer->size; i++) {
        live = live && outside[i] == 0xff;
    }
    free(outside);
    return live;
}

void buffer_free(struct buffer *buffer)
{
    if (buffer->view.mem) {
        clReleaseMemObject(buffer->view.mem);
    }
    free(buffer->bytes);
    free(buffer->values);
    memset(buffer, 0, sizeof *buffer);
}

/* Where a block has its f16 numbers: scale, and least value of types that have one; and how much
 * their factors and numbers make of a scale. */
static const struct {
    int scale, least;
    double reach;
} blocks[] = {
    [CLATTN_Q8_0] = {0, -1, 127}, [CLATTN_Q4_0] = {0, -1, 8},      [CLATTN_Q4_1] = {0, 2, 15},
    [CLATTN_Q4_K] = {0, 2, 945},  [CLATTN_Q6_K] = {208, -1, 4064},
};

void buffer_draw_blocks(struct buffer *buffer, double size, uint64_t seed)
{
    const clattn_tensor *view = &buffer->view;
    const clattn_type type = view->type;
    const int block = clattn_type_block(type);
    const size_t step = clattn_row_bytes(type, block);
    struct rng rng = {seed};
    for (size_t at = step; at + step < buffer->size; at += step) {
        const double scale = size / blocks[type].reach * (1 + (double)rng_below(&rng, 8)) / 4;
        for (size_t n = 0; n < step; n++) {
            buffer->bytes[at + n] = (unsigned char)rng_next(&rng);
        }
        encode(CLATTN_F16, rng_below(&rng, 2) ? scale : -scale,
               buffer->bytes + at + blocks[type].scale);
        if (blocks[type].least >= 0) {
            encode(CLATTN_F16, -scale * 3, buffer->bytes + at + blocks[type].least);
        }
    }
    for (int64_t n = 0; n < buffer->count; n += block) {
        ref_decode_row((enum ref_block)(type - CLATTN_Q8_0),
                       buffer->bytes + step * (size_t)(n / block + 1), block, buffer->values + n);
    }
}
