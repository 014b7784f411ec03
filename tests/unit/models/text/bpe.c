/* src/models/text/bpe_vocabulary.c, bpe_encode.c: bytes are joined as the merges say, and every
 * text comes back. */
#include <clattn/models/tokenizer.h> /* before Check, whose fail() is a macro */

#include "support/fixture.h"
#include "support/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>

static vocabulary v;
static built b;
static clattn_gguf *file;
static clattn_tokenizer *tokenizer;
static clattn_ids list;

static void open_vocabulary(void)
{
    vocabulary_build(&v, &b);
    ck_assert_msg(clattn_gguf_parse(b.data, b.bytes, &file) == CLATTN_OK, "%s", clattn_error());
    ck_assert_msg(clattn_tokenizer_create(file, &tokenizer) == CLATTN_OK, "%s", clattn_error());
}

static void close_vocabulary(void)
{
    clattn_ids_free(&list);
    clattn_tokenizer_destroy(tokenizer);
    clattn_gguf_close(file);
}

static void setup(void) { vocabulary_make(&v); }

/* The ids as text, "97 256". */
static void assert_ids_of(const char *text, size_t bytes, unsigned flags, const char *expected)
{
    char told[512] = "";
    size_t used = 0, lost = 0;
    list.count = 0;
    ck_assert_msg(clattn_tokenizer_encode(tokenizer, text, bytes, flags, &list, &lost) == CLATTN_OK,
                  "%s", clattn_error());
    ck_assert_uint_eq(lost, 0);
    for (size_t i = 0; i < list.count; i++) {
        used +=
            (size_t)snprintf(told + used, sizeof told - used, "%s%d", i ? " " : "", list.items[i]);
    }
    ck_assert_msg(!strcmp(told, expected), "\"%s\": %s, expected %s", text, told, expected);
}

static void assert_ids(const char *text, unsigned flags, const char *expected)
{
    assert_ids_of(text, strlen(text), flags, expected);
}

/* ---- Merges ------------------------------------------------------------------------------- */

START_TEST(the_lowest_rank_is_joined_first_and_of_these_the_leftmost)
{
    open_vocabulary();
    assert_ids("ab", 0, "256");
    assert_ids("abc", 0, "97 257"); /* bc before ab; nothing joins a and bc */
    assert_ids("abab", 0, "256 256");
    assert_ids("bcbc", 0, "257 257");
    assert_ids("aab", 0, "97 256");
    assert_ids(" ab", 0, "32 256"); /* "ab" before " a" */
    assert_ids(" aa", 0, "259 97");
    assert_ids("", 0, "");
    close_vocabulary();
    v.merges[0] = "a a", v.merges[1] = "aa b", v.tokens[ID_BC] = "aa", v.tokens[ID_ABC] = "aab";
    v.merge_count = 2;
    open_vocabulary();
    assert_ids("aaa", 0, "257 97");
    assert_ids("aaab", 0, "257 97 98"); /* not a aab */
    close_vocabulary();
}
END_TEST

START_TEST(what_a_merge_gives_can_be_joined_again)
{
    v.merges[0] = "a b", v.merges[1] = "ab c", v.merges[2] = "b c";
    open_vocabulary();
    assert_ids("abcab", 0, "258 256");
    assert_ids("xbcabcx", 0, "120 257 258 120");
    close_vocabulary();
    v.merges[0] = "b c", v.merges[1] = "a bc", v.merges[2] = "a b";
    open_vocabulary();
    assert_ids("abcab", 0, "258 256");
    close_vocabulary();
}
END_TEST

START_TEST(a_symbol_behind_a_joined_one_has_that_before_it)
{
    v.merges[0] = "a b", v.merges[1] = "c d", v.merges[2] = "ab cd";
    v.tokens[ID_BC] = "cd", v.tokens[ID_ABC] = "abcd";
    open_vocabulary();
    assert_ids("abcd", 0, "258");
    assert_ids("abcdabcd", 0, "258 258");
    close_vocabulary();
}
END_TEST

START_TEST(every_pair_of_a_long_piece_may_be_one_that_joins)
{
    enum { BYTES = 300 };
    char text[BYTES];
    size_t lost = 0;
    v.merges[0] = "a a", v.tokens[ID_BC] = "aa", v.merge_count = 1;
    open_vocabulary();
    memset(text, 'a', sizeof text);
    assert_ok(clattn_tokenizer_encode(tokenizer, text, sizeof text, 0, &list, &lost));
    ck_assert_uint_eq(list.count, BYTES / 2);
    close_vocabulary();
}
END_TEST

START_TEST(nothing_is_joined_across_pieces)
{
    v.merges[0] = "1 2", v.tokens[ID_BC] = "12";
    open_vocabulary();
    assert_ids("12", 0, "49 50"); /* smollm cuts digits apart */
    close_vocabulary();
    v.pre = "gpt-2";
    open_vocabulary();
    assert_ids("12", 0, "257");
    close_vocabulary();
}
END_TEST

START_TEST(a_piece_that_is_a_token_is_taken_whole_where_merges_are_ignored)
{
    v.merge_count = 1; /* bc alone */
    open_vocabulary();
    assert_ids("abc ab", 0, "97 257 32 97 98");
    close_vocabulary();
    v.pre = "llama-bpe", v.add_bos = 0;
    open_vocabulary();
    assert_ids("abc ab", 0, "258 32 97 98");
    assert_ids("\xe6\x97\xa5", 0, "230 151 165"); /* not the token that is written so */
    close_vocabulary();
}
END_TEST

START_TEST(a_megabyte_in_one_piece_is_no_trouble)
{
    enum { BYTES = 1 << 20 };
    char *text = malloc(BYTES);
    size_t lost = 0;
    open_vocabulary();
    for (int i = 0; i < BYTES; i++) {
        text[i] = (char)('a' + i % 2);
    }
    ck_assert(clattn_tokenizer_encode(tokenizer, text, BYTES, 0, &list, &lost) == CLATTN_OK);
    ck_assert_uint_eq(list.count, BYTES / 2);
    for (size_t i = 0; i < list.count; i++) {
        must(list.items[i] == ID_AB, "token %zu is %d", i, list.items[i]);
    }
    free(text);
    close_vocabulary();
}
END_TEST

/* ---- Special tokens -------------------------------------------------------------------------- */

START_TEST(names_of_control_tokens_are_text_unless_asked_for)
{
    open_vocabulary();
    assert_ids("a<|im_end|>b", CLATTN_ENCODE_SPECIAL, "97 261 98");
    assert_ids("<|im_end|", 0, "60 124 105 109 95 101 110 100 124");
    assert_ids("<|im_end|>", 0, "60 124 105 109 95 101 110 100 124 62");
    assert_ids("[unused]", CLATTN_ENCODE_SPECIAL, "91 117 110 117 115 101 100 93");
    close_vocabulary();
}
END_TEST

START_TEST(user_defined_tokens_are_always_found)
{
    open_vocabulary();
    assert_ids("a<<user>>", 0, "97 263");
    assert_ids("a<<user>>", CLATTN_ENCODE_SPECIAL, "97 263");
    close_vocabulary();
    v.tokens[ID_USER] = "<\xc3\xa9>"; /* as it is written, no bytes as characters */
    open_vocabulary();
    assert_ids("<\xc3\xa9>", 0, "263");
    ck_assert_uint_eq(clattn_tokenizer_piece(tokenizer, ID_USER).length, 4);
    close_vocabulary();
}
END_TEST

START_TEST(of_those_that_begin_in_one_place_the_longest_is_found)
{
    open_vocabulary();
    assert_ids("<|im_start|><|im<|im_st", CLATTN_ENCODE_SPECIAL, "260 262 262 95 115 116");
    assert_ids("<<|im_end|>", CLATTN_ENCODE_SPECIAL, "60 261");
    close_vocabulary();
}
END_TEST

START_TEST(a_special_token_ends_a_piece)
{
    open_vocabulary();
    assert_ids("a<|im_end|>b  <|im_end|>", CLATTN_ENCODE_SPECIAL, "97 261 98 32 32 261");
    assert_ids("a  b", CLATTN_ENCODE_SPECIAL, "97 32 32 98");
    assert_ids("a b", CLATTN_ENCODE_SPECIAL, "97 32 98");
    close_vocabulary();
}
END_TEST

START_TEST(a_whole_text_has_what_the_file_says_around_it)
{
    v.bos = ID_START, v.eos = ID_END;
    open_vocabulary();
    assert_ids("ab", CLATTN_ENCODE_WHOLE, "256");
    close_vocabulary();
    v.add_bos = 1;
    open_vocabulary();
    assert_ids("ab", CLATTN_ENCODE_WHOLE, "260 256");
    assert_ids("ab", 0, "256");
    close_vocabulary();
    v.add_bos = 0, v.add_eos = 1;
    open_vocabulary();
    assert_ids("", CLATTN_ENCODE_WHOLE, "261");
    close_vocabulary();
    v.add_bos = v.add_eos = -1, v.pre = "llama3"; /* which has one unless the file says no */
    open_vocabulary();
    assert_ids("ab", CLATTN_ENCODE_WHOLE, "260 256");
    close_vocabulary();
}
END_TEST

START_TEST(tokens_are_told_apart)
{
    v.eos = ID_UNUSED;
    open_vocabulary();
    ck_assert_int_eq(clattn_tokenizer_count(tokenizer), VOCABULARY);
    ck_assert_int_eq(clattn_tokenizer_find(tokenizer, "<|im_end|>"), ID_END);
    ck_assert_int_eq(clattn_tokenizer_find(tokenizer, "<<user>>"), ID_USER);
    ck_assert_int_eq(clattn_tokenizer_find(tokenizer, "ab"), -1);
    ck_assert(clattn_tokenizer_is_control(tokenizer, ID_END) &&
              !clattn_tokenizer_is_control(tokenizer, ID_USER));
    ck_assert(!clattn_tokenizer_is_control(tokenizer, ID_AB));
    ck_assert(clattn_tokenizer_ends(tokenizer, ID_UNUSED) &&
              clattn_tokenizer_ends(tokenizer, ID_END));
    ck_assert(!clattn_tokenizer_ends(tokenizer, ID_START) &&
              !clattn_tokenizer_ends(tokenizer, ID_AB));
    close_vocabulary();
}
END_TEST

/* ---- There and back -----------------------------------------------------------------------------
 */

static void assert_comes_back(const char *text, size_t bytes, unsigned flags)
{
    size_t lost = 0, at = 0;
    list.count = 0;
    ck_assert(clattn_tokenizer_encode(tokenizer, text, bytes, flags, &list, &lost) == CLATTN_OK);
    ck_assert_uint_eq(lost, 0);
    for (size_t i = 0; i < list.count; i++) {
        const clattn_text piece = clattn_tokenizer_piece(tokenizer, list.items[i]);
        ck_assert(piece.length <= bytes - at && !memcmp(piece.bytes, text + at, piece.length));
        at += piece.length;
    }
    ck_assert_uint_eq(at, bytes);
}

START_TEST(any_bytes_come_back)
{
    static const char *const families[] = {"smollm", "gpt-2", "llama-bpe", "qwen2"};
    static char bytes[1 << 16];
    v.bos = ID_START;
    for (size_t family = 0; family < sizeof families / sizeof *families; family++) {
        uint32_t state = 1;
        v.pre = families[family];
        open_vocabulary();
        for (size_t i = 0; i < sizeof bytes; i++) {
            state = state * 1664525 + 1013904223;
            bytes[i] = i < 256 ? (char)i
                       : i % 2 ? (char)(state >> 24)
                               : "abc <|'\n12 ab>c!"[state >> 28];
        }
        assert_comes_back(bytes, sizeof bytes, 0);
        assert_comes_back(bytes, sizeof bytes, CLATTN_ENCODE_SPECIAL);
        close_vocabulary();
    }
}
END_TEST

START_TEST(bytes_without_a_token_are_left_out_and_counted)
{
    size_t lost = 5;
    v.tokens['x'] = "[gone]";
    open_vocabulary();
    ck_assert(clattn_tokenizer_encode(tokenizer, "axbxx c", 7, 0, &list, &lost) == CLATTN_OK);
    ck_assert_uint_eq(lost, 5 + 3);
    ck_assert_uint_eq(list.count, 4);
    ck_assert_int_eq(list.items[1], 'b'); /* not ab: they were no neighbours */
    close_vocabulary();
}
END_TEST

/* ---- Files
 * ------------------------------------------------------------------------------------------ */

static void assert_refused_vocabulary(const char *words)
{
    vocabulary_build(&v, &b);
    ck_assert_msg(clattn_gguf_parse(b.data, b.bytes, &file) == CLATTN_OK, "%s", clattn_error());
    ck_assert(clattn_tokenizer_create(file, &tokenizer) != CLATTN_OK && !tokenizer);
    assert_contains(clattn_error(), words);
    clattn_gguf_close(file);
    vocabulary_make(&v);
}

START_TEST(a_broken_vocabulary_is_refused_by_its_key)
{
    v.model = "llama";
    assert_refused_vocabulary("tokenizer.ggml.model 'llama' is not supported");
    v.model = NULL;
    assert_refused_vocabulary("'tokenizer.ggml.model' is missing");
    v.pre = NULL;
    assert_refused_vocabulary("'tokenizer.ggml.pre' is missing");
    v.pre = "tekken";
    assert_refused_vocabulary("tokenizer.ggml.pre 'tekken' is not supported (gpt-2, smollm");
    v.token_count = 0;
    assert_refused_vocabulary("'tokenizer.ggml.tokens' has 0 elements");
    v.kind_count--;
    assert_refused_vocabulary("'tokenizer.ggml.token_type' has 265 elements for 266 tokens");
    v.merges[1] = "ab";
    assert_refused_vocabulary("merges: 1, 'ab', is no pair of tokens");
    v.merges[2] = "ab zz";
    assert_refused_vocabulary("merges: 2, 'ab zz', is not of tokens");
    v.merges[0] = "a c";
    assert_refused_vocabulary("merges: 0, 'a c', is not of tokens");
    v.merges[0] = " a";
    assert_refused_vocabulary("merges: 0, ' a', is no pair");
    v.eos = VOCABULARY;
    assert_refused_vocabulary("'tokenizer.ggml.eos_token_id' is 266, must be 0 to 265");
    v.add_bos = 1;
    assert_refused_vocabulary("'tokenizer.ggml.bos_token_id' is missing");
    v.pre = "llama-bpe";
    assert_refused_vocabulary("'tokenizer.ggml.bos_token_id' is missing");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bpe");
    TCase *merges = suite_group(suite, "merges", setup, NULL);
    tcase_add_test(merges, the_lowest_rank_is_joined_first_and_of_these_the_leftmost);
    tcase_add_test(merges, what_a_merge_gives_can_be_joined_again);
    tcase_add_test(merges, a_symbol_behind_a_joined_one_has_that_before_it);
    tcase_add_test(merges, every_pair_of_a_long_piece_may_be_one_that_joins);
    tcase_add_test(merges, nothing_is_joined_across_pieces);
    tcase_add_test(merges, a_piece_that_is_a_token_is_taken_whole_where_merges_are_ignored);
    tcase_add_test(merges, a_megabyte_in_one_piece_is_no_trouble);
    TCase *special = suite_group(suite, "special tokens", setup, NULL);
    tcase_add_test(special, names_of_control_tokens_are_text_unless_asked_for);
    tcase_add_test(special, user_defined_tokens_are_always_found);
    tcase_add_test(special, of_those_that_begin_in_one_place_the_longest_is_found);
    tcase_add_test(special, a_special_token_ends_a_piece);
    tcase_add_test(special, a_whole_text_has_what_the_file_says_around_it);
    tcase_add_test(special, tokens_are_told_apart);
    TCase *back = suite_group(suite, "there and back", setup, NULL);
    tcase_add_test(back, any_bytes_come_back);
    tcase_add_test(back, bytes_without_a_token_are_left_out_and_counted);
    TCase *files = suite_group(suite, "files", setup, NULL);
    tcase_add_test(files, a_broken_vocabulary_is_refused_by_its_key);
    return suite_run(suite);
}
