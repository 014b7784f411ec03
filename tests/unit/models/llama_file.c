/* src/models/llama_file.c: a model's sizes, and what it needs that clattn has not. */
#include "models/llama_file.h" /* before Check, whose fail() is a macro */

#include "support/built_gguf.h"
#include "support/fixture.h"

#include <math.h>
#include <stdio.h>

enum { DIM = 64, WORDS = 10 };

typedef struct entry {
    const char *key, *text; /* text: else the number */
    double number;
    bool is_float;
} entry;

static const entry usual[] = {
    {"general.architecture", "llama"},
    {"llama.block_count", .number = 2},
    {"llama.embedding_length", .number = DIM},
    {"llama.feed_forward_length", .number = 96},
    {"llama.attention.head_count", .number = 4},
    {"llama.attention.head_count_kv", .number = 2},
    {"llama.context_length", .number = 128},
    {"llama.attention.layer_norm_rms_epsilon", .number = 1e-6, .is_float = true},
    {"llama.rope.freq_base", .number = 50000, .is_float = true},
};
enum { USUAL = sizeof usual / sizeof *usual };

static built b;
static clattn_gguf *file;
static clattn_model_shape shape;

static void build_entry(const entry *e)
{
    const float number = (float)e->number;
    if (e->text) {
        build_text(&b, e->key, e->text);
    } else if (e->is_float) {
        build_key(&b, e->key, F32), build_bytes(&b, &number, sizeof number);
    } else {
        build_key(&b, e->key, I32), build_number(&b, (uint32_t)(int32_t)e->number, 4);
    }
}

/* The usual file without one of its keys (NULL = with all of them), with one entry in its place
 * (a key of NULL = with none), and a tensor beside the embeddings (NULL = none). */
static bool reads(const char *without, const entry *instead, const uint64_t sizes[2],
                  const char *beside)
{
    static const uint64_t none[2] = {DIM, 0};
    int count = 0;
    for (int i = 0; i < USUAL; i++) {
        count += !without || strcmp(usual[i].key, without) != 0;
    }
    build_header(&b, beside ? 2 : 1, (uint64_t)(count + (instead->key != NULL)));
    for (int i = 0; i < USUAL; i++) {
        if (!without || strcmp(usual[i].key, without) != 0) {
            build_entry(&usual[i]);
        }
    }
    if (instead->key) {
        build_entry(instead);
    }
    build_tensor(&b, "token_embd.weight", 2, sizes, CLATTN_GGUF_F32, 0);
    if (beside) {
        build_tensor(&b, beside, 2, none, CLATTN_GGUF_F32, 0);
    }
    build_pad(&b, 32);
    for (uint64_t i = 0; i < sizes[0] * sizes[1]; i++) {
        build_number(&b, 0, 4);
    }
    ck_assert_msg(clattn_gguf_parse(b.data, b.bytes, &file) == CLATTN_OK, "%s", clattn_error());

    const bool done = clattn_model_read_shape(file, &shape) == CLATTN_OK;
    clattn_gguf_close(file);
    return done;
}

static const uint64_t embeddings[2] = {DIM, WORDS};

START_TEST(sizes_are_those_of_the_keys)
{
    const entry nothing = {0};
    ck_assert_msg(reads(NULL, &nothing, embeddings, NULL), "%s", clattn_error());
    ck_assert(shape.layers == 2 && shape.model_dim == DIM && shape.hidden_dim == 96);
    ck_assert(shape.heads == 4 && shape.kv_heads == 2 && shape.vocabulary == WORDS);
    ck_assert(shape.head_dim == 16 && shape.rotary_dim == 16 && shape.context == 128);
    ck_assert(shape.epsilon == 1e-6f && shape.base == 50000);
}
END_TEST

START_TEST(what_an_absent_key_means)
{
    const entry nothing = {0};
    ck_assert(reads("llama.attention.head_count_kv", &nothing, embeddings, NULL));
    ck_assert_int_eq(shape.kv_heads, 4);
    ck_assert(reads("llama.context_length", &nothing, embeddings, NULL));
    ck_assert_int_eq(shape.context, 2048);
    ck_assert(reads("llama.attention.layer_norm_rms_epsilon", &nothing, embeddings, NULL));
    ck_assert(shape.epsilon == 1e-5);
    ck_assert(reads("llama.rope.freq_base", &nothing, embeddings, NULL));
    ck_assert(shape.base == 10000);
}
END_TEST

START_TEST(heads_may_be_of_another_size_and_turn_in_part)
{
    const entry wide = {"llama.attention.key_length", .number = 24},
                part = {"llama.rope.dimension_count", .number = 8};
    ck_assert(reads(NULL, &wide, embeddings, NULL));
    ck_assert(shape.head_dim == 24 && shape.rotary_dim == 24);
    ck_assert(reads(NULL, &part, embeddings, NULL));
    ck_assert(shape.head_dim == 16 && shape.rotary_dim == 8);
}
END_TEST

START_TEST(scaling_that_changes_nothing_is_none)
{
    const entry type = {"llama.rope.scaling.type", "none"},
                factor = {"llama.rope.scaling.factor", .number = 1, .is_float = true};
    ck_assert_msg(reads(NULL, &type, embeddings, NULL), "%s", clattn_error());
    ck_assert_msg(reads(NULL, &factor, embeddings, NULL), "%s", clattn_error());
}
END_TEST

static const struct {
    const char *without;
    entry instead;
    const char *words;
} wrong[] = {
    {"general.architecture", {0}, "'general.architecture' is missing"},
    {"general.architecture", {"general.architecture", "gpt2"}, "is 'gpt2'; only llama"},
    {"general.architecture", {"general.architecture", "llama4"}, "is 'llama4'; only llama"},
    {"general.architecture", {"general.architecture", .number = 1}, "is no string"},
    {"llama.block_count", {0}, "'llama.block_count' is missing"},
    {"llama.block_count", {"llama.block_count", .number = 0}, "'llama.block_count' is 0"},
    {"llama.block_count", {"llama.block_count", .number = -1}, "'llama.block_count' is -1"},
    {"llama.embedding_length", {0}, "'llama.embedding_length' is missing"},
    {"llama.embedding_length", {"llama.embedding_length", .number = 66}, "does not divide 66"},
    {"llama.embedding_length", {"llama.embedding_length", .number = 60}, "rows of 60 numbers"},
    {"llama.feed_forward_length", {0}, "'llama.feed_forward_length' is missing"},
    {"llama.attention.head_count", {0}, "'llama.attention.head_count' is missing"},
    {"llama.attention.head_count",
     {"llama.attention.head_count", .number = 5},
     "head_count_kv is 2, which does not divide 5 heads"},
    {"llama.attention.head_count",
     {"llama.attention.head_count", .number = 6},
     "head_count is 6, which does not divide 64 columns"},
    {"llama.attention.head_count_kv",
     {"llama.attention.head_count_kv", .number = 3},
     "head_count_kv is 3, which does not divide 4 heads"},
    {NULL, {"llama.attention.key_length", .number = 513}, "key_length' is 513"},
    {NULL, {"llama.rope.dimension_count", .number = 17}, "dimension_count' is 17"},
    {NULL, {"llama.expert_count", .number = 8}, "mixture of experts"},
    {NULL, {"llama.rope.scaling.type", "yarn"}, "scaling.type is 'yarn'; only none"},
    {NULL, {"llama.rope.scaling.factor", .number = 4, .is_float = true}, "scaling.factor is 4"},
    {NULL, {"llama.rope.scaling.factor", .number = 4}, "'llama.rope.scaling.factor' is no float"},
    {NULL, {"llama.rope.scale_linear", .number = NAN, .is_float = true}, "scale_linear is"},
    {"llama.attention.layer_norm_rms_epsilon",
     {"llama.attention.layer_norm_rms_epsilon", .number = NAN, .is_float = true},
     "llama.attention.layer_norm_rms_epsilon is"},
    {"llama.attention.layer_norm_rms_epsilon",
     {"llama.attention.layer_norm_rms_epsilon", .number = -1e-5, .is_float = true},
     "llama.attention.layer_norm_rms_epsilon is -1e-05"},
    {"llama.attention.layer_norm_rms_epsilon",
     {"llama.attention.layer_norm_rms_epsilon", .number = 1},
     "is no float"},
    {"llama.rope.freq_base",
     {"llama.rope.freq_base", .number = INFINITY, .is_float = true},
     "llama.rope.freq_base is inf"},
    {"llama.rope.freq_base",
     {"llama.rope.freq_base", .number = 0, .is_float = true},
     "llama.rope.freq_base is 0"},
};

START_TEST(what_is_wrong_is_named)
{
    ck_assert(!reads(wrong[_i].without, &wrong[_i].instead, embeddings, NULL));
    assert_contains(clattn_error(), wrong[_i].words);
}
END_TEST

START_TEST(tensors_that_say_more_than_the_keys_are_refused)
{
    const entry nothing = {0};
    const uint64_t none[2] = {DIM, 0}, narrow[2] = {DIM / 2, WORDS};
    ck_assert(!reads(NULL, &nothing, none, NULL));
    assert_contains(clattn_error(), "'token_embd.weight' is 0 x 64");
    ck_assert(!reads(NULL, &nothing, narrow, NULL));
    assert_contains(clattn_error(), "'token_embd.weight' is 10 x 32, rows of 64");
    ck_assert(!reads(NULL, &nothing, embeddings, "rope_freqs.weight"));
    assert_contains(clattn_error(), "'rope_freqs.weight'");
}
END_TEST

static bool has_tensor(const char *name, int64_t rows, int64_t columns)
{
    const clattn_gguf_tensor *t;
    return clattn__llama_tensor(file, name, rows, columns, &t) == CLATTN_OK;
}

START_TEST(a_tensor_must_have_its_size)
{
    const uint64_t size[3] = {3, 2, 1}, many[3] = {3, 1, 2};
    build_header(&b, 3, 0);
    build_tensor(&b, "w", 2, size, CLATTN_GGUF_F32, 0);
    build_tensor(&b, "v", 1, size, CLATTN_GGUF_F32, 0);
    build_tensor(&b, "m", 3, many, CLATTN_GGUF_F32, 0);
    build_pad(&b, 32);
    build_bytes(&b, (char[32]){0}, 32);
    ck_assert_msg(clattn_gguf_parse(b.data, b.bytes, &file) == CLATTN_OK, "%s", clattn_error());
    ck_assert(has_tensor("w", 2, 3));
    ck_assert(has_tensor("v", 0, 3));
    ck_assert(!has_tensor("w", 3, 2));
    assert_contains(clattn_error(), "tensor 'w' is 2 x 3, 3 x 2 is needed");
    ck_assert(!has_tensor("w", 0, 3));
    ck_assert(!has_tensor("v", 0, 4));
    ck_assert(!has_tensor("m", 0, 3));
    ck_assert(!has_tensor("x", 0, 3));
    assert_contains(clattn_error(), "there is no tensor 'x'");
    clattn_gguf_close(file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("llama_file");
    TCase *tests = suite_group(suite, "llama_file", NULL, NULL);
    tcase_add_test(tests, sizes_are_those_of_the_keys);
    tcase_add_test(tests, what_an_absent_key_means);
    tcase_add_test(tests, heads_may_be_of_another_size_and_turn_in_part);
    tcase_add_test(tests, scaling_that_changes_nothing_is_none);
    tcase_add_loop_test(tests, what_is_wrong_is_named, 0, sizeof wrong / sizeof *wrong);
    tcase_add_test(tests, tensors_that_say_more_than_the_keys_are_refused);
    tcase_add_test(tests, a_tensor_must_have_its_size);
    return suite_run(suite);
}
