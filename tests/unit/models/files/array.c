/* src/models/files/array.c, half.c, load.c, npy.c: arrays of every type, there and back through a
 * file, and what cannot be one. */
#include <clattn/models/array.h> /* before Check, whose fail() is a macro */

#include "support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t shape[] = {2, 3};

static const struct {
    clattn_array_type type;
    const char *name;
    size_t size;
    double value; /* one that only this type, or a wider one, has */
} types[] = {{CLATTN_ARRAY_F32, "f4", 4, 0x1.000002p0},
             {CLATTN_ARRAY_F16, "f2", 2, 0x1.004p0},
             {CLATTN_ARRAY_F64, "f8", 8, 0.1},
             {CLATTN_ARRAY_BF16, "bf16", 2, 0x1.02p0},
             {CLATTN_ARRAY_I8, "i1", 1, -100},
             {CLATTN_ARRAY_I32, "i4", 4, -2000000000},
             {CLATTN_ARRAY_I64, "i8", 8, 1e15},
             {CLATTN_ARRAY_U8, "u1", 1, 200},
             {CLATTN_ARRAY_BOOL, "b1", 1, 1}};

START_TEST(numbers_of_every_type_stay_through_a_file)
{
    char path[2 * PATH_TEXT_BYTES];
    clattn_array a, again;
    assert_ok(clattn_array_make(types[_i].type, 2, shape, &a));
    ck_assert_uint_eq(clattn_array_type_size(a.type), types[_i].size);
    ck_assert_str_eq(clattn_array_type_name(a.type), types[_i].name);
    ck_assert_int_eq(clattn_array_count(&a), 6);
    ck_assert(clattn_array_get(&a, 5) == 0);
    clattn_array_set(&a, 4, types[_i].value);
    ck_assert(clattn_array_get(&a, 4) == types[_i].value);
    snprintf(path, sizeof path, "%s/a.npy", fixture.directory);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    assert_ok(clattn_array_write_npy(file, &a));
    fclose(file);
    assert_ok(clattn_array_load(path, &again));
    ck_assert_int_eq(again.type, a.type == CLATTN_ARRAY_BF16 ? CLATTN_ARRAY_F32 : a.type);
    ck_assert(again.rank == 2 && again.shape[0] == 2 && again.shape[1] == 3);
    for (int64_t i = 0; i < 6; i++) {
        ck_assert(clattn_array_get(&again, i) == clattn_array_get(&a, i));
    }
    clattn_array_free(&again);
    clattn_array_free(&a);
    ck_assert_ptr_null(a.data);
}
END_TEST

START_TEST(what_cannot_be_an_array_is_refused)
{
    static const int64_t negative[] = {2, -1}, huge[] = {INT64_MAX, 2}, nine[9] = {0};
    char path[2 * PATH_TEXT_BYTES];
    clattn_array a = {.data = &a};
    assert_refused(clattn_array_make(CLATTN_ARRAY_F32, 2, shape, NULL), "array: out is NULL");
    assert_refused(clattn_array_make(CLATTN_ARRAY_TYPES, 2, shape, &a), "array: type is 9");
    assert_refused(clattn_array_make(CLATTN_ARRAY_F32, 9, nine, &a), "array: rank is 9");
    assert_refused(clattn_array_make(CLATTN_ARRAY_F32, -1, shape, &a), "array: rank is -1");
    assert_refused(clattn_array_make(CLATTN_ARRAY_U8, 2, negative, &a), "shape [2, -1] is larger");
    assert_refused(clattn_array_make(CLATTN_ARRAY_U8, 2, huge, &a),
                   "shape [9223372036854775807, 2] is larger than memory can be");
    assert_refused(clattn_array_load(NULL, &a), "array: path is NULL");
    assert_refused(clattn_array_load(fixture.directory, &a), "not a regular file");
    snprintf(path, sizeof path, "%s/none.npy", fixture.directory);
    assert_refused(clattn_array_load(path, &a), "none.npy: No such file");
    file_write_text(fixture.directory, "none.npy", "no such thing");
    assert_refused(clattn_array_load(path, &a), "none.npy: not a .npy file");
    assert_refused(clattn_array_write_npy(NULL, &a), "array: file is NULL");
    const clattn_array absent = {.data = NULL};
    assert_refused(clattn_array_write_npy(stderr, &absent), "is NULL");
    ck_assert_ptr_eq(a.data, &a);
    ck_assert_uint_eq(clattn_array_type_size((clattn_array_type)-1), 0);
    ck_assert_str_eq(clattn_array_type_name(CLATTN_ARRAY_TYPES), "unknown type");
}
END_TEST

START_TEST(an_array_may_have_no_elements_and_no_axes)
{
    static const int64_t none[] = {0, 5};
    clattn_array a, converted;
    assert_ok(clattn_array_make(CLATTN_ARRAY_F32, 2, none, &a));
    ck_assert(clattn_array_count(&a) == 0 && a.data);
    assert_ok(clattn_array_convert(&a, CLATTN_ARRAY_F64, &converted));
    ck_assert(converted.data && converted.shape[1] == 5);
    clattn_array_free(&converted);
    clattn_array_free(&a);
    assert_ok(clattn_array_make(CLATTN_ARRAY_F32, 0, NULL, &a));
    ck_assert_int_eq(clattn_array_count(&a), 1);
    clattn_array_free(&a);
    clattn_array_free(&a);
}
END_TEST

START_TEST(sixteen_bits_are_rounded_to_nearest_and_ties_to_even)
{
    static const struct {
        double x;
        uint16_t half, bfloat;
    } cases[] = {{1, 0x3c00, 0x3f80},
                 {-2, 0xc000, 0xc000},
                 {1 + 0x1p-11, 0x3c00, 0x3f80}, /* a tie of f16 */
                 {1 + 3 * 0x1p-11, 0x3c02, 0x3f80},
                 {1 + 0x1p-11 + 0x1p-40, 0x3c01, 0x3f80}, /* a float alone would not see it */
                 {1 + 0x1p-8, 0x3c04, 0x3f80},            /* a tie of bf16 */
                 {1 + 3 * 0x1p-8, 0x3c0c, 0x3f82},
                 {65504, 0x7bff, 0x4780},
                 {65520, 0x7c00, 0x4780},
                 {0x1p-24, 0x0001, 0x3380},
                 {0x1p-26, 0x0000, 0x3280},
                 {-0.0, 0x8000, 0x8000},
                 {INFINITY, 0x7c00, 0x7f80}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_uint_eq(clattn_double_to_half(cases[i].x), cases[i].half);
        ck_assert_uint_eq(clattn_double_to_bfloat(cases[i].x), cases[i].bfloat);
    }
    ck_assert(isnan(clattn_half_to_float(clattn_double_to_half(NAN))));
    ck_assert(isnan(clattn_bfloat_to_float(clattn_double_to_bfloat(NAN))));
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const float half = clattn_half_to_float((uint16_t)bits);
        const float bfloat = clattn_bfloat_to_float((uint16_t)bits);
        must(isnan(half) || clattn_double_to_half((double)half) == bits, "f16 %x", bits);
        must(isnan(bfloat) || clattn_double_to_bfloat((double)bfloat) == bits, "bf16 %x", bits);
    }
}
END_TEST

START_TEST(a_shape_as_text)
{
    char text[CLATTN_SHAPE_BYTES];
    static const int64_t widest[] = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX,
                                     INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    ck_assert_str_eq(clattn_shape_text(2, shape, text), "[2, 3]");
    ck_assert_str_eq(clattn_shape_text(0, NULL, text), "[]");
    ck_assert_uint_eq(strlen(clattn_shape_text(8, widest, text)), 8 * 19 + 7 * 2 + 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("array");
    TCase *tests = suite_group(suite, "arrays", fixture_open_directory, fixture_close_directory);
    tcase_add_loop_test(tests, numbers_of_every_type_stay_through_a_file, 0,
                        sizeof types / sizeof *types);
    tcase_add_test(tests, what_cannot_be_an_array_is_refused);
    tcase_add_test(tests, an_array_may_have_no_elements_and_no_axes);
    tcase_add_test(tests, sixteen_bits_are_rounded_to_nearest_and_ties_to_even);
    tcase_add_test(tests, a_shape_as_text);
    return suite_run(suite);
}
