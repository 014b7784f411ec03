/* src/models/text/utf8.c, pretokenize.c: characters, their kinds, and how texts are cut before
 * merging. */
#include "models/text/utf8.h" /* before Check, whose fail() is a macro */

#include "models/text/pretokenize.h"
#include "support/fixture.h"

#include <clattn/models/text.h>

#include <stdio.h>

START_TEST(characters_are_taken_whole_and_bad_bytes_alone)
{
    static const struct {
        const char *text;
        size_t bytes;
        int32_t code;
    } cases[] = {{"ab", 1, 'a'},
                 {"\xc3\xa9x", 2, 0xe9},
                 {"\xe2\x82\xac", 3, 0x20ac},
                 {"\xf0\x9f\x98\x80", 4, 0x1f600},
                 {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
                 {"\x80", 1, -1},
                 {"\xc3", 1, -1},
                 {"\xc3x", 1, -1},
                 {"\xe2\x82", 1, -1},
                 {"\xc0\x80", 1, -1},         /* overlong */
                 {"\xe0\x9f\xbf", 1, -1},     /* overlong */
                 {"\xed\xa0\x80", 1, -1},     /* a surrogate */
                 {"\xf4\x90\x80\x80", 1, -1}, /* beyond U+10FFFF */
                 {"\xff", 1, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t code = 0;
        ck_assert_uint_eq(clattn__utf8_next(cases[i].text, strlen(cases[i].text), &code),
                          cases[i].bytes);
        ck_assert_int_eq(code, cases[i].code);
        if (code >= 0) {
            char out[UTF8_LONGEST];
            ck_assert_uint_eq(clattn__utf8_write(code, out), cases[i].bytes);
            ck_assert(!memcmp(out, cases[i].text, cases[i].bytes));
        }
    }
}
END_TEST

START_TEST(kinds_are_those_of_unicode)
{
    static const struct {
        int32_t code;
        clattn__utf8_kind kind;
    } cases[] = {
        {'a', UTF8_LETTER},    {0xaa, UTF8_LETTER},    {0x2b0, UTF8_LETTER}, {0x1c5, UTF8_LETTER},
        {0x4e00, UTF8_LETTER}, {0x20000, UTF8_LETTER}, {'0', UTF8_NUMBER},   {0xb2, UTF8_NUMBER},
        {0x216b, UTF8_NUMBER}, {0x663, UTF8_NUMBER},   {' ', UTF8_SPACE},    {0x0b, UTF8_SPACE},
        {0x85, UTF8_SPACE},    {0xa0, UTF8_SPACE},     {0x2028, UTF8_SPACE}, {0x3000, UTF8_SPACE},
        {0x1c, UTF8_OTHER},    {0x200b, UTF8_OTHER},   {0x301, UTF8_OTHER},  {'_', UTF8_OTHER},
        {0x1f600, UTF8_OTHER}, {-1, UTF8_OTHER},       {0, UTF8_OTHER},      {0x378, UTF8_OTHER}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(clattn__utf8_kind_of(cases[i].code) == cases[i].kind, "U+%04X",
                      cases[i].code);
    }
}
END_TEST

/* ---- Bytes as they come -------------------------------------------------------------------- */

static void assert_stream(const char *bytes, const char *expected)
{
    char text[256];
    size_t length = 0;
    clattn_utf8_stream stream = {{0}, 0};
    for (const char *c = bytes; *c; c++) {
        length += (size_t)clattn_utf8_stream_add(&stream, (unsigned char)*c, text + length);
    }
    length += (size_t)clattn_utf8_stream_end(&stream, text + length);
    text[length] = '\0';
    ck_assert_str_eq(text, expected);
}

#define BAD "\xef\xbf\xbd"

/* python3: BYTES.decode("utf-8", "replace") */
START_TEST(bytes_become_text_as_python_makes_it)
{
    assert_stream("plain", "plain");
    assert_stream("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_stream("\x80"
                  "a",
                  BAD "a");
    assert_stream("\xc3", BAD);
    assert_stream("\xc3"
                  "a",
                  BAD "a");
    assert_stream("\xc3\xc3\xa9", BAD "\xc3\xa9");
    assert_stream("\xe2\x82"
                  "a",
                  BAD "a");
    assert_stream("\xf0\x9f\x98\xe2\x82\xac", BAD "\xe2\x82\xac");
    assert_stream("\xf0\x9f\x98", BAD);
    assert_stream("\xc0\x80", BAD BAD);
    assert_stream("\xe0\x80\x80", BAD BAD BAD);
    assert_stream("\xed\xa0\x80", BAD BAD BAD);
    assert_stream("\xf0\x8f\x80\x80", BAD BAD BAD BAD);
    assert_stream("\xf4\x90\x80\x80", BAD BAD BAD BAD);
    assert_stream("\xf5\xff\xfe", BAD BAD BAD);
    assert_stream("\xe2\xff\x82\xac", BAD BAD BAD BAD);
}
END_TEST

START_TEST(a_character_comes_out_with_its_last_byte)
{
    static const char euro[] = "\xe2\x82\xac";
    char out[CLATTN_UTF8_STREAM_OUT];
    clattn_utf8_stream stream = {{0}, 0};
    ck_assert_int_eq(clattn_utf8_stream_add(&stream, 0xe2, out), 0);
    ck_assert_int_eq(clattn_utf8_stream_add(&stream, 0x82, out), 0);
    ck_assert_int_eq(clattn_utf8_stream_add(&stream, 0xac, out), 3);
    ck_assert(!memcmp(out, euro, 3));
    ck_assert_int_eq(clattn_utf8_stream_end(&stream, out), 0);
}
END_TEST

/* ---- Pieces ---------------------------------------------------------------------------------- */

/* The pieces with bars between them. */
static void assert_pieces(const char *rules, const char *text, const char *expected)
{
    char bars[512];
    size_t used = 0, left = strlen(text);
    const clattn__pretokenizer *found = clattn__pretokenizer_find(rules, strlen(rules));
    ck_assert_ptr_nonnull(found);
    while (left > 0) {
        const size_t piece = clattn__pretokenizer_piece(found, text, left);
        ck_assert(piece > 0 && piece <= left);
        used += (size_t)snprintf(bars + used, sizeof bars - used, "%s%.*s", used ? "|" : "",
                                 (int)piece, text);
        text += piece;
        left -= piece;
    }
    ck_assert_msg(!strcmp(bars, expected), "%s: \"%s\", expected \"%s\"", rules, bars, expected);
}

/* Expected values: findall of the package regex for Python with the rules' own expressions. */
START_TEST(gpt2_cuts_words_numbers_and_signs_each_with_a_space_before)
{
    assert_pieces("gpt-2", "Hello world, it's 2024!!", "Hello| world|,| it|'s| 2024|!!");
    assert_pieces("gpt-2", "  two   three", " | two|  | three");
    assert_pieces("gpt-2", "end  ", "end|  ");
    assert_pieces("gpt-2", "a\tb\n\n c", "a|\t|b|\n\n| c");
    assert_pieces("gpt-2", "I'LL we'll 'ts '", "I|'|LL| we|'ll| '|ts| '");
    assert_pieces("gpt-2", "x=\xc3\xa9\xe2\x82\xac", "x|=|\xc3\xa9|\xe2\x82\xac");
    assert_pieces("gpt-2",
                  "a\xff\xfe"
                  "b",
                  "a|\xff\xfe|b");
    assert_pieces("gpt-2", "'reel 'rx '", "'re|el| '|rx| '");
}
END_TEST

START_TEST(smollm_cuts_out_each_digit_first)
{
    assert_pieces("smollm", "in 2024 x", "in| |2|0|2|4| x");
    assert_pieces("smollm", "a  1", "a|  |1");
    assert_pieces("smollm", "a  b", "a| | b");
    assert_pieces("smollm", "\xc2\xb2\xc2\xbd!5", "\xc2\xb2|\xc2\xbd|!|5");
    assert_pieces("smollm", "'s5's", "'s|5|'s");
}
END_TEST

START_TEST(llama3_keeps_a_sign_before_a_word_and_three_digits)
{
    assert_pieces("llama-bpe", "it's IT'S (word) 1234567", "it|'s| IT|'S| (|word|)| |123|456|7");
    assert_pieces("llama-bpe", "x.y\t_z", "x|.y|\t|_z");
    assert_pieces("llama-bpe", "a!\n\nb", "a|!\n\n|b");
    assert_pieces("llama-bpe", "a  \n \n  b", "a|  \n \n| | b");
    assert_pieces("llama-bpe", "a\nb \n", "a|\n|b| \n");
    assert_pieces("llama-bpe", "   x  ", "  | x|  ");
    assert_pieces("llama-bpe",
                  " \xe2\x82\xac"
                  "5",
                  " \xe2\x82\xac|5");
    assert_pieces("qwen2", "x 123", "x| |1|2|3");
}
END_TEST

START_TEST(rules_are_found_by_their_whole_name)
{
    ck_assert_ptr_nonnull(clattn__pretokenizer_find("smollm", 6));
    ck_assert_ptr_null(clattn__pretokenizer_find("smollm2", 7));
    ck_assert_ptr_null(clattn__pretokenizer_find("smol", 4));
    ck_assert_ptr_null(clattn__pretokenizer_find("", 0));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utf8");
    TCase *characters = suite_group(suite, "characters", NULL, NULL);
    tcase_add_test(characters, characters_are_taken_whole_and_bad_bytes_alone);
    tcase_add_test(characters, kinds_are_those_of_unicode);
    TCase *streams = suite_group(suite, "bytes as they come", NULL, NULL);
    tcase_add_test(streams, bytes_become_text_as_python_makes_it);
    tcase_add_test(streams, a_character_comes_out_with_its_last_byte);
    TCase *pieces = suite_group(suite, "pieces", NULL, NULL);
    tcase_add_test(pieces, gpt2_cuts_words_numbers_and_signs_each_with_a_space_before);
    tcase_add_test(pieces, smollm_cuts_out_each_digit_first);
    tcase_add_test(pieces, llama3_keeps_a_sign_before_a_word_and_three_digits);
    tcase_add_test(pieces, rules_are_found_by_their_whole_name);
    return suite_run(suite);
}
