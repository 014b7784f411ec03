/* src/models/sources.c, passages.c, shares.c: a prompt is cut into passages, what is noted sums up,
 * and what makes no sense is refused.  That the masses are right is
 * tests/command_line/attribute.py's. */
#include <clattn/models/sources.h> /* before Check, whose fail() is a macro */

#include "support/fixture.h"
#include "support/tiny_model.h"

#include <math.h>

enum { PROMPT = 100, ANSWER = 3, ROOM = 120 };

static built b;
static clattn_gguf *file;
static clattn_tokenizer *tokenizer;
static clattn_model *model;
static clattn_sources *sources;
static int32_t prompt[PROMPT];

/* Markup, a document of two sentences, one without a token, a third, the question, markup. */
static const clattn_source_part parts[] = {
    {CLATTN_SOURCE_MARKUP, 0, 2},    {CLATTN_SOURCE_DOCUMENT, 0, 40},
    {CLATTN_SOURCE_DOCUMENT, 1, 40}, {CLATTN_SOURCE_DOCUMENT, 2, 90},
    {CLATTN_SOURCE_PROMPT, 0, 96},   {CLATTN_SOURCE_MARKUP, 0, PROMPT}};
enum { PARTS = sizeof parts / sizeof *parts };

static clattn_sources_desc good(void)
{
    return (clattn_sources_desc){.model = model,
                                 .tokenizer = tokenizer,
                                 .prompt = prompt,
                                 .prompt_count = PROMPT,
                                 .parts = parts,
                                 .part_count = PARTS,
                                 .documents = 3};
}

static void setup(void)
{
    fixture_open();
    tiny_model_build(&b);
    assert_ok(clattn_gguf_parse(b.data, b.bytes, &file));
    assert_ok(clattn_tokenizer_create(file, &tokenizer));
    const clattn_model_desc desc = {.file = file, .queue = fixture.queue, .rows = ROOM};
    assert_ok(clattn_model_create(fixture.context, &desc, &model));
    for (int i = 0; i < PROMPT; i++) {
        prompt[i] = i == 20 ? '.' : 'a' + i % 26;
    }
}

static void teardown(void)
{
    clattn_sources_destroy(sources);
    sources = NULL;
    clattn_model_destroy(model);
    clattn_tokenizer_destroy(tokenizer);
    clattn_gguf_close(file);
    fixture_close();
}

START_TEST(passages_follow_each_other_and_end_behind_sentences)
{
    static const clattn_passage expected[] = {
        {CLATTN_SOURCE_SINK, 0, 0, 1},          {CLATTN_SOURCE_MARKUP, 0, 1, 2},
        {CLATTN_SOURCE_DOCUMENT, 0, 2, 21},     {CLATTN_SOURCE_DOCUMENT, 0, 21, 40},
        {CLATTN_SOURCE_DOCUMENT, 2, 40, 88},    {CLATTN_SOURCE_DOCUMENT, 2, 88, 90},
        {CLATTN_SOURCE_PROMPT, 0, 90, 96},      {CLATTN_SOURCE_MARKUP, 0, 96, PROMPT},
        {CLATTN_SOURCE_ANSWER, 0, PROMPT, ROOM}};
    const clattn_sources_desc desc = good();
    size_t count = 0;
    assert_ok(clattn_sources_create(&desc, &sources));
    const clattn_passage *found = clattn_sources_passages(sources, &count);
    ck_assert_uint_eq(count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(!memcmp(&found[i], &expected[i], sizeof *found), "%zu: %d..%d", i,
                      found[i].begin, found[i].end);
    }
}
END_TEST

static void assert_sums(const clattn_shares *s, size_t passages)
{
    double kinds = 0, documents = 0;
    for (size_t n = 0; n < s->tokens; n++) {
        double sum = 0;
        for (size_t i = 0; i < passages; i++) {
            sum += s->token[n * passages + i];
        }
        ck_assert_msg(fabs(sum - 1) < 1e-3, "token %zu: %g", n, sum);
    }
    for (int k = 0; k < CLATTN_SOURCES; k++) {
        kinds += s->kind[k];
    }
    for (int d = 0; d < 3; d++) {
        documents += s->of_documents[d];
    }
    ck_assert(fabs(kinds - 1) < 1e-3 && fabs(documents - 1) < 1e-9);
    ck_assert(s->document[1] == 0 && s->document[0] > 0 && s->document[2] > 0);
    ck_assert(fabs(s->document[0] + s->document[2] - s->kind[CLATTN_SOURCE_DOCUMENT]) < 1e-9);
}

static const clattn_sources_method methods[] = {CLATTN_SOURCES_ATTENTION, CLATTN_SOURCES_VALUE,
                                                CLATTN_SOURCES_ROLLOUT};

START_TEST(shares_sum_up)
{
    clattn_sources_desc desc = good();
    clattn_shares shares;
    size_t passages;
    desc.method = methods[_i];
    assert_ok(clattn_sources_create(&desc, &sources));
    assert_ok(clattn_model_run(model, prompt, PROMPT, CLATTN_LOGITS_LAST, NULL));
    for (int n = 0; n < ANSWER; n++) {
        const int32_t token = 'a' + n;
        assert_ok(clattn_sources_note(sources));
        assert_ok(clattn_model_run(model, &token, 1, CLATTN_LOGITS_LAST, NULL));
    }
    clattn_sources_passages(sources, &passages);
    for (int again = 0; again < 2; again++) {
        assert_ok(clattn_sources_shares(sources, &shares));
        ck_assert_uint_eq(shares.tokens, ANSWER);
        ck_assert(shares.first_layer <= shares.last_layer && shares.last_layer < TINY_LAYERS);
        assert_sums(&shares, passages);
        clattn_shares_free(&shares);
    }
}
END_TEST

START_TEST(an_answer_without_tokens_has_no_shares)
{
    clattn_sources_desc desc = good();
    clattn_shares shares;
    desc.method = methods[_i];
    assert_ok(clattn_sources_create(&desc, &sources));
    assert_ok(clattn_sources_shares(sources, &shares));
    ck_assert_uint_eq(shares.tokens, 0);
    for (int k = 0; k < CLATTN_SOURCES; k++) {
        ck_assert(shares.kind[k] == 0);
    }
    clattn_shares_free(&shares);
    ck_assert_ptr_null(shares.token);
    assert_refused(clattn_sources_note(sources), "the model has read 0 tokens");
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
    const clattn_source_part kind[] = {{CLATTN_SOURCE_ANSWER, 0, PROMPT}};
    const clattn_source_part document[] = {{CLATTN_SOURCE_DOCUMENT, 3, PROMPT}};
    const clattn_source_part back[] = {{CLATTN_SOURCE_PROMPT, 0, 9}, {CLATTN_SOURCE_PROMPT, 0, 8}};
    const clattn_source_part early[] = {{CLATTN_SOURCE_PROMPT, 0, PROMPT - 1}};
    const clattn_source_part late[] = {{CLATTN_SOURCE_PROMPT, 0, PROMPT + 1}};
    clattn_sources *const before = (clattn_sources *)(void *)&fixture, *made = before;
    assert_refused(clattn_sources_create(NULL, &made), "sources: desc is NULL");
#define REFUSED(statement, words)                                                                  \
    do {                                                                                           \
        clattn_sources_desc desc = good();                                                         \
        statement;                                                                                 \
        assert_refused(clattn_sources_create(&desc, &made), words);                                \
    } while (0)
    REFUSED(desc.model = NULL, "sources: model is NULL");
    REFUSED(desc.tokenizer = NULL, "sources: tokenizer is NULL");
    REFUSED(desc.prompt = NULL, "sources: prompt is NULL");
    REFUSED(desc.parts = NULL, "sources: parts is NULL");
    REFUSED(desc.method = (clattn_sources_method)3, "sources: method is 3");
    REFUSED(desc.documents = -1, "sources: documents is -1");
    REFUSED(desc.documents = 2, "part 3 is of document 2, of which there are 2");
    REFUSED(desc.prompt_count = 0, "prompt_count is 0");
    REFUSED(desc.rows = PROMPT - 1, "prompt_count is 100, must be 1 to rows, which is 99");
    REFUSED(desc.rows = ROOM + 1, "which is 121, of the model's 120");
    REFUSED((desc.parts = kind, desc.part_count = 1), "part 0 is neither");
    REFUSED((desc.parts = document, desc.part_count = 1), "part 0 is of document 3");
    REFUSED((desc.parts = back, desc.part_count = 2), "part 1 ends at token 8, must end at 9");
    REFUSED((desc.parts = early, desc.part_count = 1), "parts end at token 99 of 100");
    REFUSED((desc.parts = late, desc.part_count = 1), "part 0 ends at token 101");
    REFUSED(desc.part_count = 0, "parts end at token 0");
    assert_ok(clattn_model_run(model, prompt, 1, CLATTN_LOGITS_LAST, NULL));
    REFUSED(desc.documents = 3, "the model has read 1 tokens before");
#undef REFUSED
    const clattn_sources_desc desc = good();
    assert_refused(clattn_sources_create(&desc, NULL), "sources: out is NULL");
    ck_assert_ptr_eq(made, before);
    ck_assert_str_eq(clattn_sources_method_name(CLATTN_SOURCES_ROLLOUT), "rollout");
    ck_assert_ptr_null(clattn_sources_method_name((clattn_sources_method)-1));
}
END_TEST

START_TEST(a_model_is_watched_no_more_when_they_are_gone)
{
    const clattn_sources_desc desc = good();
    assert_ok(clattn_sources_create(&desc, &sources));
    clattn_sources_destroy(sources);
    sources = NULL;
    assert_ok(clattn_model_run(model, prompt, PROMPT, CLATTN_LOGITS_LAST, NULL));
    clattn_sources_destroy(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sources");
    TCase *tests = suite_group(suite, "sources", setup, teardown);
    tcase_add_test(tests, passages_follow_each_other_and_end_behind_sentences);
    tcase_add_loop_test(tests, shares_sum_up, 0, 3);
    tcase_add_loop_test(tests, an_answer_without_tokens_has_no_shares, 0, 3);
    tcase_add_test(tests, what_makes_no_sense_is_refused);
    tcase_add_test(tests, a_model_is_watched_no_more_when_they_are_gone);
    return suite_run_on_device(suite);
}
