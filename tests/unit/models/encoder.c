/* src/models/encoder.c, bert.c, checkpoint.c: texts become vectors, whichever texts are beside
 * them, and what is refused.  That the vectors are right is tests/command_line/embed.py's. */
#include <clattn/models/encoder.h> /* before Check, whose fail() is a macro */

#include "support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = 8, HIDDEN = 12, WORDS = 7, POSITIONS = 10, LAYERS = 1 };

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n##b\n";
static const char config[] =
    "{\"model_type\": \"bert\", \"vocab_size\": 7, \"max_position_embeddings\": 10,"
    " \"type_vocab_size\": 2, \"hidden_size\": 8, \"intermediate_size\": 12,"
    " \"num_attention_heads\": 2, \"num_hidden_layers\": 1, \"hidden_act\": \"gelu\","
    " \"layer_norm_eps\": 1e-12}";

static const struct {
    const char *name;
    int rows, columns; /* rows 0: a vector */
} tensors[] = {
    {"embeddings.word_embeddings.weight", WORDS, COLUMNS},
    {"embeddings.position_embeddings.weight", POSITIONS, COLUMNS},
    {"embeddings.token_type_embeddings.weight", 2, COLUMNS},
    {"embeddings.LayerNorm.weight", 0, COLUMNS},
    {"embeddings.LayerNorm.bias", 0, COLUMNS},
    {"encoder.layer.0.attention.self.query.weight", COLUMNS, COLUMNS},
    {"encoder.layer.0.attention.self.query.bias", 0, COLUMNS},
    {"encoder.layer.0.attention.self.key.weight", COLUMNS, COLUMNS},
    {"encoder.layer.0.attention.self.key.bias", 0, COLUMNS},
    {"encoder.layer.0.attention.self.value.weight", COLUMNS, COLUMNS},
    {"encoder.layer.0.attention.self.value.bias", 0, COLUMNS},
    {"encoder.layer.0.attention.output.dense.weight", COLUMNS, COLUMNS},
    {"encoder.layer.0.attention.output.dense.bias", 0, COLUMNS},
    {"encoder.layer.0.attention.output.LayerNorm.weight", 0, COLUMNS},
    {"encoder.layer.0.attention.output.LayerNorm.bias", 0, COLUMNS},
    {"encoder.layer.0.intermediate.dense.weight", HIDDEN, COLUMNS},
    {"encoder.layer.0.intermediate.dense.bias", 0, HIDDEN},
    {"encoder.layer.0.output.dense.weight", COLUMNS, HIDDEN},
    {"encoder.layer.0.output.dense.bias", 0, COLUMNS},
    {"encoder.layer.0.output.LayerNorm.weight", 0, COLUMNS},
    {"encoder.layer.0.output.LayerNorm.bias", 0, COLUMNS},
};
enum { TENSORS = sizeof tensors / sizeof *tensors };

static clattn_encoder *encoder;

/* Eight bytes of the header's length, the header, floats. */
static void write_checkpoint(void)
{
    static unsigned char bytes[1 << 15];
    char *header = (char *)bytes + 8;
    size_t used = 0, data = 0;
    uint32_t state = 3;
    for (int i = 0; i < TENSORS; i++) {
        const int rows = tensors[i].rows, columns = tensors[i].columns;
        const size_t end = data + sizeof(float) * (size_t)(columns * (rows ? rows : 1));
        char shape[32];
        /* Of a vector no rows: a precision of 0 leaves a 0 out. */
        snprintf(shape, sizeof shape, rows ? "%d, %d" : "%.0d%d", rows, columns);
        used += (size_t)sprintf(
            header + used,
            "%s\"%s\": {\"dtype\": \"F32\", \"shape\": [%s], \"data_offsets\": [%zu, %zu]}",
            i ? ", " : "{", tensors[i].name, shape, data, end);
        data = end;
    }
    used += (size_t)sprintf(header + used, "}");
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)((uint64_t)used >> 8 * i);
    }
    for (size_t at = 0; at < data; at += sizeof(float)) {
        state = state * 1664525 + 1013904223;
        const float value = (float)(state >> 8) / (1 << 23) - 1;
        memcpy(header + used + at, &value, sizeof value);
    }
    file_write(fixture.directory, "model.safetensors", bytes, 8 + used + data);
}

static void open_directory(void)
{
    fixture_open();
    file_write_text(fixture.directory, "vocab.txt", vocabulary);
    file_write_text(fixture.directory, "config.json", config);
    write_checkpoint();
}

static void open_encoder(void)
{
    open_directory();
    assert_ok(clattn_encoder_open(fixture.context, fixture.queue, fixture.directory, &encoder));
}

static void close_encoder(void)
{
    clattn_encoder_destroy(encoder);
    encoder = NULL;
    fixture_close();
}

/* ---- Opening -------------------------------------------------------------------------------- */

START_TEST(an_encoder_tells_what_it_is)
{
    ck_assert_int_eq(clattn_encoder_columns(encoder), COLUMNS);
    ck_assert_int_eq(clattn_encoder_positions(encoder), POSITIONS);
    ck_assert_int_eq(clattn_encoder_most(encoder), POSITIONS);
    assert_contains(clattn_encoder_kernel(encoder), "layer");
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    clattn_encoder *const before = (clattn_encoder *)(void *)&fixture, *made = before;
    const char *directory = fixture.directory;
    assert_refused(clattn_encoder_open(NULL, fixture.queue, directory, &made),
                   "encoder: context is NULL");
    assert_refused(clattn_encoder_open(fixture.context, NULL, directory, &made),
                   "encoder: queue is NULL");
    assert_refused(clattn_encoder_open(fixture.context, fixture.queue, NULL, &made),
                   "encoder: directory is NULL");
    assert_refused(clattn_encoder_open(fixture.context, fixture.queue, directory, NULL),
                   "encoder: out is NULL");
    file_write_text(directory, "vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\nb\nc\nd\ne\n");
    assert_refused(clattn_encoder_open(fixture.context, fixture.queue, directory, &made),
                   "vocab.txt has 8 lines, the model knows 7 tokens");
    file_write_text(directory, "model.safetensors", "short");
    assert_refused(clattn_encoder_open(fixture.context, fixture.queue, directory, &made),
                   "model.safetensors: embeddings.word_embeddings.weight: truncated");
    ck_assert_ptr_eq(made, before);
    clattn_encoder_destroy(NULL);
}
END_TEST

/* ---- Encoding ------------------------------------------------------------------------------- */

static void hear(void *user, size_t done, size_t all)
{
    size_t *heard = user;
    ck_assert(done > *heard && done <= all);
    *heard = done;
}

START_TEST(a_text_has_its_vector_whatever_is_beside_it)
{
    const clattn_text texts[] = {{"a", 1}, {"", 0}, {"ab ab", 5}, {"b", 1}, {"ab ab", 5}};
    float alone[COLUMNS], many[5][COLUMNS], tokens[5 * POSITIONS][COLUMNS];
    clattn_encoder_texts all, one;
    size_t heard = 0;
    assert_ok(clattn_encoder_tokenize(encoder, texts, 5, 0, &all));
    ck_assert(all.count == 5 && all.cut == 0 && all.starts[5] == all.ids.count);
    ck_assert_uint_eq(all.ids.count, 3 + 2 + 6 + 3 + 6);
    const clattn_encoder_args args = {
        .texts = &all, .sentences = many[0], .tokens = tokens[0], .progress = hear, .user = &heard};
    assert_ok(clattn_encoder_run(encoder, &args));
    ck_assert_uint_eq(heard, all.ids.count);
    for (int t = 0; t < 5; t++) {
        double length = 0;
        assert_ok(clattn_encoder_tokenize(encoder, &texts[t], 1, 0, &one));
        assert_ok(
            clattn_encoder_run(encoder, &(clattn_encoder_args){.texts = &one, .sentences = alone}));
        clattn_encoder_texts_free(&one);
        for (int c = 0; c < COLUMNS; c++) {
            ck_assert_msg(fabsf(alone[c] - many[t][c]) < 1e-5f, "text %d", t);
            length += (double)alone[c] * (double)alone[c];
        }
        ck_assert(fabs(length - 1) < 1e-5);
    }
    ck_assert(!memcmp(many[2], many[4], sizeof many[2]) &&
              memcmp(many[0], many[3], sizeof many[0]));
    clattn_encoder_texts_free(&all);
}
END_TEST

START_TEST(no_texts_are_no_vectors)
{
    clattn_encoder_texts none;
    assert_ok(clattn_encoder_tokenize(encoder, NULL, 0, 0, &none));
    ck_assert(none.count == 0 && none.ids.count == 0);
    assert_ok(clattn_encoder_run(encoder, &(clattn_encoder_args){.texts = &none}));
    clattn_encoder_texts_free(&none);
    clattn_encoder_texts_free(&none);
}
END_TEST

START_TEST(long_texts_are_cut_off_and_counted)
{
    const clattn_text texts[] = {{"a b a b", 7}, {"a", 1}};
    clattn_encoder_texts cut;
    assert_ok(clattn_encoder_tokenize(encoder, texts, 2, 4, &cut));
    static const int32_t expected[] = {2, 4, 5, 3, 2, 4, 3};
    ck_assert(cut.cut == 1 && cut.ids.count == 7);
    ck_assert(!memcmp(cut.ids.items, expected, sizeof expected));
    clattn_encoder_texts_free(&cut);
}
END_TEST

START_TEST(calls_that_make_no_sense_are_refused)
{
    const clattn_text text = {"a", 1};
    clattn_encoder_texts texts, left = {.count = 7};
    float vector[COLUMNS];
    assert_refused(clattn_encoder_tokenize(NULL, &text, 1, 0, &left), "encoder is NULL");
    assert_refused(clattn_encoder_tokenize(encoder, NULL, 1, 0, &left), "encoder: texts is NULL");
    assert_refused(clattn_encoder_tokenize(encoder, &text, 1, 0, NULL), "encoder: out is NULL");
    assert_refused(clattn_encoder_tokenize(encoder, &text, 1, POSITIONS + 1, &left),
                   "encoder: most is 11, the model has 10 positions");
    assert_refused(clattn_encoder_tokenize(encoder, &text, 1, -1, &left), "encoder: most is -1");
    assert_refused(clattn_encoder_tokenize(encoder, &text, 1, 1, &left), "no room for [CLS]");
    ck_assert_uint_eq(left.count, 7);
    assert_ok(clattn_encoder_tokenize(encoder, &text, 1, 0, &texts));
    const clattn_encoder_args args = {.texts = &texts, .sentences = vector};
    texts.ids.items[1] = WORDS;
    assert_refused(clattn_encoder_run(encoder, &args), "encoder: token 7 is not 0..6");
    texts.ids.items[1] = 4, texts.starts[1] = 0;
    assert_refused(clattn_encoder_run(encoder, &args), "encoder: text 0 has 0 tokens");
    texts.starts[1] = 3;
    assert_refused(clattn_encoder_run(NULL, &args), "encoder is NULL");
    assert_refused(clattn_encoder_run(encoder, NULL), "encoder: args is NULL");
    assert_refused(clattn_encoder_run(encoder, &(clattn_encoder_args){.sentences = vector}),
                   "encoder: texts is NULL");
    assert_refused(clattn_encoder_run(encoder, &(clattn_encoder_args){.texts = &texts}),
                   "encoder: sentences is NULL");
    clattn_encoder_texts_free(&texts);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("encoder");
    TCase *opening = suite_group(suite, "opening", open_directory, close_encoder);
    tcase_add_test(opening, what_is_missing_is_named);
    TCase *encoding = suite_group(suite, "encoding", open_encoder, close_encoder);
    tcase_add_test(encoding, an_encoder_tells_what_it_is);
    tcase_add_test(encoding, a_text_has_its_vector_whatever_is_beside_it);
    tcase_add_test(encoding, no_texts_are_no_vectors);
    tcase_add_test(encoding, long_texts_are_cut_off_and_counted);
    tcase_add_test(encoding, calls_that_make_no_sense_are_refused);
    return suite_run_on_device(suite);
}
