/* A sentence encoder: texts are tokenized, sorted by length and encoded in batches. */
#include <clattn/models/encoder.h>

#include "bert.h"
#include "common/error.h"
#include "text/wordpiece.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct clattn_encoder {
    clattn__bert *model;
    clattn__wordpiece *tokenizer;
};

/* ---- Opening ------------------------------------------------------------------------------ */

static clattn_status open_parts(clattn_encoder *e, clattn_context *context, cl_command_queue queue,
                                const char *directory)
{
    TRY(clattn__bert_open(context, queue, directory, &e->model));
    TRY(clattn__wordpiece_open(directory, &e->tokenizer));
    const int32_t lines = clattn__wordpiece_count(e->tokenizer);
    const int32_t known = clattn__bert_facts(e->model)->vocabulary;
    return lines <= known ? CLATTN_OK
                          : clattn__refuse("vocab.txt has %" PRId32
                                           " lines, the model knows %" PRId32 " tokens",
                                           lines, known);
}

clattn_status clattn_encoder_open(clattn_context *context, cl_command_queue queue,
                                  const char *directory, clattn_encoder **out)
{
    NEED(directory, "encoder: directory");
    NEED(out, "encoder: out");
    clattn_encoder *e = calloc(1, sizeof *e);
    if (!e) {
        return clattn__no_memory();
    }
    const clattn_status status = open_parts(e, context, queue, directory);
    if (status == CLATTN_OK) {
        *out = e;
    } else {
        clattn_encoder_destroy(e);
    }
    return status;
}

void clattn_encoder_destroy(clattn_encoder *e)
{
    if (!e) {
        return;
    }
    clattn__bert_close(e->model);
    clattn__wordpiece_destroy(e->tokenizer);
    free(e);
}

int32_t clattn_encoder_columns(const clattn_encoder *e)
{
    return clattn__bert_facts(e->model)->columns;
}

int32_t clattn_encoder_most(const clattn_encoder *e)
{
    return clattn__bert_facts(e->model)->most_tokens;
}

int32_t clattn_encoder_positions(const clattn_encoder *e)
{
    return clattn__bert_facts(e->model)->positions;
}

const char *clattn_encoder_kernel(const clattn_encoder *e) { return clattn__bert_kernel(e->model); }

/* ---- Tokens ------------------------------------------------------------------------------- */

/* One token more than fits tells that the text is too long. */
static clattn_status add_text(const clattn__wordpiece *tokenizer, const clattn_text *text,
                              int32_t most, clattn_encoder_texts *out)
{
    const size_t before = out->ids.count, fits = (size_t)most;
    TRY(clattn__wordpiece_encode(tokenizer, text->bytes, text->length, fits + 1, &out->ids));
    if (out->ids.count - before <= fits) {
        return CLATTN_OK;
    }
    out->ids.count = before;
    out->cut++;
    return clattn__wordpiece_encode(tokenizer, text->bytes, text->length, fits, &out->ids);
}

static clattn_status add_texts(const clattn__wordpiece *tokenizer, const clattn_text *texts,
                               size_t count, int32_t most, clattn_encoder_texts *out)
{
    out->starts = calloc(count + 1, sizeof *out->starts);
    out->count = count;
    if (!out->starts) {
        return clattn__no_memory();
    }
    for (size_t i = 0; i < count; i++) {
        TRY(add_text(tokenizer, &texts[i], most, out));
        out->starts[i + 1] = out->ids.count;
    }
    return CLATTN_OK;
}

clattn_status clattn_encoder_tokenize(const clattn_encoder *e, const clattn_text *texts,
                                      size_t count, int32_t most, clattn_encoder_texts *out)
{
    clattn_encoder_texts made = {.count = 0};
    NEED(e, "encoder");
    NEED(texts || count == 0, "encoder: texts");
    NEED(out, "encoder: out");
    most = most ? most : clattn_encoder_most(e);
    if (most < 0 || most > clattn_encoder_positions(e)) {
        return clattn__refuse("encoder: most is %d, the model has %d positions", (int)most,
                              (int)clattn_encoder_positions(e));
    }
    const clattn_status status = add_texts(e->tokenizer, texts, count, most, &made);
    if (status == CLATTN_OK) {
        *out = made;
    } else {
        clattn_encoder_texts_free(&made);
    }
    return status;
}

void clattn_encoder_texts_free(clattn_encoder_texts *texts)
{
    clattn_ids_free(&texts->ids);
    free(texts->starts);
    *texts = (clattn_encoder_texts){.count = 0};
}

/* ---- Vectors ------------------------------------------------------------------------------ */

typedef struct sized {
    size_t text, length;
} sized;

static int compare_sizes(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    if (x->length != y->length) {
        return x->length < y->length ? -1 : 1;
    }
    return x->text < y->text ? -1 : 1;
}

/* Texts of one length go together: a batch costs what its longest does. */
static sized *sort_by_length(const clattn_encoder_texts *t)
{
    sized *order = malloc((t->count + 1) * sizeof *order);
    for (size_t i = 0; order && i < t->count; i++) {
        order[i] = (sized){i, t->starts[i + 1] - t->starts[i]};
    }
    if (order) {
        qsort(order, t->count, sizeof *order, compare_sizes);
    }
    return order;
}

/* What a batch needs in host memory, the largest there can be. */
typedef struct bench {
    int32_t *ids, *starts;
    float *sentences, *tokens;
} bench;

static bool make_bench(const clattn__bert *model, bool tokens, bench *b)
{
    const size_t room = (size_t)clattn__bert_room(model),
                 columns = (size_t)clattn__bert_facts(model)->columns;
    *b = (bench){.ids = malloc(room * sizeof *b->ids),
                 .starts = malloc((room + 1) * sizeof *b->starts),
                 .sentences = malloc(room * columns * sizeof(float)),
                 .tokens = tokens ? malloc(room * columns * sizeof(float)) : NULL};
    return b->ids && b->starts && b->sentences && (!tokens || b->tokens);
}

static void free_bench(bench *b)
{
    free(b->ids);
    free(b->starts);
    free(b->sentences);
    free(b->tokens);
}

/* As many of the texts in order as there is room for; at least one. */
static clattn__bert_batch gather(const clattn__bert *model, const clattn_encoder_texts *t,
                                 const sized *order, size_t count, bench *b)
{
    const size_t room = (size_t)clattn__bert_room(model);
    clattn__bert_batch batch = {.ids = b->ids, .starts = b->starts};
    size_t used = 0;
    b->starts[0] = 0;
    for (size_t i = 0; i < count && used + order[i].length <= room; i++) {
        memcpy(b->ids + used, t->ids.items + t->starts[order[i].text],
               order[i].length * sizeof *b->ids);
        used += order[i].length;
        b->starts[++batch.texts] = (int32_t)used;
    }
    return batch;
}

static void scatter(const clattn__bert *model, const clattn_encoder_texts *t, const sized *order,
                    const clattn__bert_batch *batch, const bench *b, float *sentences,
                    float *tokens)
{
    const size_t columns = (size_t)clattn__bert_facts(model)->columns,
                 row = columns * sizeof(float);
    for (int32_t i = 0; i < batch->texts; i++) {
        const size_t text = order[i].text;
        memcpy(sentences + text * columns, b->sentences + (size_t)i * columns, row);
        if (tokens) {
            memcpy(tokens + t->starts[text] * columns,
                   b->tokens + (size_t)batch->starts[i] * columns, order[i].length * row);
        }
    }
}

static clattn_status encode_all(clattn__bert *model, const clattn_encoder_args *args,
                                const sized *order, bench *b)
{
    const clattn_encoder_texts *t = args->texts;
    size_t tokens_done = 0;
    for (size_t first = 0; first < t->count;) {
        const clattn__bert_batch batch = gather(model, t, order + first, t->count - first, b);
        TRY(clattn__bert_encode(model, &batch, b->sentences, b->tokens));
        scatter(model, t, order + first, &batch, b, args->sentences, args->tokens);
        tokens_done += (size_t)batch.starts[batch.texts];
        if (args->progress) {
            args->progress(args->user, tokens_done, t->ids.count);
        }
        first += (size_t)batch.texts;
    }
    return CLATTN_OK;
}

/* They may be another encoder's. */
static clattn_status check_texts(const clattn_encoder *e, const clattn_encoder_texts *t)
{
    const clattn__bert_config *facts = clattn__bert_facts(e->model);
    for (size_t i = 0; i < t->count; i++) {
        const size_t length = t->starts[i + 1] - t->starts[i];
        if (length < 1 || length > (size_t)facts->positions) {
            return clattn__refuse("encoder: text %zu has %zu tokens, the model has %d positions", i,
                                  length, (int)facts->positions);
        }
    }
    for (size_t i = 0; i < t->ids.count; i++) {
        if (t->ids.items[i] < 0 || t->ids.items[i] >= facts->vocabulary) {
            return clattn__refuse("encoder: token %d is not 0..%d", (int)t->ids.items[i],
                                  (int)facts->vocabulary - 1);
        }
    }
    return CLATTN_OK;
}

clattn_status clattn_encoder_run(clattn_encoder *e, const clattn_encoder_args *args)
{
    bench b = {0};
    NEED(e, "encoder");
    NEED(args, "encoder: args");
    NEED(args->texts, "encoder: texts");
    NEED(args->sentences || args->texts->count == 0, "encoder: sentences");
    TRY(check_texts(e, args->texts));
    sized *order = sort_by_length(args->texts);
    const clattn_status status = order && make_bench(e->model, args->tokens != NULL, &b)
                                     ? encode_all(e->model, args, order, &b)
                                     : clattn__no_memory();
    free_bench(&b);
    free(order);
    return status;
}
