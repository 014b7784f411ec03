/* src/models/files/gguf_values.c: values are found by their keys, and no broken one gets through.
 */
#include "parsed.h"

static void build_every_value(void)
{
    const float third = 1.0f / 3;
    const double fifth = 0.2;
    build_header(&b, 0, 13);
    build_key(&b, "u8", U8), build_number(&b, 200, 1);
    build_key(&b, "i8", I8), build_number(&b, (uint64_t)-100, 1);
    build_key(&b, "u16", U16), build_number(&b, 60000, 2);
    build_key(&b, "i16", I16), build_number(&b, (uint64_t)-30000, 2);
    build_integer(&b, "u32", 4000000000u);
    build_key(&b, "i32", I32), build_number(&b, (uint64_t)-2000000000, 4);
    build_key(&b, "u64", U64), build_number(&b, UINT64_MAX, 8);
    build_key(&b, "i64", I64), build_number(&b, (uint64_t)INT64_MIN, 8);
    build_key(&b, "f32", F32), build_bytes(&b, &third, 4);
    build_key(&b, "f64", F64), build_bytes(&b, &fifth, 8);
    build_bool(&b, "yes", 1);
    build_bool(&b, "no", 0);
    build_text(&b, "text", "some\ntext");
}

START_TEST(values_of_every_type_are_found_by_key)
{
    static const struct {
        const char *key;
        int64_t value;
    } integers[] = {{"u8", 200},        {"i8", -100},        {"u16", 60000},
                    {"i16", -30000},    {"u32", 4000000000}, {"i32", -2000000000},
                    {"u64", INT64_MAX}, {"i64", INT64_MIN}};
    build_every_value();
    parse();
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        int64_t value = 0;
        ck_assert_msg(clattn_gguf_integer(file, integers[i].key, INT64_MIN, INT64_MAX, &value) ==
                          CLATTN_OK,
                      "%s", clattn_error());
        ck_assert_int_eq(value, integers[i].value);
    }
    double number;
    bool truth;
    clattn_text text;
    ck_assert(clattn_gguf_float(file, "f32", &number) == CLATTN_OK && number == 1.0f / 3);
    ck_assert(clattn_gguf_float(file, "f64", &number) == CLATTN_OK && number == 0.2);
    ck_assert(clattn_gguf_bool(file, "yes", &truth) == CLATTN_OK && truth);
    ck_assert(clattn_gguf_bool(file, "no", &truth) == CLATTN_OK && !truth);
    ck_assert(clattn_gguf_string(file, "text", &text) == CLATTN_OK);
    ck_assert_uint_eq(text.length, 9);
    ck_assert(!memcmp(text.bytes, "some\ntext", 9));
    ck_assert(clattn_gguf_has(file, "no") && !clattn_gguf_has(file, "n") &&
              !clattn_gguf_has(file, ""));
    close_file();
}
END_TEST

START_TEST(arrays_are_walked_in_their_order)
{
    static const char *const words[] = {"a", "", "three words here"};
    static const int32_t numbers[] = {1, -2, 3};
    const float halves[] = {0.5f, -1.5f};
    clattn_gguf_array array;
    build_header(&b, 0, 5);
    build_texts(&b, "words", words, 3);
    build_integers(&b, "numbers", numbers, 3);
    build_array(&b, "halves", F32, 2), build_bytes(&b, halves, sizeof halves);
    build_array(&b, "truths", BOOL, 2), build_number(&b, 0x0001, 2);
    build_texts(&b, "none", NULL, 0);
    parse();
    ck_assert(clattn_gguf_array_of(file, "words", CLATTN_GGUF_STRINGS, &array) == CLATTN_OK);
    for (int i = 0; i < 3; i++) {
        const clattn_text text = clattn_gguf_next_string(&array);
        ck_assert_uint_eq(text.length, strlen(words[i]));
        ck_assert(!memcmp(text.bytes, words[i], text.length));
    }
    ck_assert_uint_eq(array.left, 0);
    ck_assert(clattn_gguf_array_of(file, "numbers", CLATTN_GGUF_INTEGERS, &array) == CLATTN_OK);
    ck_assert_int_eq(clattn_gguf_next_integer(&array), 1);
    ck_assert_int_eq(clattn_gguf_next_integer(&array), -2);
    ck_assert_uint_eq(array.left, 1);
    ck_assert(clattn_gguf_array_of(file, "halves", CLATTN_GGUF_FLOATS, &array) == CLATTN_OK);
    ck_assert(clattn_gguf_next_float(&array) == 0.5 && clattn_gguf_next_float(&array) == -1.5);
    ck_assert(clattn_gguf_array_of(file, "truths", CLATTN_GGUF_BOOLS, &array) == CLATTN_OK);
    ck_assert(clattn_gguf_next_bool(&array) && !clattn_gguf_next_bool(&array));
    ck_assert(clattn_gguf_array_of(file, "none", CLATTN_GGUF_STRINGS, &array) == CLATTN_OK);
    ck_assert_uint_eq(array.left, 0);
    close_file();
}
END_TEST

START_TEST(an_array_gives_nothing_behind_its_end_or_of_another_kind)
{
    static const char *const words[] = {"word"};
    clattn_gguf_array array;
    build_header(&b, 0, 1);
    build_texts(&b, "words", words, 1);
    parse();
    assert_ok(clattn_gguf_array_of(file, "words", CLATTN_GGUF_STRINGS, &array));
    ck_assert_int_eq(clattn_gguf_next_integer(&array), 0);
    ck_assert(clattn_gguf_next_float(&array) == 0 && !clattn_gguf_next_bool(&array));
    ck_assert_uint_eq(array.left, 1);
    ck_assert_uint_eq(clattn_gguf_next_string(&array).length, 4);
    ck_assert_uint_eq(clattn_gguf_next_string(&array).length, 0);
    ck_assert_uint_eq(array.left, 0);
    assert_refused(clattn_gguf_array_of(file, "words", (clattn_gguf_kind)4, &array), "kind is 4");
    ck_assert_ptr_null(clattn_gguf_tensor_at(file, 0));
    close_file();
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    clattn_gguf *none = NULL;
    assert_refused(clattn_gguf_open(NULL, &none), "gguf: path is NULL");
    assert_refused(clattn_gguf_open("a", NULL), "gguf: out is NULL");
    assert_refused(clattn_gguf_parse(NULL, 1, &none), "gguf: data is NULL");
    assert_refused(clattn_gguf_parse("a", 1, NULL), "gguf: out is NULL");
    ck_assert_ptr_null(none);
    clattn_gguf_close(NULL);
}
END_TEST

START_TEST(what_is_not_as_asked_is_refused_by_its_key)
{
    int64_t integer = 7;
    double number;
    bool truth;
    clattn_text text;
    clattn_gguf_array array;
    build_every_value();
    parse();
    ck_assert(clattn_gguf_integer(file, "nothing", 0, 9, &integer) != CLATTN_OK);
    assert_contains(clattn_error(), "'nothing' is missing");
    ck_assert(clattn_gguf_integer(file, "u8", 0, 199, &integer) != CLATTN_OK);
    assert_contains(clattn_error(), "'u8' is 200, must be 0 to 199");
    ck_assert(clattn_gguf_integer(file, "f32", 0, 9, &integer) != CLATTN_OK);
    assert_contains(clattn_error(), "'f32' is no whole number");
    ck_assert(clattn_gguf_integer(file, "yes", 0, 9, &integer) != CLATTN_OK);
    ck_assert_int_eq(integer, 7);
    ck_assert(clattn_gguf_float(file, "u8", &number) != CLATTN_OK);
    assert_contains(clattn_error(), "'u8' is no float");
    ck_assert(clattn_gguf_bool(file, "u8", &truth) != CLATTN_OK);
    assert_contains(clattn_error(), "'u8' is no truth value");
    ck_assert(clattn_gguf_string(file, "u8", &text) != CLATTN_OK);
    assert_contains(clattn_error(), "'u8' is no string");
    ck_assert(clattn_gguf_array_of(file, "text", CLATTN_GGUF_STRINGS, &array) != CLATTN_OK);
    assert_contains(clattn_error(), "'text' is no array");
    close_file();
    static const int32_t numbers[] = {1};
    build_header(&b, 0, 1);
    build_integers(&b, "numbers", numbers, 1);
    parse();
    ck_assert(clattn_gguf_array_of(file, "numbers", CLATTN_GGUF_STRINGS, &array) != CLATTN_OK);
    assert_contains(clattn_error(), "'numbers' is no array of strings");
    close_file();
}
END_TEST

START_TEST(broken_metadata_is_refused)
{
    static const char *const one[] = {"x"};
    build_header(&b, 0, UINT64_MAX);
    assert_broken("18446744073709551615 entries of metadata");
    build_header(&b, 0, 2);
    build_integer(&b, "same", 1), build_text(&b, "same", "x");
    assert_broken("'same' is there twice");
    build_header(&b, 0, 1);
    build_key(&b, "odd", 13), build_number(&b, 0, 8);
    assert_broken("'odd' is of type 13");
    build_header(&b, 0, 1);
    build_array(&b, "nested", ARRAY, 1), build_number(&b, 0, 8);
    assert_broken("'nested' is an array of type 9");
    build_header(&b, 0, 1);
    build_array(&b, "many", F64, UINT64_MAX / 8 + 2), build_number(&b, 0, 8);
    assert_broken("'many' has 2305843009213693953 elements, 8 bytes are left");
    build_header(&b, 0, 1);
    build_array(&b, "many", STRING, 1000);
    assert_broken("'many' has 1000 elements, 0 bytes are left");
    build_header(&b, 0, 1);
    build_key(&b, "long", STRING), build_number(&b, UINT64_MAX, 8);
    assert_broken("truncated within 'long'");
    build_header(&b, 0, 1);
    build_texts(&b, "texts", one, 1);
    b.data[b.bytes - 9] = 2;
    assert_broken("truncated within the strings of 'texts'");
    build_header(&b, 0, 1);
    build_number(&b, 1000, 8);
    assert_broken("the key of metadata entry 0");
    build_header(&b, 0, 1);
    build_integer(&b, "general.alignment", 0);
    assert_broken("'general.alignment' is 0");
    build_header(&b, 0, 1);
    build_integer(&b, "general.alignment", 24);
    assert_broken("'general.alignment' is 24, no power of two");
    build_header(&b, 0, 1);
    build_text(&b, "general.alignment", "32");
    assert_broken("'general.alignment' is no whole number");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gguf_metadata");
    TCase *metadata = suite_group(suite, "metadata", NULL, NULL);
    tcase_add_test(metadata, values_of_every_type_are_found_by_key);
    tcase_add_test(metadata, arrays_are_walked_in_their_order);
    tcase_add_test(metadata, an_array_gives_nothing_behind_its_end_or_of_another_kind);
    tcase_add_test(metadata, what_is_missing_is_named);
    tcase_add_test(metadata, what_is_not_as_asked_is_refused_by_its_key);
    tcase_add_test(metadata, broken_metadata_is_refused);
    return suite_run(suite);
}
