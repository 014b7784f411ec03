#include "llama.h"

#include "llama_weights.h"
#include "models/files/gguf_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOGIT_ROWS = 4 }; /* that are computed at once */

struct llama {
    const session *session;
    const gguf *file;
    llama_shape shape;
    int32_t room, used;            /* rows of the cache, and of those in use */
    const gguf_tensor *embeddings; /* in the file; rows are widened one by one */
    buffers kept;                  /* every device buffer made here */
    clattn_op **layers;
    clattn_op *norm, *output;
    clattn_tensor norm_weight;
    clattn_tensor *k_cache, *v_cache;
    clattn_tensor stream, normed, logits; /* of a call: x, .. */
    clattn_tensor lengths;                /* .. and rows of the cache in use before and after it */
    cl_mem scratch;
    size_t scratch_bytes;
    float *host;              /* LLAMA_MOST rows of embeddings */
    int32_t around[2];        /* lengths, on the host */
    llama_attended *attended; /* NULL = nobody watches */
    void *user;
    clattn_tensor lse; /* of a call, where somebody does */
};

/* ---- Opening ---------------------------------------------------------------------------- */

clattn_attention_desc llama_attention_of(const llama *m)
{
    const llama_shape *s = &m->shape;
    return (clattn_attention_desc){.head_dim = s->head_dim,
                                   .query_heads = s->heads,
                                   .kv_heads = s->kv_heads,
                                   .kv_type = CLATTN_F16,
                                   .causal = true};
}

static clattn_layer_desc layer_of(const llama *m)
{
    const llama_shape *s = &m->shape;
    return (clattn_layer_desc){
        .model_dim = s->model_dim,
        .hidden_dim = s->hidden_dim,
        .attention = llama_attention_of(m),
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

static bool make_tensor(llama *m, clattn_type type, int64_t rows, int64_t heads, int64_t columns,
                        clattn_tensor *out, reason *why)
{
    const size_t bytes = (size_t)(rows * heads * columns) * clattn_type_size(type);
    *out = (clattn_tensor){.size = {1, rows, heads, columns}, .type = type};
    out->mem = buffers_make(m->session, &m->kept, bytes, NULL, why);
    return out->mem != NULL;
}

static bool open_layer(llama *m, const gguf *file, int layer, reason *why)
{
    const llama_shape *s = &m->shape;
    clattn_layer_desc desc = layer_of(m);
    buffers weights = {0}; /* the layer keeps copies, or holds them */
    const llama_loader loader = {m->session, file, s, &weights};
    bool done =
        llama_load_layer(&loader, layer, &desc, why) &&
        make_tensor(m, CLATTN_F16, m->room, s->kv_heads, s->head_dim, &m->k_cache[layer], why) &&
        make_tensor(m, CLATTN_F16, m->room, s->kv_heads, s->head_dim, &m->v_cache[layer], why);
    if (done && clattn_layer_create(m->session->context, &desc, &m->layers[layer]) != CLATTN_OK) {
        done = refuse(why, "layer %d: %s", layer, clattn_error());
    }
    buffers_release(&weights);
    return done;
}

/* The last norm, and logits: by a matrix of their own, or the embeddings. */
static bool open_output(llama *m, const gguf *file, reason *why)
{
    const llama_shape *s = &m->shape;
    const gguf_tensor *norm = llama_tensor(file, "output_norm.weight", 0, s->model_dim, why);
    const bool tied = !gguf_has_tensor(file, "output.weight");
    const char *name = tied ? "token_embd.weight" : "output.weight";
    const gguf_tensor *matrix =
        norm ? llama_tensor(file, name, s->vocabulary, s->model_dim, why) : NULL;
    buffers weights = {0};
    const llama_loader passing = {m->session, file, s, &weights},
                       kept = {m->session, file, s, &m->kept};
    const clattn_norm_desc last = {
        .kind = CLATTN_RMS_NORM, .weight = true, .epsilon = (float)s->epsilon};
    clattn_project_desc output = {.in_dim = s->model_dim, .out_dim = s->vocabulary};
    bool done = matrix && llama_load_vector(&kept, norm, &m->norm_weight, why) &&
                llama_load_matrix(&passing, matrix, &output.weight, why);
    if (done && (clattn_norm_create(m->session->context, &last, &m->norm) != CLATTN_OK ||
                 clattn_project_create(m->session->context, &output, &m->output) != CLATTN_OK)) {
        done = refuse(why, "%s: %s", name, clattn_error());
    }
    buffers_release(&weights);
    return done;
}

static bool open_embeddings(llama *m, const gguf *file, reason *why)
{
    const llama_shape *s = &m->shape;
    m->embeddings = llama_tensor(file, "token_embd.weight", s->vocabulary, s->model_dim, why);
    m->host = malloc((size_t)LLAMA_MOST * (size_t)s->model_dim * sizeof *m->host);
    return m->embeddings && (m->host || refuse(why, "out of memory"));
}

static bool open_call(llama *m, reason *why)
{
    const llama_shape *s = &m->shape;
    return make_tensor(m, CLATTN_F32, LLAMA_MOST, 1, s->model_dim, &m->stream, why) &&
           make_tensor(m, CLATTN_F32, LOGIT_ROWS, 1, s->model_dim, &m->normed, why) &&
           make_tensor(m, CLATTN_F32, LOGIT_ROWS, 1, s->vocabulary, &m->logits, why) &&
           make_tensor(m, CLATTN_I32, 2, 1, 1, &m->lengths, why);
}

bool llama_open(const gguf *file, const session *s, int32_t rows,
                void (*progress)(void *user, double share), void *user, llama **out, reason *why)
{
    llama *m = calloc(1, sizeof *m);
    if (!m) {
        return refuse(why, "out of memory");
    }
    m->session = s;
    m->file = file;
    m->room = rows;
    bool ok = llama_read_shape(file, &m->shape, why);
    if (ok) {
        const size_t layers = (size_t)m->shape.layers;
        m->layers = calloc(layers, sizeof(clattn_op *));
        m->k_cache = calloc(layers, sizeof *m->k_cache);
        m->v_cache = calloc(layers, sizeof *m->v_cache);
        ok = (m->layers && m->k_cache && m->v_cache) || refuse(why, "out of memory");
    }
    /* The output first: while it is there twice, packed and not, the layers are not there. */
    ok = ok && open_embeddings(m, file, why) && open_call(m, why) && open_output(m, file, why);
    for (int layer = 0; ok && layer < m->shape.layers; layer++) {
        ok = open_layer(m, file, layer, why);
        if (progress) {
            progress(user, (layer + 1.0) / (m->shape.layers + 1.0));
        }
    }
    if (!ok) {
        llama_close(m);
        return false;
    }
    *out = m;
    return true;
}

void llama_close(llama *m)
{
    if (!m) {
        return;
    }
    clFinish(m->session->queue); /* it may still read from host */
    for (int layer = 0; m->layers && layer < m->shape.layers; layer++) {
        clattn_op_destroy(m->layers[layer]);
    }
    clattn_op_destroy(m->norm);
    clattn_op_destroy(m->output);
    if (m->scratch) {
        clReleaseMemObject(m->scratch);
    }
    buffers_release(&m->kept);
    free(m->layers);
    free(m->k_cache);
    free(m->v_cache);
    free(m->host);
    free(m);
}

const llama_shape *llama_shape_of(const llama *m) { return &m->shape; }

int32_t llama_rows(const llama *m) { return m->used; }

/* ---- Running ---------------------------------------------------------------------------- */

static clattn_tensor some_rows(const clattn_tensor *tensor, int64_t first, int64_t count)
{
    clattn_tensor part = *tensor;
    part.offset += first * tensor->size[3];
    part.size[1] = count;
    return part;
}

/* data stays as it is until the queue is done. */
static bool write_buffer(const llama *m, const clattn_tensor *to, const void *data, size_t bytes,
                         reason *why)
{
    const cl_int code =
        clEnqueueWriteBuffer(m->session->queue, to->mem, CL_FALSE, 0, bytes, data, 0, NULL, NULL);
    return code == CL_SUCCESS || refuse(why, "writing to the device gave OpenCL error %d", code);
}

static bool put_in(llama *m, const int32_t *tokens, int32_t count, reason *why)
{
    const llama_shape *s = &m->shape;
    const gguf_tensor *table = m->embeddings;
    const size_t row = table->bytes / (size_t)s->vocabulary;
    for (int32_t n = 0; n < count; n++) {
        if (tokens[n] < 0 || tokens[n] >= s->vocabulary) {
            return refuse(why, "token %d is not 0..%d", tokens[n], s->vocabulary - 1);
        }
        gguf_widen(table->type, (const char *)table->data + (size_t)tokens[n] * row, s->model_dim,
                   m->host + (size_t)n * (size_t)s->model_dim);
    }
    gguf_give_back(m->file, table); /* the system maps many pages around each row */
    m->around[0] = m->used;
    m->around[1] = m->used + count;
    return write_buffer(m, &m->stream, m->host,
                        (size_t)count * (size_t)s->model_dim * sizeof *m->host, why) &&
           write_buffer(m, &m->lengths, m->around, sizeof m->around, why);
}

/* The scratch of the largest call so far serves all layers, one after the other. */
static bool make_scratch(llama *m, const clattn_layer_args *args, reason *why)
{
    const size_t bytes = clattn_layer_scratch(m->layers[0], args);
    if (bytes <= m->scratch_bytes) {
        return true;
    }
    if (m->scratch) {
        clReleaseMemObject(m->scratch);
    }
    m->scratch = session_memory(m->session, bytes, NULL, why);
    m->scratch_bytes = m->scratch ? bytes : 0;
    return m->scratch != NULL;
}

bool llama_watch(llama *m, llama_attended *attended, void *user, reason *why)
{
    m->attended = attended;
    m->user = user;
    return make_tensor(m, CLATTN_F32, LLAMA_MOST, m->shape.heads, 1, &m->lse, why);
}

/* Lets the watcher see the attention that was enqueued last. */
static clattn_status show_attention(const llama *m, int layer, const clattn_layer_args *args)
{
    clattn_attention_args attention;
    const clattn_status status = clattn_layer_attention(m->layers[layer], args, &attention);
    return status == CLATTN_OK ? m->attended(m->user, layer, &attention) : status;
}

static bool run_layers(llama *m, int32_t count, reason *why)
{
    const clattn_tensor stream = some_rows(&m->stream, 0, count);
    clattn_layer_args args = {.x = stream, .out = stream, .used = some_rows(&m->lengths, 0, 1)};
    args.attention.kv_length = some_rows(&m->lengths, 1, 1);
    if (m->attended) {
        args.attention.lse = m->lse;
        args.attention.lse.size[1] = count;
    }
    if (!make_scratch(m, &args, why)) {
        return false;
    }
    args.scratch = m->scratch;
    for (int layer = 0; layer < m->shape.layers; layer++) {
        args.k_cache = m->k_cache[layer];
        args.v_cache = m->v_cache[layer];
        if (clattn_layer_run(m->layers[layer], m->session->queue, &args, NULL) != CLATTN_OK ||
            (m->attended && show_attention(m, layer, &args) != CLATTN_OK)) {
            return refuse(why, "layer %d: %s", layer, clattn_error());
        }
    }
    return true;
}

/* Of rows of the stream, count at most LOGIT_ROWS. */
static bool take_logits(llama *m, int32_t row, int32_t count, float *logits, reason *why)
{
    const cl_command_queue queue = m->session->queue;
    const clattn_norm_args norm = {.x = some_rows(&m->stream, row, count),
                                   .weight = m->norm_weight,
                                   .y = some_rows(&m->normed, 0, count)};
    const clattn_project_args output = {.x = norm.y, .y = some_rows(&m->logits, 0, count)};
    if (clattn_norm_run(m->norm, queue, &norm, NULL) != CLATTN_OK ||
        clattn_project_run(m->output, queue, &output, NULL) != CLATTN_OK) {
        return refuse(why, "logits: %s", clattn_error());
    }
    const size_t bytes = (size_t)count * (size_t)m->shape.vocabulary * sizeof *logits;
    const cl_int code =
        clEnqueueReadBuffer(queue, m->logits.mem, CL_TRUE, 0, bytes, logits, 0, NULL, NULL);
    return code == CL_SUCCESS || refuse(why, "reading logits gave OpenCL error %d", code);
}

bool llama_run(llama *m, const int32_t *tokens, int32_t count, bool all, float *logits, reason *why)
{
    if (count < 1 || count > LLAMA_MOST || count > m->room - m->used) {
        return refuse(why, "%d tokens more do not fit in a cache of %d rows, of which %d are used",
                      count, m->room, m->used);
    }
    if (!put_in(m, tokens, count, why) || !run_layers(m, count, why)) {
        return false;
    }
    m->used += count;
    for (int32_t row = all ? 0 : count - 1; logits && row < count; row += LOGIT_ROWS) {
        const int32_t left = count - row, some = left < LOGIT_ROWS ? left : LOGIT_ROWS;
        if (!take_logits(m, row, some, logits, why)) {
            return false;
        }
        logits += (size_t)some * (size_t)m->shape.vocabulary;
    }
    return clFinish(m->session->queue) == CL_SUCCESS || refuse(why, "the device failed");
}
