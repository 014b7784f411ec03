/* Operands of a workload: what they look like, and random values for them. */
#include "check/rng.h"
#include "workload.h"

#include <clattn/models/array.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Random numbers --------------------------------------------------------------------- */

enum { SAMPLES = 4096 };

/* Drawing from a few thousand numbers is random enough to time, and quick for millions. */
typedef union samples {
    float f32[SAMPLES];
    uint16_t bits16[SAMPLES];
} samples;

static void make_samples(samples *s, clattn_type type, int64_t divide, struct rng *rng)
{
    const double scale = divide > 1 ? 1 / sqrt((double)divide) : 1;
    for (int i = 0; i < SAMPLES; i++) {
        const double value = scale * rng_normal(rng);
        if (type == CLATTN_F32) {
            s->f32[i] = (float)value;
        } else {
            s->bits16[i] =
                type == CLATTN_F16 ? clattn_double_to_half(value) : clattn_double_to_bfloat(value);
        }
    }
}

static void fill_normal(const operand *o, void *to, size_t count, struct rng *rng)
{
    static samples s; /* too large for the stack of a small system */
    make_samples(&s, o->type, o->divide, rng);
    for (size_t n = 0; n < count; n++) {
        const size_t pick = (size_t)(rng_next(rng) % SAMPLES);
        if (o->type == CLATTN_F32) {
            ((float *)to)[n] = s.f32[pick];
        } else if (o->type == CLATTN_I8) {
            ((int8_t *)to)[n] = (int8_t)(pick % 255 - 127);
        } else {
            ((uint16_t *)to)[n] = s.bits16[pick];
        }
    }
}

/* Bytes below 64: where a block keeps its scales in f16, those are positive, finite and small. */
static void fill_blocks(unsigned char *to, size_t bytes, struct rng *rng)
{
    for (size_t n = 0; n < bytes; n++) {
        to[n] = (unsigned char)(rng_next(rng) % 64);
    }
}

static void fill_values(const operand *o, void *to, uint64_t seed)
{
    struct rng rng = {seed};
    if (clattn_type_block(o->type) > 1) {
        fill_blocks(to, operand_bytes(o), &rng);
        return;
    }
    const size_t count = operand_bytes(o) / clattn_type_size(o->type);
    if (o->fill == FILL_NORMAL) {
        fill_normal(o, to, count, &rng);
        return;
    }
    for (size_t n = 0; n < count && o->fill == FILL_MASK; n++) {
        ((unsigned char *)to)[n] = rng_below(&rng, 4) != 0;
    }
    for (size_t n = 0; n < count && o->fill == FILL_SLOPES; n++) {
        const int64_t heads = o->size[2], h = (int64_t)n % heads;
        ((float *)to)[n] = (float)exp2(-8.0 * (double)(h + 1) / (double)heads);
    }
    for (size_t n = 0; n < count && o->fill == FILL_BELOW; n++) {
        ((int32_t *)to)[n] = (int32_t)rng_below(&rng, o->divide);
    }
    for (size_t n = 0; n < count && o->fill == FILL_COUNT; n++) {
        ((int32_t *)to)[n] = (int32_t)((int64_t)n * o->divide);
    }
    for (size_t n = 0; n < count && o->fill == FILL_NUMBERS; n++) {
        ((int32_t *)to)[n] = (int32_t)case_number(o->numbers, (int64_t)n);
    }
}

/* ---- Operands --------------------------------------------------------------------------- */

operand operand_of(const char *name, bool present, operand_fill fill, clattn_type type,
                   int64_t batch, int64_t rows, int64_t heads, int64_t columns)
{
    return (operand){.name = name,
                     .present = present,
                     .fill = fill,
                     .type = type,
                     .size = {batch, rows, heads, columns}};
}

operand operand_weight(const char *name, bool present, clattn_type type, int64_t out, int64_t in)
{
    operand o = operand_of(name, present, FILL_NORMAL, type, 1, out, 1, in);
    o.divide = in;
    return o;
}

operand operand_numbers(const char *name, const char *numbers, int64_t batch)
{
    operand o = operand_of(name, numbers[0] != '\0', FILL_NUMBERS, CLATTN_I32, batch, 1, 1, 1);
    o.numbers = numbers;
    return o;
}

size_t operand_bytes(const operand *o)
{
    return (size_t)(o->size[0] * o->size[1] * o->size[2]) * clattn_row_bytes(o->type, o->size[3]);
}

/* Dense, in the order that the case's layout asks for. */
static void set_view(operand *o, enum layout layout)
{
    const int64_t *size = o->size;
    const int64_t row = size[2] * size[3], batch = size[1] * row;
    const int64_t bnhd[4] = {batch, row, size[3], 1};
    const int64_t bhnd[4] = {batch, size[3], size[1] * size[3], 1};
    o->view.type = o->type;
    memcpy(o->view.size, size, sizeof o->view.size);
    if (clattn_type_block(o->type) > 1) {
        return; /* always dense */
    }
    memcpy(o->view.stride, layout == LAYOUT_BHND ? bhnd : bnhd, sizeof o->view.stride);
}

/* Filled in place, so that no second copy of a large operand is needed. */
bool operand_make(operand *o, enum layout layout, const session *s, uint64_t seed, reason *why)
{
    const size_t bytes = operand_bytes(o);
    cl_int code;
    set_view(o, layout);
    o->view.mem = clCreateBuffer(clattn_context_cl(s->context), CL_MEM_READ_WRITE,
                                 bytes ? bytes : 1, NULL, &code);
    if (code == CL_SUCCESS && bytes) {
        void *to = clEnqueueMapBuffer(s->queue, o->view.mem, CL_TRUE, CL_MAP_WRITE, 0, bytes, 0,
                                      NULL, NULL, &code);
        if (code == CL_SUCCESS) {
            if (o->fill == FILL_OUTPUT) {
                memset(to, 0, bytes); /* the first run shall not meet memory never touched */
            }
            fill_values(o, to, seed);
            code = clEnqueueUnmapMemObject(s->queue, o->view.mem, to, 0, NULL, NULL);
        }
    }
    return code == CL_SUCCESS ||
           refuse(why, "no room for %zu bytes of %s (OpenCL error %d)", bytes, o->name, code);
}
