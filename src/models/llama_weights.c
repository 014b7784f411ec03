#include "llama_weights.h"

#include "common/error.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_BYTES = 96, JOINED_MOST = 3 };

static clattn_type stored_type(uint32_t type)
{
    switch (type) {
    case CLATTN_GGUF_F16: return CLATTN_F16;
    case CLATTN_GGUF_BF16: return CLATTN_BF16;
    case CLATTN_GGUF_Q8_0: return CLATTN_Q8_0;
    case CLATTN_GGUF_Q4_0: return CLATTN_Q4_0;
    case CLATTN_GGUF_Q4_1: return CLATTN_Q4_1;
    case CLATTN_GGUF_Q4_K: return CLATTN_Q4_K;
    case CLATTN_GGUF_Q6_K: return CLATTN_Q6_K;
    default: return CLATTN_F32;
    }
}

clattn_status clattn__llama_load_matrix(const clattn__llama_loader *l, const clattn_gguf_tensor *t,
                                        clattn_tensor *out)
{
    *out = (clattn_tensor){.size = {1, t->size[1], 1, t->size[0]}, .type = stored_type(t->type)};
    const clattn_status status =
        clattn__buffers_add(l->home, l->owner, t->bytes, t->data, &out->mem);
    clattn_gguf_give_back(l->file, t);
    return status;
}

clattn_status clattn__llama_load_vector(const clattn__llama_loader *l, const clattn_gguf_tensor *t,
                                        clattn_tensor *out)
{
    const size_t bytes = (size_t)t->size[0] * sizeof(float);
    float *values = malloc(bytes);
    if (!values) {
        return clattn__no_memory();
    }
    clattn_gguf_widen(t->type, t->data, t->size[0], values);
    *out = (clattn_tensor){.size = {1, 1, 1, t->size[0]}, .type = CLATTN_F32};
    const clattn_status status = clattn__buffers_add(l->home, l->owner, bytes, values, &out->mem);
    free(values);
    return status;
}

/* A layer's tensor by the last part of its name. */
static void name_of(int layer, const char *part, const char *kind, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "blk.%d.%s.%s", layer, part, kind);
}

static clattn_status load_linear(const clattn__llama_loader *l, int layer, const char *part,
                                 int64_t out, int64_t in, clattn_linear *linear)
{
    char name[NAME_BYTES];
    const clattn_gguf_tensor *t;
    name_of(layer, part, "weight", name);
    TRY(clattn__llama_tensor(l->file, name, out, in, &t));
    TRY(clattn__llama_load_matrix(l, t, &linear->weight));
    name_of(layer, part, "bias", name);
    if (!clattn_gguf_has_tensor(l->file, name)) {
        return CLATTN_OK;
    }
    TRY(clattn__llama_tensor(l->file, name, 0, out, &t));
    return clattn__llama_load_vector(l, t, &linear->bias);
}

/* ---- Joining ---------------------------------------------------------------------------- */

/* Buffers one after the other in a new one. */
static clattn_status join_buffers(const clattn__llama_loader *l, const cl_mem *parts, int count,
                                  cl_mem *out)
{
    size_t bytes[JOINED_MOST] = {0}, sum = 0, at = 0;
    for (int i = 0; i < count; i++) {
        TRY(CL(clGetMemObjectInfo, parts[i], CL_MEM_SIZE, sizeof bytes[i], &bytes[i], NULL));
        sum += bytes[i];
    }
    TRY(clattn__buffers_add(l->home, l->owner, sum, NULL, out));
    for (int i = 0; i < count; at += bytes[i], i++) {
        TRY(CL(clEnqueueCopyBuffer, l->home->queue, parts[i], *out, 0, at, bytes[i], 0, NULL,
               NULL));
    }
    return CL(clFinish, l->home->queue); /* what packs weights does so in another queue */
}

/* Linear parts of the same input as one, which is left empty where they are of several types, or
 * some have a bias and others not. */
static clattn_status join_linears(const clattn__llama_loader *l, clattn_linear *const *parts,
                                  int count, clattn_linear *out)
{
    cl_mem weights[JOINED_MOST], biases[JOINED_MOST];
    clattn_linear all = *parts[0];
    for (int i = 0; i < count; i++) {
        const clattn_linear *part = parts[i];
        if (part->weight.type != all.weight.type || !part->bias.mem != !all.bias.mem) {
            return CLATTN_OK;
        }
        weights[i] = part->weight.mem;
        biases[i] = part->bias.mem;
        all.weight.size[1] += i ? part->weight.size[1] : 0;
        all.bias.size[3] += i ? part->bias.size[3] : 0;
    }
    TRY(join_buffers(l, weights, count, &all.weight.mem));
    if (all.bias.mem) {
        TRY(join_buffers(l, biases, count, &all.bias.mem));
    }
    for (int i = 0; i < count; i++) {
        *parts[i] = (clattn_linear){0};
    }
    *out = all;
    return CLATTN_OK;
}

static clattn_status load_norm(const clattn__llama_loader *l, int layer, const char *part,
                               clattn_norm_weights *norm)
{
    char name[NAME_BYTES];
    const clattn_gguf_tensor *t;
    name_of(layer, part, "weight", name);
    TRY(clattn__llama_tensor(l->file, name, 0, l->shape->model_dim, &t));
    return clattn__llama_load_vector(l, t, &norm->weight);
}

clattn_status clattn__llama_load_layer(const clattn__llama_loader *l, int layer,
                                       clattn_layer_desc *desc)
{
    const clattn_model_shape *s = l->shape;
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
        TRY(load_linear(l, layer, rows[i].part, rows[i].out, rows[i].in, rows[i].linear));
    }
    clattn_attention_weights *self = &desc->self_attention;
    clattn_linear *const qkv[] = {&self->q, &self->k, &self->v};
    clattn_linear *const gate_up[] = {&desc->ffn.gate, &desc->ffn.up};
    TRY(join_linears(l, qkv, 3, &self->qkv));
    TRY(join_linears(l, gate_up, 2, &desc->ffn.gate_up));
    TRY(load_norm(l, layer, "attn_norm", &desc->self_attention.norm));
    return load_norm(l, layer, "ffn_norm", &desc->ffn.norm);
}
