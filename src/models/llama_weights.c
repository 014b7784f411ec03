#include "llama_weights.h"

#include "models/files/gguf_rows.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_BYTES = 96, JOINED_MOST = 3 };

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

bool llama_load_matrix(const llama_loader *l, const gguf_tensor *t, clattn_tensor *out, reason *why)
{
    *out = (clattn_tensor){.size = {1, t->size[1], 1, t->size[0]}, .type = stored_type(t->type)};
    out->mem = buffers_make(l->session, l->owner, t->bytes, t->data, why);
    gguf_give_back(l->file, t);
    return out->mem != NULL;
}

bool llama_load_vector(const llama_loader *l, const gguf_tensor *t, clattn_tensor *out, reason *why)
{
    float *values = malloc((size_t)t->size[0] * sizeof *values);
    if (!values) {
        return refuse(why, "out of memory");
    }
    gguf_widen(t->type, t->data, t->size[0], values);
    *out = (clattn_tensor){.size = {1, 1, 1, t->size[0]}, .type = CLATTN_F32};
    out->mem = buffers_make(l->session, l->owner, (size_t)t->size[0] * sizeof *values, values, why);
    free(values);
    return out->mem != NULL;
}

/* A layer's tensor by the last part of its name. */
static void name_of(int layer, const char *part, const char *kind, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "blk.%d.%s.%s", layer, part, kind);
}

static bool load_linear(const llama_loader *l, int layer, const char *part, int64_t out, int64_t in,
                        clattn_linear *linear, reason *why)
{
    char name[NAME_BYTES];
    name_of(layer, part, "weight", name);
    const gguf_tensor *t = llama_tensor(l->file, name, out, in, why);
    if (!t || !llama_load_matrix(l, t, &linear->weight, why)) {
        return false;
    }
    name_of(layer, part, "bias", name);
    t = gguf_has_tensor(l->file, name) ? llama_tensor(l->file, name, 0, out, why) : NULL;
    return t ? llama_load_vector(l, t, &linear->bias, why) : !gguf_has_tensor(l->file, name);
}

/* ---- Joining ---------------------------------------------------------------------------- */

/* Buffers one after the other in a new one. */
static bool join_buffers(const llama_loader *l, const cl_mem *parts, int count, cl_mem *out,
                         reason *why)
{
    size_t bytes[JOINED_MOST] = {0}, sum = 0, at = 0;
    for (int i = 0; i < count; i++) {
        clGetMemObjectInfo(parts[i], CL_MEM_SIZE, sizeof bytes[i], &bytes[i], NULL);
        sum += bytes[i];
    }
    *out = buffers_make(l->session, l->owner, sum, NULL, why);
    if (!*out) {
        return false;
    }
    cl_int code = CL_SUCCESS;
    for (int i = 0; code == CL_SUCCESS && i < count; at += bytes[i], i++) {
        code =
            clEnqueueCopyBuffer(l->session->queue, parts[i], *out, 0, at, bytes[i], 0, NULL, NULL);
    }
    /* What packs weights does so in another queue. */
    const cl_int finished = clFinish(l->session->queue);
    code = code == CL_SUCCESS ? finished : code;
    return code == CL_SUCCESS || refuse(why, "copying weights gave OpenCL error %d", code);
}

/* Linear parts of the same input as one, which is left empty where they are of several types, or
 * some have a bias and others not. */
static bool join_linears(const llama_loader *l, clattn_linear *const *parts, int count,
                         clattn_linear *out, reason *why)
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
    if (!join_buffers(l, weights, count, &all.weight.mem, why) ||
        (all.bias.mem && !join_buffers(l, biases, count, &all.bias.mem, why))) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        *parts[i] = (clattn_linear){0};
    }
    *out = all;
    return true;
}

static bool load_norm(const llama_loader *l, int layer, const char *part, clattn_norm_weights *norm,
                      reason *why)
{
    char name[NAME_BYTES];
    name_of(layer, part, "weight", name);
    const gguf_tensor *t = llama_tensor(l->file, name, 0, l->shape->model_dim, why);
    return t && llama_load_vector(l, t, &norm->weight, why);
}

bool llama_load_layer(const llama_loader *l, int layer, clattn_layer_desc *desc, reason *why)
{
    const llama_shape *s = l->shape;
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
        if (!load_linear(l, layer, rows[i].part, rows[i].out, rows[i].in, rows[i].linear, why)) {
            return false;
        }
    }
    clattn_attention_weights *self = &desc->self_attention;
    clattn_linear *const qkv[] = {&self->q, &self->k, &self->v};
    clattn_linear *const gate_up[] = {&desc->ffn.gate, &desc->ffn.up};
    return join_linears(l, qkv, 3, &self->qkv, why) &&
           join_linears(l, gate_up, 2, &desc->ffn.gate_up, why) &&
           load_norm(l, layer, "attn_norm", &desc->self_attention.norm, why) &&
           load_norm(l, layer, "ffn_norm", &desc->ffn.norm, why);
}
