/* sha256.c against FIPS 180-4's examples and Python's hashlib. */
#include "support/fixture.h"

#include "runtime/sha256.h"

static void assert_hash(const void *data, size_t bytes, const char *expected)
{
    char hex[65];
    clattn__sha256 hash;
    clattn__sha256_init(&hash);
    clattn__sha256_add(&hash, data, bytes);
    clattn__sha256_hex(&hash, hex);
    ck_assert_str_eq(hex, expected);
}

START_TEST(the_examples_of_the_standard)
{
    static const struct {
        const char *text, *hash;
    } examples[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
         "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        assert_hash(examples[i].text, strlen(examples[i].text), examples[i].hash);
    }
}
END_TEST

START_TEST(a_million_letters_in_pieces_of_every_size)
{
    char piece[1000], hex[65];
    memset(piece, 'a', sizeof piece);
    clattn__sha256 hash;
    clattn__sha256_init(&hash);
    size_t left = 1000000;
    for (size_t size = 1; left > 0; size = size % sizeof piece + 1) {
        const size_t take = size < left ? size : left;
        clattn__sha256_add(&hash, piece, take);
        left -= take;
    }
    clattn__sha256_hex(&hash, hex);
    ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

static void make_bytes(unsigned char bytes[131])
{
    for (int i = 0; i < 131; i++) {
        bytes[i] = (unsigned char)(i * 7 + 3);
    }
}

/* python3: d = bytes((i * 7 + 3) % 256 for i in range(131)); sha256(d[:n]).hexdigest() */
START_TEST(lengths_around_the_padding)
{
    static const struct {
        size_t length;
        const char *hash;
    } cases[] = {
        {55, "e7313d333c272e639f790978283f9eb392e843d0f29b7016828bb1daa4aac70b"},
        {56, "4324d65f3c103567f5589c710bc08f8523f929a9272e3af36fc968e52abc6c27"},
        {63, "81c80242132f230c3bd41b3e63bbcff16107339549214a99614ff26664625055"},
        {64, "39e3d7b6b5d075d37d053ad89b24b41bef4f3c29760c84447cab3f3be1882241"},
        {65, "aacca6ff74fdbb296d165a45cecfa04e5127bc008770fbbdd48006f2d2fae95e"},
        {119, "9ce7368e4daf32341631b492e80359dc9f594b48453cd0dd5bf0b19279cc177e"},
        {120, "7836b787757e95e58b3ca5aec90b1b004e8deba1e50e9675af9cabf1a13a04b5"},
        {128, "d2742f1f4ac6bb7ca2b239ee18402ba8b3f9f8e652d2a72973c2b9ba11c08cf6"},
        {130, "4d5e47a2e8510a314576c238f6ff19d389d3ef3aaaca8b2e530263a5d15741da"},
    };
    unsigned char bytes[131];
    make_bytes(bytes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_hash(bytes, cases[i].length, cases[i].hash);
    }
}
END_TEST

/* python3: sha256("".join(sha256(d[:n]).hexdigest() for n in range(131)).encode()).hexdigest() */
START_TEST(every_length_from_0_to_130)
{
    unsigned char bytes[131];
    char all[131 * 64 + 1];
    make_bytes(bytes);
    for (size_t n = 0; n <= 130; n++) {
        clattn__sha256 hash;
        clattn__sha256_init(&hash);
        clattn__sha256_add(&hash, bytes, n);
        clattn__sha256_hex(&hash, all + 64 * n);
    }
    assert_hash(all, strlen(all),
                "d2742658eeae2e342e618f39ae52ef451168b58f37f0932d49a52eda7f546706");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sha256");
    TCase *tests = suite_group(suite, "sha256", NULL, NULL);
    tcase_add_test(tests, the_examples_of_the_standard);
    tcase_add_test(tests, a_million_letters_in_pieces_of_every_size);
    tcase_add_test(tests, lengths_around_the_padding);
    tcase_add_test(tests, every_length_from_0_to_130);
    return suite_run(suite);
}
