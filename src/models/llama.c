/* A language model of the llama architecture (Touvron et al. 2023), x being a row for each token:
 *
 *   x = embedding of the token
 *   x = x + attention(norm(x)), x = x + ffn(norm(x))     in every layer
 *   logits = output(norm(x))
 *
 * Embeddings are widened here, row by row, as they lie in the file; the layers are clattn_layer's,
 * with rotary positions and a cache in f16. */
#include "llama.h"

#include "common/error.h"
#include "llama_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOGIT_ROWS = 4 }; /* that are computed at once */

struct clattn_model {
    clattn__home home;
    const clattn_gguf *file;
    clattn_model_shape shape;
    int32_t room, used;                   /* rows of the cache, and of those in use */
    const clattn_gguf_tensor *embeddings; /* in the file; rows are widened one by one */
    clattn__buffers kept;                 /* every device buffer made here */
    clattn_op **layers;
    clattn_op *norm, *output;
    clattn_tensor norm_weight;
    clattn_tensor *k_cache, *v_cache;
    clattn_tensor stream, normed, logits; /* of a call: x, .. */
    clattn_tensor lengths;                /* .. and rows of the cache in use before and after it */
    cl_mem scratch;
    size_t scratch_bytes;
    float *host;                     /* CLATTN_MODEL_STEP rows of embeddings */
    int32_t around[2];               /* lengths, on the host */
    clattn_model_attended *attended; /* NULL = nobody watches */
    void *user;
    clattn_tensor lse; /* of a call, where somebody does */
};

/* ---- Opening ---------------------------------------------------------------------------- */

clattn_attention_desc clattn_model_attention(const clattn_model *m)
{
    const clattn_model_shape *s = &m->shape;
    return (clattn_attention_desc){.head_dim = s->head_dim,
                                   .query_heads = s->heads,
                                   .kv_heads = s->kv_heads,
                                   .kv_type = CLATTN_F16,
                                   .causal = true};
}

static clattn_layer_desc layer_of(const clattn_model *m)
{
    const clattn_model_shape *s = &m->shape;
    return (clattn_layer_desc){
        .model_dim = s->model_dim,
        .hidden_dim = s->hidden_dim,
        .attention = clattn_model_attention(m),
        .rotate = true,
        /* Rows of q and k are stored so that pairs are neighbours. */
        .rope = {.rotary_dim = (int32_t)s->rotary_dim, .interleaved = true, .base = (float)s->base},
        .cached = true,
        .norm = CLATTN_RMS_NORM,
        .epsilon = (float)s->epsilon,
        .pre_norm = true,
        .activation = CLATTN_SILU,
        .gated = true,
    };
}

static clattn_status make_tensor(clattn_model *m, clattn_type type, int64_t rows, int64_t heads,
                                 int64_t columns, clattn_tensor *out)
{
    const size_t bytes = (size_t)(rows * heads * columns) * clattn_type_size(type);
    *out = (clattn_tensor){.size = {1, rows, heads, columns}, .type = type};
    return clattn__buffers_add(&m->home, &m->kept, bytes, NULL, &out->mem);
}

/* weights: what the layer keeps copies of, or holds. */
static clattn_status make_layer(clattn_model *m, int layer, clattn__buffers *weights)
{
    const clattn_model_shape *s = &m->shape;
    clattn_layer_desc desc = layer_of(m);
    const clattn__llama_loader loader = {&m->home, m->file, s, weights};
    TRY(clattn__llama_load_layer(&loader, layer, &desc));
    TRY(make_tensor(m, CLATTN_F16, m->room, s->kv_heads, s->head_dim, &m->k_cache[layer]));
    TRY(make_tensor(m, CLATTN_F16, m->room, s->kv_heads, s->head_dim, &m->v_cache[layer]));
    const clattn_status status = clattn_layer_create(m->home.context, &desc, &m->layers[layer]);
    return status == CLATTN_OK ? status : clattn__within(status, "layer %d", layer);
}

static clattn_status open_layer(clattn_model *m, int layer)
{
    clattn__buffers weights = {0};
    const clattn_status status = make_layer(m, layer, &weights);
    clattn__buffers_release(&weights);
    return status;
}

/* The last norm, and logits: by a matrix of their own, or the embeddings. */
static clattn_status make_output(clattn_model *m, clattn__buffers *weights)
{
    const clattn_model_shape *s = &m->shape;
    const bool tied = !clattn_gguf_has_tensor(m->file, "output.weight");
    const char *name = tied ? "token_embd.weight" : "output.weight";
    const clattn__llama_loader passing = {&m->home, m->file, s, weights},
                               kept = {&m->home, m->file, s, &m->kept};
    const clattn_norm_desc last = {
        .kind = CLATTN_RMS_NORM, .weight = true, .epsilon = (float)s->epsilon};
    clattn_project_desc output = {.in_dim = s->model_dim, .out_dim = s->vocabulary};
    const clattn_gguf_tensor *norm, *matrix;
    TRY(clattn__llama_tensor(m->file, "output_norm.weight", 0, s->model_dim, &norm));
    TRY(clattn__llama_tensor(m->file, name, s->vocabulary, s->model_dim, &matrix));
    TRY(clattn__llama_load_vector(&kept, norm, &m->norm_weight));
    TRY(clattn__llama_load_matrix(&passing, matrix, &output.weight));
    TRY(clattn_norm_create(m->home.context, &last, &m->norm));
    const clattn_status status = clattn_project_create(m->home.context, &output, &m->output);
    return status == CLATTN_OK ? status : clattn__within(status, "%s", name);
}

static clattn_status open_output(clattn_model *m)
{
    clattn__buffers weights = {0};
    const clattn_status status = make_output(m, &weights);
    clattn__buffers_release(&weights);
    return status;
}

static clattn_status open_embeddings(clattn_model *m)
{
    const clattn_model_shape *s = &m->shape;
    TRY(clattn__llama_tensor(m->file, "token_embd.weight", s->vocabulary, s->model_dim,
                             &m->embeddings));
    m->host = malloc((size_t)CLATTN_MODEL_STEP * (size_t)s->model_dim * sizeof *m->host);
    return m->host ? CLATTN_OK : clattn__no_memory();
}

static clattn_status open_call(clattn_model *m)
{
    const clattn_model_shape *s = &m->shape;
    TRY(make_tensor(m, CLATTN_F32, CLATTN_MODEL_STEP, 1, s->model_dim, &m->stream));
    TRY(make_tensor(m, CLATTN_F32, LOGIT_ROWS, 1, s->model_dim, &m->normed));
    TRY(make_tensor(m, CLATTN_F32, LOGIT_ROWS, 1, s->vocabulary, &m->logits));
    return make_tensor(m, CLATTN_I32, 2, 1, 1, &m->lengths);
}

static clattn_status open_lists(clattn_model *m)
{
    const size_t layers = (size_t)m->shape.layers;
    m->layers = calloc(layers, sizeof(clattn_op *));
    m->k_cache = calloc(layers, sizeof *m->k_cache);
    m->v_cache = calloc(layers, sizeof *m->v_cache);
    return m->layers && m->k_cache && m->v_cache ? CLATTN_OK : clattn__no_memory();
}

static clattn_status open_model(clattn_model *m, clattn_context *context,
                                const clattn_model_desc *desc)
{
    TRY(clattn_model_read_shape(desc->file, &m->shape));
    if (desc->rows < 0) {
        return clattn__refuse("model: rows is %d, must not be negative", (int)desc->rows);
    }
    m->file = desc->file;
    m->room = desc->rows ? desc->rows : m->shape.context;
    TRY(clattn__home_open(context, desc->queue, "model", &m->home));
    TRY(open_lists(m));
    /* The output first: while it is there twice, packed and not, the layers are not there. */
    TRY(open_embeddings(m));
    TRY(open_call(m));
    TRY(open_output(m));
    for (int layer = 0; layer < m->shape.layers; layer++) {
        TRY(open_layer(m, layer));
        if (desc->progress) {
            desc->progress(desc->user, (layer + 1.0) / (m->shape.layers + 1.0));
        }
    }
    return CLATTN_OK;
}

clattn_status clattn_model_create(clattn_context *context, const clattn_model_desc *desc,
                                  clattn_model **out)
{
    NEED(desc, "model: desc");
    NEED(out, "model: out");
    clattn_model *m = calloc(1, sizeof *m);
    if (!m) {
        return clattn__no_memory();
    }
    const clattn_status status = open_model(m, context, desc);
    if (status == CLATTN_OK) {
        *out = m;
    } else {
        clattn_model_destroy(m);
    }
    return status;
}

void clattn_model_destroy(clattn_model *m)
{
    if (!m) {
        return;
    }
    clattn__home_close(&m->home); /* its queue may still read from host */
    for (int layer = 0; m->layers && layer < m->shape.layers; layer++) {
        clattn_op_destroy(m->layers[layer]);
    }
    clattn_op_destroy(m->norm);
    clattn_op_destroy(m->output);
    if (m->scratch) {
        clReleaseMemObject(m->scratch);
    }
    clattn__buffers_release(&m->kept);
    free(m->layers);
    free(m->k_cache);
    free(m->v_cache);
    free(m->host);
    free(m);
}

/* ---- Asking ----------------------------------------------------------------------------- */

const clattn_model_shape *clattn_model_shape_of(const clattn_model *m) { return &m->shape; }
const char *clattn_model_kernel(const clattn_model *m) { return clattn_op_kernel(m->layers[0]); }
int32_t clattn_model_rows(const clattn_model *m) { return m->used; }
int32_t clattn_model_room(const clattn_model *m) { return m->room; }
const clattn__home *clattn__llama_home(const clattn_model *m) { return &m->home; }

clattn_status clattn_model_rewind(clattn_model *m, int32_t rows)
{
    NEED(m, "model");
    if (rows < 0 || rows > m->used) {
        return clattn__refuse("model: rows is %d, of which there are %d", (int)rows, (int)m->used);
    }
    m->used = rows;
    return CLATTN_OK;
}

/* ---- Running ---------------------------------------------------------------------------- */

static clattn_tensor some_rows(const clattn_tensor *tensor, int64_t first, int64_t count)
{
    clattn_tensor part = *tensor;
    part.offset += first * tensor->size[3];
    part.size[1] = count;
    return part;
}

/* data stays as it is until the queue is done. */
static clattn_status write_buffer(const clattn_model *m, const clattn_tensor *to, const void *data,
                                  size_t bytes)
{
    return CL(clEnqueueWriteBuffer, m->home.queue, to->mem, CL_FALSE, 0, bytes, data, 0, NULL,
              NULL);
}

static clattn_status put_in(clattn_model *m, const int32_t *tokens, int32_t count)
{
    const clattn_model_shape *s = &m->shape;
    const clattn_gguf_tensor *table = m->embeddings;
    const size_t row = table->bytes / (size_t)s->vocabulary;
    for (int32_t n = 0; n < count; n++) {
        clattn_gguf_widen(table->type, (const char *)table->data + (size_t)tokens[n] * row,
                          s->model_dim, m->host + (size_t)n * (size_t)s->model_dim);
    }
    clattn_gguf_give_back(m->file, table); /* the system maps many pages around each row */
    m->around[0] = m->used;
    m->around[1] = m->used + count;
    TRY(write_buffer(m, &m->stream, m->host,
                     (size_t)count * (size_t)s->model_dim * sizeof *m->host));
    return write_buffer(m, &m->lengths, m->around, sizeof m->around);
}

/* The scratch of the largest call so far serves all layers, one after the other. */
static clattn_status make_scratch(clattn_model *m, const clattn_layer_args *args)
{
    const size_t bytes = clattn_layer_scratch(m->layers[0], args);
    cl_mem scratch;
    if (bytes <= m->scratch_bytes) {
        return CLATTN_OK;
    }
    TRY(clattn__home_buffer(&m->home, bytes, NULL, &scratch));
    if (m->scratch) {
        clReleaseMemObject(m->scratch);
    }
    m->scratch = scratch;
    m->scratch_bytes = bytes;
    return CLATTN_OK;
}

clattn_status clattn_model_watch(clattn_model *m, clattn_model_attended *attended, void *user)
{
    NEED(m, "model");
    if (attended && !m->lse.mem) {
        TRY(make_tensor(m, CLATTN_F32, CLATTN_MODEL_STEP, m->shape.heads, 1, &m->lse));
    }
    m->attended = attended;
    m->user = user;
    return CLATTN_OK;
}

/* Lets the watcher see the attention that was enqueued last. */
static clattn_status show_attention(const clattn_model *m, int layer, const clattn_layer_args *args)
{
    clattn_attention_args attention;
    const clattn_status status = clattn_layer_attention(m->layers[layer], args, &attention);
    return status == CLATTN_OK ? m->attended(m->user, layer, &attention) : status;
}

static clattn_status run_layer(const clattn_model *m, int layer, clattn_layer_args *args)
{
    args->k_cache = m->k_cache[layer];
    args->v_cache = m->v_cache[layer];
    TRY(clattn_layer_run(m->layers[layer], m->home.queue, args, NULL));
    return m->attended ? show_attention(m, layer, args) : CLATTN_OK;
}

static clattn_status run_layers(clattn_model *m, int32_t count)
{
    const clattn_tensor stream = some_rows(&m->stream, 0, count);
    clattn_layer_args args = {.x = stream, .out = stream, .used = some_rows(&m->lengths, 0, 1)};
    args.attention.kv_length = some_rows(&m->lengths, 1, 1);
    if (m->attended) {
        args.attention.lse = m->lse;
        args.attention.lse.size[1] = count;
    }
    TRY(make_scratch(m, &args));
    args.scratch = m->scratch;
    for (int layer = 0; layer < m->shape.layers; layer++) {
        const clattn_status status = run_layer(m, layer, &args);
        if (status != CLATTN_OK) {
            return clattn__within(status, "layer %d", layer);
        }
    }
    return CLATTN_OK;
}

/* Of rows of the stream, count at most LOGIT_ROWS. */
static clattn_status take_logits(clattn_model *m, int32_t row, int32_t count, float *logits)
{
    const cl_command_queue queue = m->home.queue;
    const clattn_norm_args norm = {.x = some_rows(&m->stream, row, count),
                                   .weight = m->norm_weight,
                                   .y = some_rows(&m->normed, 0, count)};
    const clattn_project_args output = {.x = norm.y, .y = some_rows(&m->logits, 0, count)};
    TRY(clattn_norm_run(m->norm, queue, &norm, NULL));
    TRY(clattn_project_run(m->output, queue, &output, NULL));
    const size_t bytes = (size_t)count * (size_t)m->shape.vocabulary * sizeof *logits;
    return CL(clEnqueueReadBuffer, queue, m->logits.mem, CL_TRUE, 0, bytes, logits, 0, NULL, NULL);
}

/* At most CLATTN_MODEL_STEP tokens; last: the call's last ones. */
static clattn_status run_step(clattn_model *m, const int32_t *tokens, int32_t count, bool last,
                              clattn_logits which, float **logits)
{
    TRY(put_in(m, tokens, count));
    TRY(run_layers(m, count));
    m->used += count;
    int32_t row = which == CLATTN_LOGITS_ALL ? 0 : last ? count - 1 : count;
    for (; *logits && row < count; row += LOGIT_ROWS) {
        const int32_t left = count - row, some = left < LOGIT_ROWS ? left : LOGIT_ROWS;
        const clattn_status status = take_logits(m, row, some, *logits);
        if (status != CLATTN_OK) {
            return clattn__within(status, "%s", "logits");
        }
        *logits += (size_t)some * (size_t)m->shape.vocabulary;
    }
    return CL(clFinish, m->home.queue);
}

static clattn_status check_tokens(const clattn_model *m, const int32_t *tokens, int32_t count)
{
    if (count < 1) {
        return clattn__refuse("model: count is %d, must be 1 or more", (int)count);
    }
    if (count > m->room - m->used) {
        return clattn__refuse(
            "%d tokens more do not fit in a cache of %d rows, of which %d are used", (int)count,
            (int)m->room, (int)m->used);
    }
    for (int32_t n = 0; n < count; n++) {
        if (tokens[n] < 0 || tokens[n] >= m->shape.vocabulary) {
            return clattn__refuse("token %d is not 0..%d", (int)tokens[n],
                                  (int)m->shape.vocabulary - 1);
        }
    }
    return CLATTN_OK;
}

clattn_status clattn_model_run(clattn_model *m, const int32_t *tokens, int32_t count,
                               clattn_logits which, float *logits)
{
    clattn_status status = CLATTN_OK;
    NEED(m, "model");
    NEED(tokens, "model: tokens");
    if (which != CLATTN_LOGITS_LAST && which != CLATTN_LOGITS_ALL) {
        return clattn__refuse("model: which is %d", (int)which);
    }
    TRY(check_tokens(m, tokens, count));
    const int32_t before = m->used;
    for (int32_t n = 0; status == CLATTN_OK && n < count; n += CLATTN_MODEL_STEP) {
        const int32_t left = count - n;
        const bool last = left <= CLATTN_MODEL_STEP;
        status = run_step(m, tokens + n, last ? left : CLATTN_MODEL_STEP, last, which, &logits);
    }
    if (status != CLATTN_OK) {
        clFinish(m->home.queue); /* it may still read from host */
        m->used = before;
    }
    return status;
}
