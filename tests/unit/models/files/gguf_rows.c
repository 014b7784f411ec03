/* src/models/files/gguf_rows.c: rows of every type as floats. */
#include "models/files/gguf_types.h"

#include "ref/ref.h"
#include "support/fixture.h"

#include <math.h>

/* ---- Blocks written by hand ---------------------------------------------------------- */

/* f16: 1 is 0x3c00, -2 is 0xc000, 0.5 is 0x3800, 2^-24 is 1. */
START_TEST(numbers_alone_are_widened_exactly)
{
    const float floats[] = {1.5f, -0.0f, INFINITY};
    const uint16_t halves[] = {0x3c00, 0xc000, 0x0001}, bfloats[] = {0x3f80, 0xc000, 0x0001};
    float out[3];
    clattn_gguf_widen(CLATTN_GGUF_F32, floats, 3, out);
    ck_assert(!memcmp(floats, out, sizeof out));
    clattn_gguf_widen(CLATTN_GGUF_F16, halves, 3, out);
    ck_assert(out[0] == 1 && out[1] == -2 && out[2] == 0x1p-24f);
    clattn_gguf_widen(CLATTN_GGUF_BF16, bfloats, 3, out);
    ck_assert(out[0] == 1 && out[1] == -2 && out[2] == 0x1p-133f);
}
END_TEST

START_TEST(bytes_and_their_scale)
{
    unsigned char blocks[2 * 34] = {0x00, 0x38, 127, 128, [34] = 0x00, 0xc0, [34 + 33] = 3};
    float out[64];
    clattn_gguf_widen(CLATTN_GGUF_Q8_0, blocks, 64, out);
    ck_assert(out[0] == 63.5f && out[1] == -64 && out[2] == 0 && out[31] == 0);
    ck_assert(out[32] == 0 && out[63] == -6);
}
END_TEST

START_TEST(halves_of_bytes_the_lower_ones_first)
{
    unsigned char about_8[18] = {0x00, 0x38, 0xf0, [17] = 0x18};
    unsigned char above_least[20] = {0x00, 0x38, 0x00, 0xc0, 0xf0, [19] = 0x18};
    float out[32];
    clattn_gguf_widen(CLATTN_GGUF_Q4_0, about_8, 32, out);
    ck_assert(out[0] == -4 && out[16] == 3.5f && out[15] == 0 && out[31] == -3.5f);
    clattn_gguf_widen(CLATTN_GGUF_Q4_1, above_least, 32, out);
    ck_assert(out[0] == -2 && out[16] == 5.5f && out[15] == 2 && out[31] == -1.5f);
}
END_TEST

/* ---- Any blocks, by the reference ----------------------------------------------------- */

static const struct {
    uint32_t type;
    enum ref_block reference;
    int scales[2], scale_count; /* bytes where an f16 is */
} formats[] = {
    {CLATTN_GGUF_Q8_0, REF_Q8_0, {0}, 1},    {CLATTN_GGUF_Q4_0, REF_Q4_0, {0}, 1},
    {CLATTN_GGUF_Q4_1, REF_Q4_1, {0, 2}, 2}, {CLATTN_GGUF_Q4_K, REF_Q4_K, {0, 2}, 2},
    {CLATTN_GGUF_Q6_K, REF_Q6_K, {208}, 1},
};

START_TEST(blocks_of_any_bytes_are_those_of_the_reference)
{
    enum { COLUMNS = 4 * 256 };
    const uint32_t type = formats[_i].type;
    const size_t bytes = clattn_gguf_row_bytes(type, COLUMNS);
    const size_t block = (size_t)clattn__gguf_block_bytes(type);
    unsigned char row[2 * COLUMNS];
    float out[COLUMNS];
    double expected[COLUMNS];
    uint32_t state = 7;
    ck_assert_uint_eq(bytes, COLUMNS / (size_t)clattn__gguf_block_elements(type) * block);
    for (size_t n = 0; n < bytes; n++) {
        state = state * 1664525u + 1013904223u;
        row[n] = (unsigned char)(state >> 24);
    }
    for (size_t at = 0; at < bytes; at += block) {
        for (int s = 0; s < formats[_i].scale_count; s++) {
            row[at + (size_t)formats[_i].scales[s] + 1] &= 0xbf; /* finite, below 2 */
        }
    }
    clattn_gguf_widen(type, row, COLUMNS, out);
    ref_decode_row(formats[_i].reference, row, COLUMNS, expected);
    for (int n = 0; n < COLUMNS; n++) {
        ck_assert_msg(fabs(out[n] - expected[n]) <= 1e-3, "%d: %g, expected %g", n, out[n],
                      expected[n]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gguf_rows");
    TCase *tests = suite_group(suite, "gguf_rows", NULL, NULL);
    tcase_add_test(tests, numbers_alone_are_widened_exactly);
    tcase_add_test(tests, bytes_and_their_scale);
    tcase_add_test(tests, halves_of_bytes_the_lower_ones_first);
    tcase_add_loop_test(tests, blocks_of_any_bytes_are_those_of_the_reference, 0,
                        sizeof formats / sizeof *formats);
    return suite_run(suite);
}
