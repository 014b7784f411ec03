/* src/models/common/lookup.c: strings of bytes are told apart by all of them. */
#include "models/common/lookup.h"

#include "support/fixture.h"

static struct clattn__lookup table;

static void setup(void) { ck_assert(clattn__lookup_make(&table, 4)); }
static void teardown(void) { clattn__lookup_free(&table); }

static int32_t find(const char *key) { return clattn__lookup_find(&table, key, strlen(key)); }
static bool add(const char *key, int32_t value)
{
    return clattn__lookup_add(&table, key, strlen(key), value);
}

START_TEST(a_key_has_the_value_it_was_given_first)
{
    ck_assert(add("one", 1) && add("two", 2) && add("", 3));
    ck_assert(!add("one", 4));
    ck_assert(find("one") == 1 && find("two") == 2 && find("") == 3);
    ck_assert(find("on") == -1 && find("ones") == -1);
}
END_TEST

/* Both are 0xe20e47d2 to FNV-1a. */
START_TEST(keys_of_one_hash_and_length_are_two)
{
    ck_assert(add("declinate", 1));
    ck_assert_int_eq(find("macallums"), -1);
    ck_assert(add("macallums", 2));
    ck_assert(find("declinate") == 1 && find("macallums") == 2);
}
END_TEST

START_TEST(as_many_keys_as_there_is_room_for_are_found)
{
    const char *const keys[4] = {"a", "b", "c", "d"};
    for (int32_t i = 0; i < 4; i++) {
        ck_assert(add(keys[i], i));
    }
    for (int32_t i = 0; i < 4; i++) {
        ck_assert_int_eq(find(keys[i]), i);
    }
    ck_assert_int_eq(find("e"), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lookup");
    TCase *keys = suite_group(suite, "keys", setup, teardown);
    tcase_add_test(keys, a_key_has_the_value_it_was_given_first);
    tcase_add_test(keys, keys_of_one_hash_and_length_are_two);
    tcase_add_test(keys, as_many_keys_as_there_is_room_for_are_found);
    return suite_run(suite);
}
