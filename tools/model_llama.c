#include "model_llama.h"

#include "gguf_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 96, LOGIT_ROWS = 4 /* that are computed at once */, JOINED_MOST = 3 };

struct llama {
    const session *session;
    const gguf *file;
    llama_shape shape;
    int32_t room, used;            /* rows of the cache, and of those in use */
    const gguf_tensor *embeddings; /* in the file; rows are widened one by one */
    cl_mem *buffers;               /* every device buffer made here */
    size_t buffer_count, buffer_room;
    clattn_op **layers;
    clattn_op *norm, *output;
    clattn_tensor norm_weight;
    clattn_tensor *k_cache, *v_cache;
    clattn_tensor stream, normed, logits; /* of a call: x, .. */
    clattn_tensor lengths;                /* .. and rows of the cache in use before and after it */
    cl_mem scratch;
    size_t scratch_bytes;
    float *host;       /* LLAMA_MOST rows of embeddings */
    int32_t around[2]; /* lengths, on the host */
};

/* ---- Buffers ---------------------------------------------------------------------------- */

static cl_mem make_buffer(llama *m, size_t bytes, const void *data, reason *why)
{
    if (m->buffer_count == m->buffer_room) {
        const size_t room = 2 * m->buffer_room + 16;
        cl_mem *longer = realloc(m->buffers, room * sizeof *longer);
        if (!longer) {
            refuse(why, "out of memory");
            return NULL;
        }
        m->buffers = longer;
        m->buffer_room = room;
    }
    cl_int code;
    const cl_mem_flags flags = data ? CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR : CL_MEM_READ_WRITE;
    cl_mem mem = clCreateBuffer(clattn_context_cl(m->session->context), flags, bytes ? bytes : 1,
                                (void *)(uintptr_t)data, &code);
    if (code != CL_SUCCESS) {
        refuse(why, "no room for %zu bytes on the device (OpenCL error %d)", bytes, code);
        return NULL;
    }
    m->buffers[m->buffer_count++] = mem;
    return mem;
}

static bool make_tensor(llama *m, clattn_type type, int64_t batch, int64_t rows, int64_t heads,
                        int64_t columns, clattn_tensor *out, reason *why)
{
    *out = (clattn_tensor){.size = {batch, rows, heads, columns}, .type = type};
    out->mem = make_buffer(m, (size_t)(batch * rows * heads * columns) * clattn_type_size(type),
                           NULL, why);
    return out->mem != NULL;
}

static void drop_buffer(llama *m, cl_mem mem)
{
    for (size_t i = 0; i < m->buffer_count; i++) {
        if (m->buffers[i] == mem) {
            m->buffers[i] = m->buffers[--m->buffer_count];
            clReleaseMemObject(mem);
            return;
        }
    }
}

/* ---- Weights ---------------------------------------------------------------------------- */

static clattn_type stored_type(uint32_t type)
{
    switch (type) {
    case GGUF_F16: return CLATTN_F16;
    case GGUF_BF16: return CLATTN_BF16;
    case GGUF_Q8_0: return CLATTN_Q8_0;
    case GGUF_Q4_0: return CLATTN_Q4_0;
    case GGUF_Q4_1: return CLATTN_Q4_1;
    case GGUF_Q4_K: return CLATTN_Q4_K;
    case GGUF_Q6_K: return CLATTN_Q6_K;
    default: return CLATTN_F32;
    }
}

/* As it is stored. */
static bool load_matrix(llama *m, const gguf_tensor *t, clattn_tensor *out, reason *why)
{
    *out = (clattn_tensor){.size = {1, t->size[1], 1, t->size[0]}, .type = stored_type(t->type)};
    out->mem = make_buffer(m, t->bytes, t->data, why);
    return out->mem != NULL;
}

/* Norms and biases: few numbers, as floats. */
static bool load_vector(llama *m, const gguf_tensor *t, clattn_tensor *out, reason *why)
{
    float *values = malloc((size_t)t->size[0] * sizeof *values);
    if (!values) {
        return refuse(why, "out of memory");
    }
    gguf_widen(t->type, t->data, t->size[0], values);
    *out = (clattn_tensor){.size = {1, 1, 1, t->size[0]}, .type = CLATTN_F32};
    out->mem = make_buffer(m, (size_t)t->size[0] * sizeof *values, values, why);
    free(values);
    return out->mem != NULL;
}

/* A layer's tensor by the last part of its name. */
static void name_of(int layer, const char *part, const char *kind, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "blk.%d.%s.%s", layer, part, kind);
}

static bool load_linear(llama *m, const gguf *file, int layer, const char *part, int64_t out,
                        int64_t in, clattn_linear *linear, reason *why)
{
    char name[NAME_BYTES];
    name_of(layer, part, "weight", name);
    const gguf_tensor *t = llama_tensor(file, name, out, in, why);
    if (!t || !load_matrix(m, t, &linear->weight, why)) {
        return false;
    }
    gguf_give_back(file, t);
    name_of(layer, part, "bias", name);
    t = gguf_has_tensor(file, name) ? llama_tensor(file, name, 0, out, why) : NULL;
    return t ? load_vector(m, t, &linear->bias, why) : !gguf_has_tensor(file, name);
}

/* ---- Joining ---------------------------------------------------------------------------- */

/* Buffers one after the other in a new one; theirs are dropped. */
static bool join_buffers(llama *m, const cl_mem *parts, int count, cl_mem *out, reason *why)
{
    size_t bytes[JOINED_MOST] = {0}, sum = 0, at = 0;
    for (int i = 0; i < count; i++) {
        clGetMemObjectInfo(parts[i], CL_MEM_SIZE, sizeof bytes[i], &bytes[i], NULL);
        sum += bytes[i];
    }
    *out = make_buffer(m, sum, NULL, why);
    for (int i = 0; *out && i < count; at += bytes[i], i++) {
        const cl_int code =
            clEnqueueCopyBuffer(m->session->queue, parts[i], *out, 0, at, bytes[i], 0, NULL, NULL);
        if (code != CL_SUCCESS) {
            return refuse(why, "copying weights gave OpenCL error %d", code);
        }
        drop_buffer(m, parts[i]);
    }
    clFinish(m->session->queue); /* what packs weights does so in another queue */
    return *out != NULL;
}

/* Linear parts of the same input as one, which is left empty where they are of several types, or
 * some have a bias and others not. */
static bool join_linears(llama *m, clattn_linear *const *parts, int count, clattn_linear *out,
                         reason *why)
{
    cl_mem weights[JOINED_MOST], biases[JOINED_MOST];
    clattn_linear all = *parts[0];
    for (int i = 0; i < count; i++) {
        const clattn_linear *part = parts[i];
        if (part->weight.type != all.weight.type || !part->bias.mem != !all.bias.mem) {
            return true;
        }
        weights[i] = part->weight.mem;
        biases[i] = part->bias.mem;
        all.weight.size[1] += i ? part->weight.size[1] : 0;
        all.bias.size[3] += i ? part->bias.size[3] : 0;
    }
    if (!join_buffers(m, weights, count, &all.weight.mem, why) ||
        (all.bias.mem && !join_buffers(m, biases, count, &all.bias.mem, why))) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        *parts[i] = (clattn_linear){0};
    }
    *out = all;
    return true;
}

static bool load_norm(llama *m, const gguf *file, int layer, const char *part,
                      clattn_norm_weights *norm, reason *why)
{
    char name[NAME_BYTES];
    name_of(layer, part, "weight", name);
    const gguf_tensor *t = llama_tensor(file, name, 0, m->shape.model_dim, why);
    return t && load_vector(m, t, &norm->weight, why);
}

static bool load_weights(llama *m, const gguf *file, int layer, clattn_layer_desc *desc,
                         reason *why)
{
    const llama_shape *s = &m->shape;
    const int64_t D = s->model_dim, q = (int64_t)s->heads * s->head_dim,
                  kv = (int64_t)s->kv_heads * s->head_dim;
    const struct {
        const char *part;
        int64_t out, in;
        clattn_linear *linear;
    } rows[] = {
        {"attn_q", q, D, &desc->self_attention.q},
        {"attn_k", kv, D, &desc->self_attention.k},
        {"attn_v", kv, D, &desc->self_attention.v},
        {"attn_output", D, q, &desc->self_attention.out},
        {"ffn_gate", s->hidden_dim, D, &desc->ffn.gate},
        {"ffn_up", s->hidden_dim, D, &desc->ffn.up},
        {"ffn_down", D, s->hidden_dim, &desc->ffn.down},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!load_linear(m, file, layer, rows[i].part, rows[i].out, rows[i].in, rows[i].linear,
                         why)) {
            return false;
        }
    }
    clattn_attention_weights *self = &desc->self_attention;
    clattn_linear *const qkv[] = {&self->q, &self->k, &self->v};
    clattn_linear *const gate_up[] = {&desc->ffn.gate, &desc->ffn.up};
    return join_linears(m, qkv, 3, &self->qkv, why) &&
           join_linears(m, gate_up, 2, &desc->ffn.gate_up, why) &&
           load_norm(m, file, layer, "attn_norm", &desc->self_attention.norm, why) &&
           load_norm(m, file, layer, "ffn_norm", &desc->ffn.norm, why);
}

/* ---- Opening ---------------------------------------------------------------------------- */

static clattn_layer_desc layer_of(const llama *m)
{
    const llama_shape *s = &m->shape;
    return (clattn_layer_desc){
        .model_dim = s->model_dim,
        .hidden_dim = s->hidden_dim,
        .attention = {.head_dim = s->head_dim,
                      .query_heads = s->heads,
                      .kv_heads = s->kv_heads,
                      .kv_type = CLATTN_F16,
                      .causal = true},
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

/* Weights that a layer packed are not kept twice. */
static void drop_weights(llama *m, const clattn_layer_desc *desc)
{
    const clattn_attention_weights *a = &desc->self_attention;
    const clattn_ffn_weights *f = &desc->ffn;
    const clattn_linear *all[] = {&a->q,  &a->k,    &a->v,       &a->qkv, &a->out,
                                  &f->up, &f->gate, &f->gate_up, &f->down};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        drop_buffer(m, all[i]->weight.mem);
    }
}

static bool open_layer(llama *m, const gguf *file, int layer, reason *why)
{
    const llama_shape *s = &m->shape;
    clattn_layer_desc desc = layer_of(m);
    if (!load_weights(m, file, layer, &desc, why) ||
        !make_tensor(m, CLATTN_F16, 1, m->room, s->kv_heads, s->head_dim, &m->k_cache[layer],
                     why) ||
        !make_tensor(m, CLATTN_F16, 1, m->room, s->kv_heads, s->head_dim, &m->v_cache[layer],
                     why)) {
        return false;
    }
    if (clattn_layer_create(m->session->context, &desc, &m->layers[layer]) != CLATTN_OK) {
        return refuse(why, "layer %d: %s", layer, clattn_error());
    }
    drop_weights(m, &desc);
    return true;
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
    clattn_tensor weight;
    if (!matrix || !load_vector(m, norm, &m->norm_weight, why) ||
        !load_matrix(m, matrix, &weight, why)) {
        return false;
    }
    gguf_give_back(file, matrix);
    const clattn_norm_desc last = {
        .kind = CLATTN_RMS_NORM, .weight = true, .epsilon = (float)s->epsilon};
    const clattn_project_desc output = {
        .in_dim = s->model_dim, .out_dim = s->vocabulary, .weight = weight};
    if (clattn_norm_create(m->session->context, &last, &m->norm) != CLATTN_OK ||
        clattn_project_create(m->session->context, &output, &m->output) != CLATTN_OK) {
        return refuse(why, "%s: %s", name, clattn_error());
    }
    drop_buffer(m, weight.mem);
    return true;
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
    return make_tensor(m, CLATTN_F32, 1, LLAMA_MOST, 1, s->model_dim, &m->stream, why) &&
           make_tensor(m, CLATTN_F32, 1, LOGIT_ROWS, 1, s->model_dim, &m->normed, why) &&
           make_tensor(m, CLATTN_F32, 1, LOGIT_ROWS, 1, s->vocabulary, &m->logits, why) &&
           make_tensor(m, CLATTN_I32, 1, 2, 1, 1, &m->lengths, why);
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
    for (size_t i = 0; i < m->buffer_count; i++) {
        clReleaseMemObject(m->buffers[i]);
    }
    free(m->buffers);
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
    cl_int code;
    if (m->scratch) {
        clReleaseMemObject(m->scratch);
    }
    m->scratch = clCreateBuffer(clattn_context_cl(m->session->context), CL_MEM_READ_WRITE, bytes,
                                NULL, &code);
    m->scratch_bytes = code == CL_SUCCESS ? bytes : 0;
    return code == CL_SUCCESS ||
           refuse(why, "no room for %zu bytes of scratch (OpenCL error %d)", bytes, code);
}

static bool run_layers(llama *m, int32_t count, reason *why)
{
    const clattn_tensor stream = some_rows(&m->stream, 0, count);
    clattn_layer_args args = {.x = stream, .out = stream, .used = some_rows(&m->lengths, 0, 1)};
    args.attention.kv_length = some_rows(&m->lengths, 1, 1);
    if (!make_scratch(m, &args, why)) {
        return false;
    }
    args.scratch = m->scratch;
    for (int layer = 0; layer < m->shape.layers; layer++) {
        args.k_cache = m->k_cache[layer];
        args.v_cache = m->v_cache[layer];
        if (clattn_layer_run(m->layers[layer], m->session->queue, &args, NULL) != CLATTN_OK) {
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
