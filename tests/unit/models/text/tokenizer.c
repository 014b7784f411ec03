/* src/models/text/tokenizer.c, ids.c: what both kinds of tokenizers have in common, and what is
 * refused. */
#include <clattn/models/tokenizer.h> /* before Check, whose fail() is a macro */

#include "support/fixture.h"
#include "support/vocabulary.h"

static vocabulary v;
static built b;
static clattn_gguf *file;
static clattn_tokenizer *bpe, *wordpiece;
static clattn_ids list;

static void setup(void)
{
    fixture_open_directory();
    vocabulary_make(&v);
    vocabulary_build(&v, &b);
    assert_ok(clattn_gguf_parse(b.data, b.bytes, &file));
    assert_ok(clattn_tokenizer_create(file, &bpe));
    file_write_text(fixture.directory, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n");
    assert_ok(clattn_tokenizer_open(fixture.directory, &wordpiece));
}

static void teardown(void)
{
    clattn_ids_free(&list);
    clattn_tokenizer_destroy(wordpiece);
    clattn_tokenizer_destroy(bpe);
    clattn_gguf_close(file);
    fixture_close_directory();
}

START_TEST(what_is_missing_is_named)
{
    clattn_tokenizer *made = bpe;
    const clattn_chat_message message = {"user", NULL}, nobody = {NULL, "hi"};
    assert_refused(clattn_tokenizer_create(NULL, &made), "tokenizer: file is NULL");
    assert_refused(clattn_tokenizer_create(file, NULL), "tokenizer: out is NULL");
    assert_refused(clattn_tokenizer_open(NULL, &made), "tokenizer: directory is NULL");
    assert_refused(clattn_tokenizer_open(fixture.directory, NULL), "tokenizer: out is NULL");
    assert_refused(clattn_tokenizer_open("/nowhere", &made), "vocab.txt: No such file");
    ck_assert_ptr_eq(made, bpe);
    assert_refused(clattn_tokenizer_encode(NULL, "a", 1, 0, &list, NULL), "tokenizer is NULL");
    assert_refused(clattn_tokenizer_encode(bpe, NULL, 1, 0, &list, NULL), "text is NULL");
    assert_refused(clattn_tokenizer_encode(bpe, "a", 1, 0, NULL, NULL), "out is NULL");
    assert_refused(clattn_tokenizer_encode_chat(bpe, NULL, 1, &list, NULL), "messages is NULL");
    assert_refused(clattn_tokenizer_encode_chat(bpe, &message, 1, &list, NULL),
                   "message 0 has no text");
    assert_refused(clattn_tokenizer_encode_chat(bpe, &nobody, 1, &list, NULL),
                   "message 0 has no role");
    ck_assert_uint_eq(list.count, 0);
    clattn_tokenizer_destroy(NULL);
}
END_TEST

START_TEST(no_text_has_no_tokens_but_those_of_a_whole)
{
    assert_ok(clattn_tokenizer_encode(bpe, NULL, 0, CLATTN_ENCODE_WHOLE, &list, NULL));
    ck_assert_uint_eq(list.count, 0);
    assert_ok(clattn_tokenizer_encode(wordpiece, NULL, 0, 0, &list, NULL));
    ck_assert_uint_eq(list.count, 2);
}
END_TEST

START_TEST(tokens_come_behind_those_that_are_there)
{
    assert_ok(clattn_ids_add(&list, 7));
    assert_ok(clattn_tokenizer_encode(bpe, "ab", 2, 0, &list, NULL));
    assert_ok(clattn_tokenizer_encode(wordpiece, "ab", 2, 0, &list, NULL));
    static const int32_t expected[] = {7, ID_AB, 2, 4, 5, 3};
    ck_assert_uint_eq(list.count, sizeof expected / sizeof *expected);
    ck_assert(!memcmp(list.items, expected, sizeof expected));
}
END_TEST

START_TEST(what_is_refused_leaves_the_list)
{
    size_t lost = 3;
    assert_ok(clattn_ids_add(&list, 7));
    assert_refused(clattn_tokenizer_encode(bpe, "a", SIZE_MAX, 0, &list, &lost), "at most");
    assert_refused(clattn_tokenizer_check_chat(bpe), "'tokenizer.chat_template' is missing");
    assert_refused(clattn_tokenizer_encode_chat(bpe, NULL, 0, &list, &lost),
                   "'tokenizer.chat_template' is missing");
    assert_refused(clattn_tokenizer_check_chat(wordpiece), "a WordPiece vocabulary has no chat");
    ck_assert(list.count == 1 && list.items[0] == 7 && lost == 3);
}
END_TEST

START_TEST(an_id_that_is_none_has_no_piece)
{
    static const int32_t none[] = {-1, INT32_MIN, VOCABULARY, INT32_MAX};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ck_assert_uint_eq(clattn_tokenizer_piece(bpe, none[i]).length, 0);
        ck_assert_uint_eq(clattn_tokenizer_piece(wordpiece, none[i]).length, 0);
        ck_assert(!clattn_tokenizer_is_control(bpe, none[i]));
        ck_assert(!clattn_tokenizer_ends(bpe, none[i]));
    }
    ck_assert_int_eq(clattn_tokenizer_count(wordpiece), 6);
    ck_assert_int_eq(clattn_tokenizer_find(wordpiece, "[SEP]"), 3);
    ck_assert_int_eq(clattn_tokenizer_find(wordpiece, "a"), -1);
    ck_assert(!clattn_tokenizer_ends(wordpiece, 3) && !clattn_tokenizer_is_control(wordpiece, 3));
    const clattn_text piece = clattn_tokenizer_piece(wordpiece, 5);
    ck_assert(piece.length == 3 && !memcmp(piece.bytes, "##b", 3));
}
END_TEST

/* "ab", the three bytes of a euro sign, a byte that is no character's, and a name. */
static const int32_t ids[] = {ID_AB, 0xe2, 0x82, 0xac, 0xff, ID_END};
static const char decoded[] = "ab\xe2\x82\xac\xef\xbf\xbd<|im_end|>";
enum { IDS = sizeof ids / sizeof *ids, DECODED = sizeof decoded - 1 };

START_TEST(ids_become_text_as_far_as_there_is_room)
{
    ck_assert_uint_eq(clattn_tokenizer_decode(bpe, ids, IDS, NULL, 0), DECODED);
    for (size_t room = 1; room < DECODED + 5; room++) {
        char text[DECODED + 5];
        const size_t shown = room > DECODED ? DECODED : room - 1;
        memset(text, '#', sizeof text);
        ck_assert_uint_eq(clattn_tokenizer_decode(bpe, ids, IDS, text, room), DECODED);
        ck_assert(!memcmp(text, decoded, shown) && text[shown] == '\0');
        for (size_t i = shown + 1; i < sizeof text; i++) {
            ck_assert(text[i] == '#');
        }
    }
}
END_TEST

START_TEST(what_ends_within_a_character_is_marked)
{
    char text[16];
    ck_assert_uint_eq(clattn_tokenizer_decode(bpe, ids, 3, text, sizeof text), 5);
    ck_assert_str_eq(text, "ab\xef\xbf\xbd");
    ck_assert_uint_eq(clattn_tokenizer_decode(bpe, NULL, 0, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer");
    TCase *tests = suite_group(suite, "tokenizer", setup, teardown);
    tcase_add_test(tests, what_is_missing_is_named);
    tcase_add_test(tests, no_text_has_no_tokens_but_those_of_a_whole);
    tcase_add_test(tests, tokens_come_behind_those_that_are_there);
    tcase_add_test(tests, what_is_refused_leaves_the_list);
    tcase_add_test(tests, an_id_that_is_none_has_no_piece);
    tcase_add_test(tests, ids_become_text_as_far_as_there_is_room);
    tcase_add_test(tests, what_ends_within_a_character_is_marked);
    return suite_run(suite);
}
