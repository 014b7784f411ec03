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

#include <math.h>
#include <stdlib.h>

/* Tokens at once: enough to keep every core busy, and for CPUs few enough to stay in the caches. */
enum { ROOM_CPU = 1024, ROOM_OTHER = 8192 };

struct bert {
    const session *session;
    bert_config config;
    int32_t room;
    clattn_op *embed, *norm, **layers, *mean, *unit;
    clattn_tensor words, positions, types; /* tables */
    clattn_norm_weights norm_weights;
    clattn_tensor unit_weight;
    buffers kept;
    cl_mem ids, places, starts, each, x, zeros, sentences, scratch;
    int32_t *place; /* of each token in its text */
};

const bert_config *bert_facts(const bert *b) { return &b->config; }
const char *bert_kernel(const bert *b) { return clattn_op_kernel(b->layers[0]); }
int32_t bert_room(const bert *b) { return b->room; }

/* ---- The ops ----------------------------------------------------------------------------- */

static bool created(clattn_status status)
{
    if (status != CLATTN_OK) {
        fail("choosing a kernel: %s", clattn_error());
    }
    return status == CLATTN_OK;
}

/* NULL after a line. */
static cl_mem kept_buffer(bert *b, size_t bytes, const void *data)
{
    reason why;
    cl_mem mem = buffers_make(b->session, &b->kept, bytes, data, &why);
    if (!mem) {
        fail("the model: %s", why.text);
    }
    return mem;
}

static bool open_embeddings(bert *b, const checkpoint *c)
{
    const bert_config *f = &b->config;
    const int64_t columns = f->columns;
    const checkpoint_row weights[] = {
        {"word_embeddings.weight", &b->words, f->vocabulary, columns},
        {"position_embeddings.weight", &b->positions, f->positions, columns},
        {"token_type_embeddings.weight", &b->types, f->types, columns},
        {"LayerNorm.weight", &b->norm_weights.weight, 0, columns},
        {"LayerNorm.bias", &b->norm_weights.bias, 0, columns},
    };
    const clattn_embed_desc embed = {.type = CLATTN_F32};
    const clattn_norm_desc norm = {
        .kind = CLATTN_LAYER_NORM, .weight = true, .bias = true, .epsilon = f->epsilon};
    return checkpoint_load(c, "embeddings.", weights, sizeof weights / sizeof *weights, &b->kept) &&
           created(clattn_embed_create(c->session->context, &embed, &b->embed)) &&
           created(clattn_norm_create(c->session->context, &norm, &b->norm));
}

static clattn_attention_desc attention_of(const bert_config *f)
{
    return (clattn_attention_desc){
        .head_dim = f->columns / f->heads, .query_heads = f->heads, .packed = true};
}

static bool open_layer(bert *b, const checkpoint *c, int32_t number)
{
    const bert_config *f = &b->config;
    const int64_t columns = f->columns, hidden = f->hidden;
    char prefix[64];
    buffers packed = {0}; /* into the layer, which has copies then */
    clattn_layer_desc d = {.model_dim = f->columns,
                           .hidden_dim = f->hidden,
                           .attention = attention_of(f),
                           .norm = CLATTN_LAYER_NORM,
                           .epsilon = f->epsilon,
                           .activation = f->activation};
    clattn_attention_weights *a = &d.self_attention;
    const checkpoint_row weights[] = {
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
    const bool done =
        checkpoint_load(c, prefix, weights, sizeof weights / sizeof *weights, &packed) &&
        created(clattn_layer_create(c->session->context, &d, &b->layers[number]));
    buffers_release(&packed);
    return done;
}

static bool open_sentence(bert *b)
{
    const bert_config *f = &b->config;
    const clattn_attention_desc mean = attention_of(f);
    const clattn_norm_desc unit = {.kind = CLATTN_RMS_NORM, .weight = true, .epsilon = 1e-24F};
    float *weight = malloc((size_t)f->columns * sizeof *weight);
    if (!weight) {
        fail("out of memory");
        return false;
    }
    for (int32_t i = 0; i < f->columns; i++) {
        weight[i] = (float)(1 / sqrt(f->columns));
    }
    cl_mem mem = kept_buffer(b, (size_t)f->columns * sizeof *weight, weight);
    free(weight);
    b->unit_weight = (clattn_tensor){.mem = mem, .size = {1, 1, 1, f->columns}};
    return mem && created(clattn_attention_create(b->session->context, &mean, &b->mean)) &&
           created(clattn_norm_create(b->session->context, &unit, &b->unit));
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
static clattn_layer_args layer_args(const bert *b, int64_t texts, int64_t tokens, int32_t longest)
{
    const clattn_tensor x = rows_of(b->x, tokens, 1, b->config.columns);
    const clattn_tensor starts = numbers_of(b->starts, 1, texts + 1);
    return (clattn_layer_args){
        .x = x,
        .out = x,
        .attention = {.q_start = starts, .k_start = starts, .most_queries = longest},
        .scratch = b->scratch};
}

static bool open_buffers(bert *b)
{
    const session *s = b->session;
    const bert_config *f = &b->config;
    const size_t room = (size_t)b->room, number = sizeof(int32_t);
    const size_t rows = room * (size_t)f->columns * sizeof(float);
    const clattn_layer_args args = layer_args(b, 1, b->room, b->room);
    const float zero = 0;
    b->place = malloc((room + 1) * number);
    if (!b->place) {
        fail("out of memory");
        return false;
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
        *rows_wanted[i].to = kept_buffer(b, rows_wanted[i].bytes, rows_wanted[i].data);
        if (!*rows_wanted[i].to) {
            return false;
        }
    }
    const cl_int code =
        clEnqueueFillBuffer(s->queue, b->zeros, &zero, sizeof zero, 0, rows, 0, NULL, NULL);
    if (code != CL_SUCCESS) {
        fail("clEnqueueFillBuffer gave OpenCL error %d", code);
    }
    return code == CL_SUCCESS;
}

/* Where the tokens of a batch lie, on the device. */
static bool upload(bert *b, const bert_batch *batch)
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
        const cl_int code = clEnqueueWriteBuffer(b->session->queue, rows[i].mem, CL_FALSE, 0,
                                                 (size_t)rows[i].count * sizeof(int32_t),
                                                 rows[i].from, 0, NULL, NULL);
        if (code != CL_SUCCESS) {
            fail("clEnqueueWriteBuffer gave OpenCL error %d", code);
            return false;
        }
    }
    return true;
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        const clattn_status status = (call);                                                       \
        if (status != CLATTN_OK) {                                                                 \
            return status;                                                                         \
        }                                                                                          \
    } while (0)

static clattn_status enqueue(const bert *b, int64_t texts, int64_t tokens, int32_t longest)
{
    const bert_config *f = &b->config;
    const cl_command_queue queue = b->session->queue;
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

bool bert_encode(bert *b, const bert_batch *batch, float *sentences, float *tokens)
{
    const int32_t count = batch->starts[batch->texts];
    const size_t row = (size_t)b->config.columns * sizeof(float);
    int32_t longest = 0;
    for (int32_t t = 0; t < batch->texts; t++) {
        const int32_t length = batch->starts[t + 1] - batch->starts[t];
        longest = length > longest ? length : longest;
    }
    if (!upload(b, batch)) {
        clFinish(b->session->queue); /* the batch is the caller's again */
        return false;
    }
    if (enqueue(b, batch->texts, count, longest) != CLATTN_OK) {
        fail("%s: %s", bert_kernel(b), clattn_error());
        clFinish(b->session->queue);
        return false;
    }
    return session_read(b->session, b->sentences, (size_t)batch->texts * row, sentences,
                        "sentences") &&
           (!tokens || session_read(b->session, b->x, (size_t)count * row, tokens, "tokens"));
}

/* ---- All of it ---------------------------------------------------------------------------- */

static bool open_model(bert *b, const checkpoint *c)
{
    if (!open_embeddings(b, c)) {
        return false;
    }
    for (int32_t i = 0; i < b->config.layers; i++) {
        if (!open_layer(b, c, i)) {
            return false;
        }
    }
    return open_sentence(b) && open_buffers(b);
}

bool bert_open(const session *session, const char *directory, bert **out)
{
    reason why;
    checkpoint c;
    bert_config config;
    *out = NULL;
    if (!bert_config_read(directory, &config, &why)) {
        fail("--model %s: %s", directory, why.text);
        return false;
    }
    if (!checkpoint_open(session, directory, &c)) {
        return false;
    }
    bert *b = calloc(1, sizeof *b);
    clattn_op **layers = calloc((size_t)config.layers, sizeof *layers);
    if (!b || !layers) {
        fail("out of memory");
        free(layers);
        free(b);
        checkpoint_close(&c);
        return false;
    }
    const int32_t room = session->facts->type == CL_DEVICE_TYPE_CPU ? ROOM_CPU : ROOM_OTHER;
    *b = (bert){.session = session,
                .config = config,
                .room = room > config.positions ? room : config.positions,
                .layers = layers};
    const bool done = open_model(b, &c);
    checkpoint_close(&c);
    if (!done) {
        bert_close(b);
        return false;
    }
    *out = b;
    return true;
}

void bert_close(bert *b)
{
    if (!b) {
        return;
    }
    clattn_op *const ops[] = {b->embed, b->norm, b->mean, b->unit};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        clattn_op_destroy(ops[i]);
    }
    for (int32_t i = 0; i < b->config.layers; i++) {
        clattn_op_destroy(b->layers[i]);
    }
    buffers_release(&b->kept);
    free(b->layers);
    free(b->place);
    free(b);
}
