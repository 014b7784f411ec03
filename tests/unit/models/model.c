/* src/models/llama.c, home.c: what a model makes of tokens, its cache, who watches it, and what is
 * refused.  That the logits are right is tests/command_line/generate.py's. */
#include <clattn/models/model.h> /* before Check, whose fail() is a macro */

#include "support/fixture.h"
#include "support/tiny_model.h"

#include <math.h>
#include <stdlib.h>

static built b;
static clattn_gguf *file;
static clattn_model *model;
static float some[VOCABULARY], other[VOCABULARY], all[16][VOCABULARY];
static const int32_t words[] = {'a', 'b', 'c', ID_AB, ' ', ID_ABC, '1', 'z', '\n', 'q'};
enum { WORDS = sizeof words / sizeof *words };

static void open_file(void)
{
    fixture_open();
    tiny_model_build(&b);
    assert_ok(clattn_gguf_parse(b.data, b.bytes, &file));
}

static void close_file(void)
{
    clattn_model_destroy(model);
    model = NULL;
    clattn_gguf_close(file);
    fixture_close();
}

static void open_model(void)
{
    open_file();
    const clattn_model_desc desc = {.file = file, .queue = fixture.queue};
    assert_ok(clattn_model_create(fixture.context, &desc, &model));
}

/* f16 in the cache, and other kernels for one row than for many. */
static void assert_near(const float *a, const float *c)
{
    for (int i = 0; i < VOCABULARY; i++) {
        must(fabsf(a[i] - c[i]) <= 2e-3f, "logit %d is %g and %g", i, a[i], c[i]);
    }
}

static void assert_same(const float *a, const float *c)
{
    for (int i = 0; i < VOCABULARY; i++) {
        must(a[i] == c[i] && isfinite(a[i]), "logit %d is %g and %g", i, a[i], c[i]);
    }
}

/* ---- Making --------------------------------------------------------------------------------- */

static void hear(void *user, double share)
{
    double *last = user;
    ck_assert(share > *last && share < 1);
    *last = share;
}

START_TEST(a_model_tells_what_it_is)
{
    double share = 0;
    const clattn_model_desc desc = {
        .file = file, .queue = fixture.queue, .rows = 9, .progress = hear, .user = &share};
    assert_ok(clattn_model_create(fixture.context, &desc, &model));
    const clattn_model_shape *shape = clattn_model_shape_of(model);
    ck_assert(shape->layers == TINY_LAYERS && shape->vocabulary == VOCABULARY);
    ck_assert_int_eq(clattn_model_room(model), 9);
    ck_assert_int_eq(clattn_model_rows(model), 0);
    ck_assert(share > 0.5);
    assert_contains(clattn_model_kernel(model), "attention");
    const clattn_attention_desc attention = clattn_model_attention(model);
    ck_assert(attention.causal && attention.query_heads == TINY_HEADS && attention.kv_heads == 1);
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    clattn_model *const before = (clattn_model *)(void *)&fixture, *made = before;
    const clattn_model_desc good = {.file = file, .queue = fixture.queue};
    clattn_model_desc bad = good;
    assert_refused(clattn_model_create(NULL, &good, &made), "model: context is NULL");
    assert_refused(clattn_model_create(fixture.context, NULL, &made), "model: desc is NULL");
    assert_refused(clattn_model_create(fixture.context, &good, NULL), "model: out is NULL");
    bad.file = NULL;
    assert_refused(clattn_model_create(fixture.context, &bad, &made), "model: file is NULL");
    bad = good, bad.queue = NULL;
    assert_refused(clattn_model_create(fixture.context, &bad, &made), "model: queue is NULL");
    bad = good, bad.rows = -1;
    assert_refused(clattn_model_create(fixture.context, &bad, &made), "model: rows is -1");
    clattn_model_shape shape;
    assert_refused(clattn_model_read_shape(NULL, &shape), "model: file is NULL");
    assert_refused(clattn_model_read_shape(file, NULL), "model: out is NULL");
    ck_assert_ptr_eq(made, before);
    clattn_model_destroy(NULL);
}
END_TEST

START_TEST(a_file_without_a_tensor_is_refused_by_its_name)
{
    static const char name[] = "blk.1.ffn_up.weight";
    char *found = NULL;
    for (size_t i = 0; !found && i < b.bytes; i++) {
        found = memcmp(b.data + i, name, sizeof name - 1) ? NULL : (char *)b.data + i;
    }
    ck_assert_ptr_nonnull(found);
    found[4] = '7';
    clattn_gguf_close(file);
    assert_ok(clattn_gguf_parse(b.data, b.bytes, &file));
    const clattn_model_desc desc = {.file = file, .queue = fixture.queue};
    assert_refused(clattn_model_create(fixture.context, &desc, &model),
                   "there is no tensor 'blk.1.ffn_up.weight'");
    ck_assert_ptr_null(model);
}
END_TEST

/* ---- Reading -------------------------------------------------------------------------------- */

START_TEST(tokens_at_once_are_as_tokens_one_by_one)
{
    assert_ok(clattn_model_run(model, words, WORDS, CLATTN_LOGITS_ALL, all[0]));
    ck_assert_int_eq(clattn_model_rows(model), WORDS);
    assert_ok(clattn_model_rewind(model, 0));
    for (int i = 0; i < WORDS; i++) {
        assert_ok(clattn_model_run(model, &words[i], 1, CLATTN_LOGITS_LAST, some));
        assert_near(some, all[i]);
    }
    assert_ok(clattn_model_rewind(model, 0));
    assert_ok(clattn_model_run(model, words, WORDS, CLATTN_LOGITS_LAST, some));
    assert_near(some, all[WORDS - 1]);
}
END_TEST

START_TEST(what_was_forgotten_can_be_read_again)
{
    assert_ok(clattn_model_run(model, words, 6, CLATTN_LOGITS_LAST, NULL));
    assert_ok(clattn_model_run(model, words + 6, 1, CLATTN_LOGITS_LAST, some));
    assert_ok(clattn_model_run(model, words + 7, 3, CLATTN_LOGITS_LAST, NULL));
    assert_ok(clattn_model_rewind(model, 6));
    ck_assert_int_eq(clattn_model_rows(model), 6);
    assert_ok(clattn_model_run(model, words + 6, 1, CLATTN_LOGITS_LAST, other));
    assert_same(some, other);
    assert_refused(clattn_model_rewind(model, 8), "model: rows is 8, of which there are 7");
    assert_refused(clattn_model_rewind(model, -1), "model: rows is -1");
    assert_refused(clattn_model_rewind(NULL, 0), "model is NULL");
}
END_TEST

START_TEST(more_tokens_than_a_step_are_read_in_steps)
{
    static int32_t many[CLATTN_MODEL_STEP + 8];
    static float behind[CLATTN_MODEL_STEP + 8][VOCABULARY];
    for (int i = 0; i < CLATTN_MODEL_STEP + 8; i++) {
        many[i] = words[i * 7 % WORDS];
    }
    assert_ok(clattn_model_run(model, many, CLATTN_MODEL_STEP, CLATTN_LOGITS_LAST, NULL));
    assert_ok(clattn_model_run(model, many + CLATTN_MODEL_STEP, 8, CLATTN_LOGITS_LAST, some));
    assert_ok(clattn_model_rewind(model, 0));
    assert_ok(clattn_model_run(model, many, CLATTN_MODEL_STEP + 8, CLATTN_LOGITS_LAST, other));
    assert_same(some, other);
    assert_ok(clattn_model_rewind(model, 0));
    assert_ok(clattn_model_run(model, many, CLATTN_MODEL_STEP + 8, CLATTN_LOGITS_ALL, behind[0]));
    assert_near(some, behind[CLATTN_MODEL_STEP + 7]);
}
END_TEST

START_TEST(tokens_that_cannot_be_read_leave_the_cache)
{
    static int32_t many[TINY_CONTEXT];
    static const int32_t wrong[] = {'a', VOCABULARY, -1};
    assert_ok(clattn_model_run(model, words, 2, CLATTN_LOGITS_LAST, NULL));
    assert_refused(clattn_model_run(NULL, words, 1, CLATTN_LOGITS_LAST, some), "model is NULL");
    assert_refused(clattn_model_run(model, NULL, 1, CLATTN_LOGITS_LAST, some), "tokens is NULL");
    assert_refused(clattn_model_run(model, words, 0, CLATTN_LOGITS_LAST, some), "count is 0");
    assert_refused(clattn_model_run(model, words, -1, CLATTN_LOGITS_LAST, some), "count is -1");
    assert_refused(clattn_model_run(model, words, 1, (clattn_logits)2, some), "which is 2");
    assert_refused(clattn_model_run(model, wrong, 2, CLATTN_LOGITS_LAST, some),
                   "token 266 is not 0..265");
    assert_refused(clattn_model_run(model, wrong + 2, 1, CLATTN_LOGITS_LAST, some),
                   "token -1 is not");
    assert_refused(clattn_model_run(model, many, TINY_CONTEXT - 1, CLATTN_LOGITS_LAST, some),
                   "639 tokens more do not fit in a cache of 640 rows, of which 2 are used");
    ck_assert_int_eq(clattn_model_rows(model), 2);
    assert_ok(clattn_model_run(model, many, TINY_CONTEXT - 2, CLATTN_LOGITS_LAST, some));
    assert_refused(clattn_model_run(model, many, 1, CLATTN_LOGITS_LAST, some), "1 tokens more");
}
END_TEST

/* ---- Watching ------------------------------------------------------------------------------- */

typedef struct seen {
    int calls, queries, fails_at; /* fails_at: that call; 0 = none */
} seen;

static clattn_status attended(void *user, int32_t layer, const clattn_attention_args *args)
{
    seen *s = user;
    ck_assert_int_eq(layer, s->calls % TINY_LAYERS);
    ck_assert(args->q.mem && args->k.mem && args->lse.mem);
    s->queries = (int)args->q.size[1];
    ck_assert_int_eq(args->lse.size[1], args->q.size[1]);
    s->calls++;
    return s->calls == s->fails_at ? clattn_error_set(CLATTN_ERR_MEMORY, "no more of it")
                                   : CLATTN_OK;
}

START_TEST(who_watches_is_called_for_every_layer)
{
    seen s = {0};
    assert_ok(clattn_model_run(model, words, 4, CLATTN_LOGITS_LAST, some));
    assert_ok(clattn_model_rewind(model, 0));
    assert_ok(clattn_model_watch(model, attended, &s));
    assert_ok(clattn_model_run(model, words, 4, CLATTN_LOGITS_LAST, other));
    ck_assert(s.calls == TINY_LAYERS && s.queries == 4);
    assert_near(some, other);
    assert_ok(clattn_model_watch(model, NULL, NULL));
    assert_ok(clattn_model_run(model, words, 1, CLATTN_LOGITS_LAST, some));
    ck_assert_int_eq(s.calls, TINY_LAYERS);
    assert_refused(clattn_model_watch(NULL, attended, &s), "model is NULL");
}
END_TEST

START_TEST(who_watches_may_end_a_run)
{
    seen s = {.fails_at = 2};
    assert_ok(clattn_model_run(model, words, 3, CLATTN_LOGITS_LAST, NULL));
    assert_ok(clattn_model_watch(model, attended, &s));
    assert_fails(clattn_model_run(model, words, 4, CLATTN_LOGITS_LAST, some), CLATTN_ERR_MEMORY,
                 "layer 1: no more of it");
    ck_assert_int_eq(clattn_model_rows(model), 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model");
    TCase *making = suite_group(suite, "making", open_file, close_file);
    tcase_add_test(making, a_model_tells_what_it_is);
    tcase_add_test(making, what_is_missing_is_named);
    tcase_add_test(making, a_file_without_a_tensor_is_refused_by_its_name);
    TCase *reading = suite_group(suite, "reading", open_model, close_file);
    tcase_add_test(reading, tokens_at_once_are_as_tokens_one_by_one);
    tcase_add_test(reading, what_was_forgotten_can_be_read_again);
    tcase_add_test(reading, more_tokens_than_a_step_are_read_in_steps);
    tcase_add_test(reading, tokens_that_cannot_be_read_leave_the_cache);
    TCase *watching = suite_group(suite, "watching", open_model, close_file);
    tcase_add_test(watching, who_watches_is_called_for_every_layer);
    tcase_add_test(watching, who_watches_may_end_a_run);
    return suite_run_on_device(suite);
}
