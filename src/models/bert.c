/* For the tokens of one or more texts, x being a row for each:
 *
 *   x = norm(word[id] + position[place in its text] + type[0])
 *   x = norm(x + attention(x)), x = norm(x + ffn(x))             in every layer
 *   sentence = mean of x over the text, divided by its length as a vector
 *
 * Attention is within each text, by where they start: there is no padding. The mean is attention,
 * too: a query of zeros weighs all rows of its text alike. The division is RMSNorm with a weight of
 * 1 / sqrt(columns). */
#include "bert.h"

#include "checkpoint.h"
#include "common/error.h"

#include <clattn/layer.h>

#include <math.h>
#include <stdlib.h>

/* Tokens at once: enough to keep every core busy, and for CPUs few enough to stay in the caches. */
enum { ROOM_CPU = 1024, ROOM_OTHER = 8192 };

struct clattn__bert {
    clattn__home home;
    clattn__bert_config config;
    int32_t room;
    clattn_op *embed, *norm, **layers, *mean, *unit;
    clattn_tensor words, positions, types; /* tables */
    clattn_norm_weights norm_weights;
    clattn_tensor unit_weight;
    clattn__buffers kept;
    cl_mem ids, places, starts, each, x, zeros, sentences, scratch;
    int32_t *place; /* of each token in its text */
};

const clattn__bert_config *clattn__bert_facts(const clattn__bert *b) { return &b->config; }
const char *clattn__bert_kernel(const clattn__bert *b) { return clattn_op_kernel(b->layers[0]); }
int32_t clattn__bert_room(const clattn__bert *b) { return b->room; }

/* ---- The ops ----------------------------------------------------------------------------- */

static clattn_status created(clattn_status status)
{
    return status == CLATTN_OK ? status : clattn__within(status, "%s", "choosing a kernel");
}

static clattn_status open_embeddings(clattn__bert *b, const clattn__checkpoint *c)
{
    const clattn__bert_config *f = &b->config;
    const int64_t columns = f->columns;
    const clattn__checkpoint_row weights[] = {
        {"word_embeddings.weight", &b->words, f->vocabulary, columns},
        {"position_embeddings.weight", &b->positions, f->positions, columns},
        {"token_type_embeddings.weight", &b->types, f->types, columns},
        {"LayerNorm.weight", &b->norm_weights.weight, 0, columns},
        {"LayerNorm.bias", &b->norm_weights.bias, 0, columns},
    };
    const clattn_embed_desc embed = {.type = CLATTN_F32};
    const clattn_norm_desc norm = {
        .kind = CLATTN_LAYER_NORM, .weight = true, .bias = true, .epsilon = f->epsilon};
    TRY(clattn__checkpoint_load(c, "embeddings.", weights, sizeof weights / sizeof *weights,
                                &b->kept));
    TRY(created(clattn_embed_create(c->home->context, &embed, &b->embed)));
    return created(clattn_norm_create(c->home->context, &norm, &b->norm));
}

static clattn_attention_desc attention_of(const clattn__bert_config *f)
{
    return (clattn_attention_desc){
        .head_dim = f->columns / f->heads, .query_heads = f->heads, .packed = true};
}

static clattn_status open_layer(clattn__bert *b, const clattn__checkpoint *c, int32_t number)
{
    const clattn__bert_config *f = &b->config;
    const int64_t columns = f->columns, hidden = f->hidden;
    char prefix[64];
    clattn__buffers packed = {0}; /* into the layer, which has copies then */
    clattn_layer_desc d = {.model_dim = f->columns,
                           .hidden_dim = f->hidden,
                           .attention = attention_of(f),
                           .norm = CLATTN_LAYER_NORM,
                           .epsilon = f->epsilon,
                           .activation = f->activation};
    clattn_attention_weights *a = &d.self_attention;
    const clattn__checkpoint_row weights[] = {
        {"attention.self.query.weight", &a->qkv.weight, columns, columns, 0, 3},
        {"attention.self.query.bias", &a->qkv.bias, 0, columns, 0, 3},
        {"attention.self.key.weight", &a->qkv.weight, columns, columns, 1, 3},
        {"attention.self.key.bias", &a->qkv.bias, 0, columns, 1, 3},
        {"attention.self.value.weight", &a->qkv.weight, columns, columns, 2, 3},
        {"attention.self.value.bias", &a->qkv.bias, 0, columns, 2, 3},
        {"attention.output.dense.weight", &a->out.weight, columns, columns},
        {"attention.output.dense.bias", &a->out.bias, 0, columns},
        {"attention.output.LayerNorm.weight", &a->norm.weight, 0, columns},
        {"attention.output.LayerNorm.bias", &a->norm.bias, 0, columns},
        {"intermediate.dense.weight", &d.ffn.up.weight, hidden, columns},
        {"intermediate.dense.bias", &d.ffn.up.bias, 0, hidden},
        {"output.dense.weight", &d.ffn.down.weight, columns, hidden},
        {"output.dense.bias", &d.ffn.down.bias, 0, columns},
        {"output.LayerNorm.weight", &d.ffn.norm.weight, 0, columns},
        {"output.LayerNorm.bias", &d.ffn.norm.bias, 0, columns},
    };
    snprintf(prefix, sizeof prefix, "encoder.layer.%d.", (int)number);
    clattn_status status =
        clattn__checkpoint_load(c, prefix, weights, sizeof weights / sizeof *weights, &packed);
    if (status == CLATTN_OK) {
        status = created(clattn_layer_create(c->home->context, &d, &b->layers[number]));
    }
    clattn__buffers_release(&packed);
    return status;
}

/* 1 / sqrt(columns), columns times. */
static clattn_status make_unit_weight(clattn__bert *b)
{
    const int32_t columns = b->config.columns;
    const size_t bytes = (size_t)columns * sizeof(float);
    float *weight = malloc(bytes);
    if (!weight) {
        return clattn__no_memory();
    }
    for (int32_t i = 0; i < columns; i++) {
        weight[i] = (float)(1 / sqrt(columns));
    }
    b->unit_weight = (clattn_tensor){.size = {1, 1, 1, columns}};
    const clattn_status status =
        clattn__buffers_add(&b->home, &b->kept, bytes, weight, &b->unit_weight.mem);
    free(weight);
    return status;
}

static clattn_status open_sentence(clattn__bert *b)
{
    const clattn_attention_desc mean = attention_of(&b->config);
    const clattn_norm_desc unit = {.kind = CLATTN_RMS_NORM, .weight = true, .epsilon = 1e-24F};
    TRY(make_unit_weight(b));
    TRY(created(clattn_attention_create(b->home.context, &mean, &b->mean)));
    return created(clattn_norm_create(b->home.context, &unit, &b->unit));
}

/* ---- A call ------------------------------------------------------------------------------ */

static clattn_tensor rows_of(cl_mem mem, int64_t rows, int64_t heads, int64_t columns)
{
    return (clattn_tensor){.mem = mem, .size = {1, rows, heads, columns}};
}

static clattn_tensor numbers_of(cl_mem mem, int64_t rows, int64_t columns)
{
    return (clattn_tensor){.mem = mem, .size = {1, rows, 1, columns}, .type = CLATTN_I32};
}

/* What a text's tokens are to their layers. */
static clattn_layer_args layer_args(const clattn__bert *b, int64_t texts, int64_t tokens,
                                    int32_t longest)
{
    const clattn_tensor x = rows_of(b->x, tokens, 1, b->config.columns);
    const clattn_tensor starts = numbers_of(b->starts, 1, texts + 1);
    return (clattn_layer_args){
        .x = x,
        .out = x,
        .attention = {.q_start = starts, .k_start = starts, .most_queries = longest},
        .scratch = b->scratch};
}

static clattn_status open_buffers(clattn__bert *b)
{
    const clattn__bert_config *f = &b->config;
    const size_t room = (size_t)b->room, number = sizeof(int32_t);
    const size_t rows = room * (size_t)f->columns * sizeof(float);
    const clattn_layer_args args = layer_args(b, 1, b->room, b->room);
    const float zero = 0;
    b->place = malloc((room + 1) * number);
    if (!b->place) {
        return clattn__no_memory();
    }
    for (int32_t i = 0; i <= b->room; i++) {
        b->place[i] = i;
    }
    const struct {
        cl_mem *to;
        size_t bytes;
        const void *data;
    } rows_wanted[] = {
        {&b->ids, room * number, NULL},
        {&b->places, room * number, NULL},
        {&b->starts, (room + 1) * number, NULL},
        {&b->each, (room + 1) * number, b->place}, /* a query for each text */
        {&b->x, rows, NULL},
        {&b->zeros, rows, NULL},
        {&b->sentences, rows, NULL},
        {&b->scratch, clattn_layer_scratch(b->layers[0], &args), NULL},
    };
    for (size_t i = 0; i < sizeof rows_wanted / sizeof *rows_wanted; i++) {
        TRY(clattn__buffers_add(&b->home, &b->kept, rows_wanted[i].bytes, rows_wanted[i].data,
                                rows_wanted[i].to));
    }
    return CL(clEnqueueFillBuffer, b->home.queue, b->zeros, &zero, sizeof zero, 0, rows, 0, NULL,
              NULL);
}

/* Where the tokens of a batch lie, on the device. */
static clattn_status upload(clattn__bert *b, const clattn__bert_batch *batch)
{
    const int32_t tokens = batch->starts[batch->texts];
    for (int32_t t = 0; t < batch->texts; t++) {
        for (int32_t i = batch->starts[t]; i < batch->starts[t + 1]; i++) {
            b->place[i] = i - batch->starts[t];
        }
    }
    const struct {
        cl_mem mem;
        const int32_t *from;
        int32_t count;
    } rows[] = {{b->ids, batch->ids, tokens},
                {b->places, b->place, tokens},
                {b->starts, batch->starts, batch->texts + 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        TRY(CL(clEnqueueWriteBuffer, b->home.queue, rows[i].mem, CL_FALSE, 0,
               (size_t)rows[i].count * sizeof(int32_t), rows[i].from, 0, NULL, NULL));
    }
    return CLATTN_OK;
}

static clattn_status enqueue(const clattn__bert *b, int64_t texts, int64_t tokens, int32_t longest)
{
    const clattn__bert_config *f = &b->config;
    const cl_command_queue queue = b->home.queue;
    const int64_t heads = f->heads, columns = f->columns / f->heads;
    const clattn_layer_args layer = layer_args(b, texts, tokens, longest);
    const clattn_tensor split = rows_of(b->x, tokens, heads, columns);
    const clattn_tensor sentences = rows_of(b->sentences, texts, 1, f->columns);
    const clattn_embed_args embed = {.ids = numbers_of(b->ids, tokens, 1),
                                     .table = b->words,
                                     .position_ids = numbers_of(b->places, tokens, 1),
                                     .position_table = b->positions,
                                     .type_table = b->types,
                                     .y = layer.x};
    const clattn_norm_args norm = {
        .x = layer.x, .weight = b->norm_weights.weight, .bias = b->norm_weights.bias, .y = layer.x};
    const clattn_attention_args mean = {.q = rows_of(b->zeros, texts, heads, columns),
                                        .k = split,
                                        .v = split,
                                        .out = rows_of(b->sentences, texts, heads, columns),
                                        .q_start = numbers_of(b->each, 1, texts + 1),
                                        .k_start = layer.attention.k_start,
                                        .most_queries = 1};
    const clattn_norm_args unit = {.x = sentences, .weight = b->unit_weight, .y = sentences};
    TRY(clattn_embed_run(b->embed, queue, &embed, NULL));
    TRY(clattn_norm_run(b->norm, queue, &norm, NULL));
    for (int32_t i = 0; i < f->layers; i++) {
        TRY(clattn_layer_run(b->layers[i], queue, &layer, NULL));
    }
    TRY(clattn_attention_run(b->mean, queue, &mean, NULL));
    return clattn_norm_run(b->unit, queue, &unit, NULL);
}

clattn_status clattn__bert_encode(clattn__bert *b, const clattn__bert_batch *batch,
                                  float *sentences, float *tokens)
{
    const int32_t count = batch->starts[batch->texts];
    const size_t row = (size_t)b->config.columns * sizeof(float);
    int32_t longest = 0;
    for (int32_t t = 0; t < batch->texts; t++) {
        const int32_t length = batch->starts[t + 1] - batch->starts[t];
        longest = length > longest ? length : longest;
    }
    clattn_status status = upload(b, batch);
    if (status == CLATTN_OK) {
        status = enqueue(b, batch->texts, count, longest);
        status =
            status == CLATTN_OK ? status : clattn__within(status, "%s", clattn__bert_kernel(b));
    }
    if (status != CLATTN_OK) {
        clFinish(b->home.queue); /* the batch is the caller's again */
        return status;
    }
    TRY(clattn__home_read(&b->home, b->sentences, (size_t)batch->texts * row, sentences));
    return tokens ? clattn__home_read(&b->home, b->x, (size_t)count * row, tokens) : CLATTN_OK;
}

/* ---- All of it ---------------------------------------------------------------------------- */

static clattn_status open_weights(clattn__bert *b, const clattn__checkpoint *c)
{
    TRY(open_embeddings(b, c));
    for (int32_t i = 0; i < b->config.layers; i++) {
        TRY(open_layer(b, c, i));
    }
    TRY(open_sentence(b));
    return open_buffers(b);
}

static clattn_status open_model(clattn__bert *b, clattn_context *context, cl_command_queue queue,
                                const char *directory)
{
    clattn__checkpoint c;
    TRY(clattn__bert_config_read(directory, &b->config));
    TRY(clattn__home_open(context, queue, "encoder", &b->home));
    const bool cpu = clattn_context_facts(context)->type == CL_DEVICE_TYPE_CPU;
    const int32_t room = cpu ? ROOM_CPU : ROOM_OTHER;
    b->room = room > b->config.positions ? room : b->config.positions;
    b->layers = calloc((size_t)b->config.layers, sizeof *b->layers);
    if (!b->layers) {
        return clattn__no_memory();
    }
    TRY(clattn__checkpoint_open(&b->home, directory, &c));
    const clattn_status status = open_weights(b, &c);
    clattn__checkpoint_close(&c);
    return status;
}

clattn_status clattn__bert_open(clattn_context *context, cl_command_queue queue,
                                const char *directory, clattn__bert **out)
{
    clattn__bert *b = calloc(1, sizeof *b);
    if (!b) {
        return clattn__no_memory();
    }
    const clattn_status status = open_model(b, context, queue, directory);
    if (status == CLATTN_OK) {
        *out = b;
    } else {
        clattn__bert_close(b);
    }
    return status;
}

void clattn__bert_close(clattn__bert *b)
{
    if (!b) {
        return;
    }
    clattn__home_close(&b->home);
    clattn_op *const ops[] = {b->embed, b->norm, b->mean, b->unit};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        clattn_op_destroy(ops[i]);
    }
    for (int32_t i = 0; b->layers && i < b->config.layers; i++) {
        clattn_op_destroy(b->layers[i]);
    }
    clattn__buffers_release(&b->kept);
    free(b->layers);
    free(b->place);
    free(b);
}
