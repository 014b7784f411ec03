/* The types of numbers by themselves: names, sizes, and the bytes of a row. */
#include "support/fixture.h"

enum { NO_TYPE = 1000 };

START_TEST(each_type_has_a_size_and_a_name)
{
    ck_assert_uint_eq(clattn_type_size(CLATTN_F32), 4);
    ck_assert_uint_eq(clattn_type_size(CLATTN_F16), 2);
    ck_assert_uint_eq(clattn_type_size(CLATTN_BF16), 2);
    ck_assert_uint_eq(clattn_type_size(CLATTN_I32), 4);
    ck_assert_uint_eq(clattn_type_size(CLATTN_U8), 1);
    ck_assert_uint_eq(clattn_type_size(CLATTN_I8), 1);
    ck_assert_uint_eq(clattn_type_size(CLATTN_Q8_0), 0); /* an element has none of its own */
    ck_assert_uint_eq(clattn_type_size((clattn_type)NO_TYPE), 0);
    ck_assert_uint_eq(clattn_type_size((clattn_type)-1), 0);
    ck_assert_str_eq(clattn_type_name(CLATTN_F32), "f32");
    ck_assert_str_eq(clattn_type_name(CLATTN_BF16), "bf16");
    ck_assert_str_eq(clattn_type_name(CLATTN_Q4_K), "q4_k");
    ck_assert_ptr_nonnull(clattn_type_name((clattn_type)NO_TYPE));
    ck_assert_str_eq(clattn_type_name((clattn_type)(CLATTN_Q6_K + 1)), "unknown type");
}
END_TEST

START_TEST(a_row_has_bytes_where_it_is_whole_blocks)
{
    static const struct {
        clattn_type type;
        int block;
        size_t bytes; /* of 512 columns */
    } rows[] = {{CLATTN_F32, 1, 2048},   {CLATTN_BF16, 1, 1024}, {CLATTN_I8, 1, 512},
                {CLATTN_Q8_0, 32, 544},  {CLATTN_Q4_0, 32, 288}, {CLATTN_Q4_1, 32, 320},
                {CLATTN_Q4_K, 256, 288}, {CLATTN_Q6_K, 256, 420}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int block = rows[i].block;
        ck_assert_int_eq(clattn_type_block(rows[i].type), block);
        ck_assert_uint_eq(clattn_row_bytes(rows[i].type, 512), rows[i].bytes);
        ck_assert_uint_eq(clattn_row_bytes(rows[i].type, block), rows[i].bytes * block / 512);
        ck_assert_uint_eq(clattn_row_bytes(rows[i].type, 0), 0);
        ck_assert_uint_eq(clattn_row_bytes(rows[i].type, -block), 0);
        ck_assert(block == 1 || clattn_row_bytes(rows[i].type, block / 2) == 0);
    }
    ck_assert_uint_eq(clattn_row_bytes((clattn_type)NO_TYPE, 512), 0);
    ck_assert_uint_eq(clattn_row_bytes(CLATTN_F32, INT64_MAX), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("type");
    TCase *tests = suite_group(suite, "type", NULL, NULL);
    tcase_add_test(tests, each_type_has_a_size_and_a_name);
    tcase_add_test(tests, a_row_has_bytes_where_it_is_whole_blocks);
    return suite_run_on_device(suite);
}
