/* Rows of a GGUF tensor as floats, block by block. */
#include "gguf_types.h"

#include <clattn/models/array.h>

#include <string.h>

typedef const unsigned char bytes;

static float half_at(bytes *at)
{
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return clattn_half_to_float(bits);
}

/* ---- Each widens one block ------------------------------------------------------------- */

static void widen_f32(bytes *b, float *out) { memcpy(out, b, sizeof *out); }

static void widen_f16(bytes *b, float *out) { *out = half_at(b); }

static void widen_bf16(bytes *b, float *out)
{
    uint16_t bits;
    memcpy(&bits, b, sizeof bits);
    *out = clattn_bfloat_to_float(bits);
}

/* 32 signed bytes and their scale. */
static void widen_q8_0(bytes *b, float *out)
{
    const float scale = half_at(b);
    for (int n = 0; n < 32; n++) {
        out[n] = scale * (float)(int8_t)b[2 + n];
    }
}

/* 32 of four bits: those of the lower halves first, about 8. */
static void widen_q4_0(bytes *b, float *out)
{
    const float scale = half_at(b);
    for (int n = 0; n < 16; n++) {
        out[n] = scale * (float)((b[2 + n] & 15) - 8);
        out[n + 16] = scale * (float)((b[2 + n] >> 4) - 8);
    }
}

/* The same with a least value. */
static void widen_q4_1(bytes *b, float *out)
{
    const float scale = half_at(b), least = half_at(b + 2);
    for (int n = 0; n < 16; n++) {
        out[n] = scale * (float)(b[4 + n] & 15) + least;
        out[n + 16] = scale * (float)(b[4 + n] >> 4) + least;
    }
}

/* 256 of four bits in eight groups; a group's scale and least value have six bits each, packed. */
static void widen_q4_k(bytes *b, float *out)
{
    const float scale = half_at(b), least = half_at(b + 2);
    bytes *packed = b + 4, *q = b + 16;
    for (int g = 0; g < 8; g++) {
        const int s = g < 4 ? packed[g] & 63 : (packed[g + 4] & 15) | (packed[g - 4] >> 6) << 4;
        const int m = g < 4 ? packed[g + 4] & 63 : packed[g + 4] >> 4 | (packed[g] >> 6) << 4;
        for (int n = 0; n < 32; n++) {
            const int byte = q[g / 2 * 32 + n];
            out[g * 32 + n] =
                scale * (float)s * (float)(g % 2 ? byte >> 4 : byte & 15) - least * (float)m;
        }
    }
}

/* 256 of six bits in sixteen groups with signed scales: four bits of each, then two of each. */
static void widen_q6_k(bytes *b, float *out)
{
    const float scale = half_at(b + 208);
    const int8_t *scales = (const int8_t *)b + 192;
    for (int n = 0; n < 256; n++) {
        const int half = n / 128, part = n % 128 / 32, lane = n % 32;
        const int low = b[half * 64 + part % 2 * 32 + lane] >> (part / 2 * 4) & 15;
        const int high = b[128 + half * 32 + lane] >> (part * 2) & 3;
        out[n] = scale * (float)scales[n / 16] * (float)((low | high << 4) - 32);
    }
}

static const struct {
    uint32_t type;
    void (*widen)(bytes *block, float *out);
} formats[] = {
    {CLATTN_GGUF_F32, widen_f32},   {CLATTN_GGUF_F16, widen_f16},   {CLATTN_GGUF_BF16, widen_bf16},
    {CLATTN_GGUF_Q8_0, widen_q8_0}, {CLATTN_GGUF_Q4_0, widen_q4_0}, {CLATTN_GGUF_Q4_1, widen_q4_1},
    {CLATTN_GGUF_Q4_K, widen_q4_k}, {CLATTN_GGUF_Q6_K, widen_q6_k},
};

size_t clattn_gguf_row_bytes(uint32_t type, int64_t elements)
{
    const int step = clattn__gguf_can_be_had(type) ? clattn__gguf_block_elements(type) : 0;
    return step && elements > 0 && elements % step == 0
               ? (size_t)(elements / step) * (size_t)clattn__gguf_block_bytes(type)
               : 0;
}

void clattn_gguf_widen(uint32_t type, const void *row, int64_t elements, float *out)
{
    if (clattn_gguf_row_bytes(type, elements) == 0) {
        return;
    }
    const int step = clattn__gguf_block_elements(type), size = clattn__gguf_block_bytes(type);
    bytes *at = row;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (formats[i].type == type) {
            for (int64_t n = 0; n < elements; n += step, at += size) {
                formats[i].widen(at, out + n);
            }
        }
    }
}
