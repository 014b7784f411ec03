/* src/models/text/wordpiece.c, normalize.c: texts become pieces as BERT's do. */
#include "models/text/wordpiece.h" /* before Check, whose fail() is a macro */

#include "support/fixture.h"

#include <stdio.h>
#include <stdlib.h>

/* Among them a Chinese character, alone and within a word, an e with an accent, and the two parts
 * of a Korean syllable. */
static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"           /* 0 */
                                 "un\n##aff\n##able\nunaff\na\n"                  /* 5 */
                                 "##a\ne\n##e\n!\n,\n"                            /* 10 */
                                 "\xe6\x97\xa5\n##\xe6\x97\xa5\n$\nb\n##b\n"      /* 15 */
                                 "A\n\xc3\xa9\n\xe1\x84\x80\n##\xe1\x85\xa1\n[\n" /* 20 */
                                 "]\nsep\n\xe2\x82\xac";                          /* 25 */

static clattn__wordpiece *tokenizer;
static clattn_ids list;

static bool create(const char *text, bool cased)
{
    const size_t bytes = strlen(text);
    char *copy = malloc(bytes + 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, bytes);
    return clattn__wordpiece_create(copy, bytes, cased, &tokenizer) == CLATTN_OK;
}

static void setup(void) { ck_assert_msg(create(vocabulary, false), "%s", clattn_error()); }

static void teardown(void)
{
    clattn_ids_free(&list);
    clattn__wordpiece_destroy(tokenizer);
    tokenizer = NULL;
}

static void assert_short(const char *text, size_t most, const char *expected)
{
    char told[1024] = "";
    size_t used = 0;
    list.count = 0;
    ck_assert_msg(clattn__wordpiece_encode(tokenizer, text, strlen(text), most, &list) == CLATTN_OK,
                  "%s", clattn_error());
    for (size_t i = 0; i < list.count; i++) {
        used +=
            (size_t)snprintf(told + used, sizeof told - used, "%s%d", i ? " " : "", list.items[i]);
    }
    ck_assert_msg(!strcmp(told, expected), "\"%s\": %s, expected %s", text, told, expected);
}

static void assert_ids(const char *text, const char *expected)
{
    assert_short(text, SIZE_MAX, expected);
}

/* ---- Pieces ----------------------------------------------------------------------------- */

START_TEST(the_longest_piece_is_taken_first)
{
    assert_ids("unaffable", "2 8 7 3");
    assert_ids("un unaff", "2 5 8 3");
    assert_ids("unun", "2 1 3"); /* ##un is no piece, and no part of a word is given alone */
    assert_ids("affable", "2 1 3");
    assert_ids("", "2 3");
    assert_ids(" \t\n", "2 3");
}
END_TEST

START_TEST(punctuation_is_a_word)
{
    assert_ids("a!!b,$", "2 9 13 13 18 14 17 3");
    assert_ids("a\xe2\x82\xac"
               "b",
               "2 1 3"); /* a currency sign is none, but those of ASCII are */
    assert_ids("\xe2\x82\xac", "2 27 3");
    assert_ids("!?", "2 13 1 3");
}
END_TEST

START_TEST(chinese_characters_are_words)
{
    assert_ids("a\xe6\x97\xa5\xe6\x97\xa5"
               "b",
               "2 9 15 15 18 3");
}
END_TEST

START_TEST(a_word_of_more_than_a_hundred_characters_is_unknown)
{
    char word[3 * 101 + 1] = "", expected[4 * 101 + 8] = "2 9";
    memset(word, 'a', 100);
    for (int i = 1; i < 100; i++) {
        strcat(expected, " 10");
    }
    strcat(expected, " 3");
    assert_ids(word, expected);
    word[100] = 'a';
    assert_ids(word, "2 1 3");
    for (int i = 0; i < 101; i++) { /* characters, not bytes */
        memcpy(word + 2 * i, "\xc3\xb8", 3);
    }
    word[200] = '\0';
    assert_ids(word, "2 1 3");
}
END_TEST

/* ---- What is made of the text first -------------------------------------------------------- */

START_TEST(letters_lose_case_and_accents)
{
    assert_ids("UNAFF \xc3\x89 e\xcc\x81\xcc\xa7 A", "2 8 11 11 9 3");
    assert_ids("\xea\xb0\x80", "2 22 23 3"); /* a Korean syllable, taken apart */
}
END_TEST

START_TEST(a_cased_vocabulary_keeps_them)
{
    teardown();
    ck_assert(create(vocabulary, true));
    assert_ids("A a \xc3\xa9 \xc3\x89", "2 20 9 21 1 3");
    assert_ids("a\xe6\x97\xa5", "2 9 15 3");
}
END_TEST

START_TEST(what_is_no_text_is_left_out)
{
    assert_ids("u\x01n\xe2\x80\x8b \xef\xbb\xbf"
               "a",
               "2 5 9 3");                 /* control, zero width, BOM */
    assert_ids("u\xff\xc3n", "2 5 3");     /* no UTF-8 */
    assert_ids("u\xef\xbf\xbdn", "2 5 3"); /* U+FFFD */
    assert_ids("a\xc2\xa0"
               "b\xe3\x80\x80"
               "b\rb",
               "2 9 18 18 18 3"); /* all kinds of spaces */
    assert_ids("\x0b", "2 3");
}
END_TEST

/* Of classes 216 and 224, in both orders; only one of these is a piece. */
START_TEST(marks_that_stay_are_in_their_order)
{
    teardown();
    ck_assert(create("[UNK]\n[CLS]\n[SEP]\na\xf0\x9d\x85\xa5\xe3\x80\xae", false));
    assert_ids("a\xf0\x9d\x85\xa5\xe3\x80\xae", "1 3 2");
    assert_ids("a\xe3\x80\xae\xf0\x9d\x85\xa5", "1 3 2");
    assert_ids("a\xe3\x80\xae\xcc\x81\xf0\x9d\x85\xa5", "1 3 2");
}
END_TEST

/* ---- Special tokens -------------------------------------------------------------------------- */

START_TEST(names_of_special_tokens_are_those_tokens)
{
    assert_ids("a[SEP]b [MASK]", "2 9 3 18 4 3");
    assert_ids("[sep]", "2 24 26 25 3");
    assert_ids("[[PAD]]", "2 24 0 25 3");
}
END_TEST

START_TEST(what_is_too_much_is_cut_off)
{
    assert_short("a b a b", 6, "2 9 18 9 18 3");
    assert_short("a b a b", 5, "2 9 18 9 3");
    assert_short("unaffable", 3, "2 8 3");
    assert_short("a[SEP]b", 4, "2 9 3 3");
    assert_short("a", 2, "2 3");
    ck_assert(clattn__wordpiece_encode(tokenizer, "a", 1, 1, &list) != CLATTN_OK);
    assert_contains(clattn_error(), "no room for [CLS] and [SEP]");
}
END_TEST

START_TEST(tokens_come_behind_those_that_are_there)
{
    assert_ids("a", "2 9 3");
    ck_assert(clattn__wordpiece_encode(tokenizer, "b b", 3, 3, &list) == CLATTN_OK);
    ck_assert_uint_eq(list.count, 6);
    ck_assert(list.items[1] == 9 && list.items[3] == 2 && list.items[4] == 18);
}
END_TEST

/* ---- Vocabularies ------------------------------------------------------------------------------
 */

START_TEST(pieces_are_numbered_by_their_lines)
{
    ck_assert_int_eq(clattn__wordpiece_count(tokenizer), 28);
    ck_assert_str_eq(clattn__wordpiece_piece(tokenizer, 7), "##able");
    teardown();
    ck_assert(create("[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n", false));
    assert_ids("a x", "1 3 0 2");
}
END_TEST

START_TEST(a_vocabulary_without_the_special_tokens_is_refused)
{
    static const char *const names[] = {"[UNK]", "[CLS]", "[SEP]"};
    teardown();
    for (int i = 0; i < 3; i++) {
        char text[64] = "", words[64];
        for (int n = 0; n < 3; n++) {
            strcat(text, n == i ? "x\n" : names[n]);
            strcat(text, "\n");
        }
        snprintf(words, sizeof words, "no line is %s", names[i]);
        ck_assert(!create(text, false) && !tokenizer);
        assert_contains(clattn_error(), words);
    }
    ck_assert(!create("", false));
    assert_contains(clattn_error(), "no line is [UNK]");
}
END_TEST

static void assert_directory(const char *config, bool cased)
{
    teardown();
    list = (clattn_ids){0};
    file_write_text(fixture.directory, "vocab.txt", vocabulary);
    if (config) {
        file_write_text(fixture.directory, "tokenizer_config.json", config);
    }
    ck_assert_msg(clattn__wordpiece_open(fixture.directory, &tokenizer) == CLATTN_OK, "%s",
                  clattn_error());
    assert_ids("A", cased ? "2 20 3" : "2 9 3");
}

START_TEST(a_directory_says_whether_case_counts)
{
    fixture_open_directory();
    assert_directory(NULL, false);
    assert_directory("{\"do_lower_case\": true, \"strip_accents\": null}", false);
    assert_directory("{\"do_lower_case\": false}", true);
    assert_directory("{\"do_lower_case\": false, \"strip_accents\": false}", true);
    fixture_close_directory();
}
END_TEST

START_TEST(a_directory_that_does_not_do_is_refused_by_file)
{
    static const struct {
        const char *config, *words;
    } cases[] = {
        {"{\"do_lower_case\": ", "tokenizer_config.json: not a JSON object"},
        {"[]", "tokenizer_config.json: not a JSON object"},
        {"{\"strip_accents\": false}", "tokenizer_config.json: strip_accents"},
        {"{\"do_lower_case\": false, \"strip_accents\": true}", "strip_accents"},
        {"{\"tokenize_chinese_chars\": false}", "tokenize_chinese_chars = false"},
        {"{}", "vocab.txt: no line is [UNK]"},
    };
    teardown();
    fixture_open_directory();
    ck_assert(clattn__wordpiece_open(fixture.directory, &tokenizer) != CLATTN_OK && !tokenizer);
    assert_contains(clattn_error(), "vocab.txt: No such file");
    file_write_text(fixture.directory, "vocab.txt", "a\nb\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file_write_text(fixture.directory, "tokenizer_config.json", cases[i].config);
        ck_assert(clattn__wordpiece_open(fixture.directory, &tokenizer) != CLATTN_OK && !tokenizer);
        assert_contains(clattn_error(), cases[i].words);
    }
    fixture_close_directory();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wordpiece");
    TCase *pieces = suite_group(suite, "pieces", setup, teardown);
    tcase_add_test(pieces, the_longest_piece_is_taken_first);
    tcase_add_test(pieces, punctuation_is_a_word);
    tcase_add_test(pieces, chinese_characters_are_words);
    tcase_add_test(pieces, a_word_of_more_than_a_hundred_characters_is_unknown);
    TCase *text = suite_group(suite, "what is made of the text first", setup, teardown);
    tcase_add_test(text, letters_lose_case_and_accents);
    tcase_add_test(text, a_cased_vocabulary_keeps_them);
    tcase_add_test(text, what_is_no_text_is_left_out);
    tcase_add_test(text, marks_that_stay_are_in_their_order);
    TCase *special = suite_group(suite, "special tokens", setup, teardown);
    tcase_add_test(special, names_of_special_tokens_are_those_tokens);
    tcase_add_test(special, what_is_too_much_is_cut_off);
    tcase_add_test(special, tokens_come_behind_those_that_are_there);
    TCase *vocabularies = suite_group(suite, "vocabularies", setup, teardown);
    tcase_add_test(vocabularies, pieces_are_numbered_by_their_lines);
    tcase_add_test(vocabularies, a_vocabulary_without_the_special_tokens_is_refused);
    tcase_add_test(vocabularies, a_directory_says_whether_case_counts);
    tcase_add_test(vocabularies, a_directory_that_does_not_do_is_refused_by_file);
    return suite_run(suite);
}
