#include "llama_file.h"

#include "common/error.h"

#include <string.h>

static bool is(clattn_text text, const char *wanted)
{
    return text.length == strlen(wanted) && memcmp(text.bytes, wanted, text.length) == 0;
}

/* fallback: what an absent key means; 0 = it must be there. */
static clattn_status read_count(const clattn_gguf *file, const char *key, int32_t fallback,
                                int32_t most, int32_t *out)
{
    int64_t value = fallback;
    if (clattn_gguf_has(file, key) || !fallback) {
        TRY(clattn_gguf_integer(file, key, 1, most, &value));
    }
    *out = (int32_t)value;
    return CLATTN_OK;
}

static clattn_status read_number(const clattn_gguf *file, const char *key, double fallback,
                                 double *out)
{
    *out = fallback;
    if (!clattn_gguf_has(file, key)) {
        return CLATTN_OK;
    }
    TRY(clattn_gguf_float(file, key, out));
    return *out > 0 && *out < 1e12 ? CLATTN_OK : clattn__refuse("%s is %g", key, *out);
}

/* Rotary positions that are stretched in one of the ways there are. */
static clattn_status check_scaling(const clattn_gguf *file)
{
    static const char type[] = "llama.rope.scaling.type";
    static const char *const factors[] = {"llama.rope.scaling.factor", "llama.rope.scale_linear"};
    clattn_text text = {"none", 4};
    if (clattn_gguf_has_tensor(file, "rope_freqs.weight")) {
        return clattn__refuse("tensor 'rope_freqs.weight' is there: scaled rotary positions are "
                              "not supported");
    }
    if (clattn_gguf_has(file, type)) {
        TRY(clattn_gguf_string(file, type, &text));
    }
    if (!is(text, "none")) {
        return clattn__refuse("%s is '%.*s'; only none is known", type, CLATTN__SHOWN(text));
    }
    for (int i = 0; i < 2 && !clattn_gguf_has(file, type); i++) {
        double factor = 1;
        if (clattn_gguf_has(file, factors[i])) {
            TRY(clattn_gguf_float(file, factors[i], &factor));
        }
        if (factor != 1 && factor != 0) { /* both mean none */
            return clattn__refuse("%s is %g: scaled rotary positions are not supported", factors[i],
                                  factor);
        }
    }
    return CLATTN_OK;
}

static clattn_status check_architecture(const clattn_gguf *file)
{
    clattn_text text;
    TRY(clattn_gguf_string(file, "general.architecture", &text));
    if (!is(text, "llama")) {
        return clattn__refuse("general.architecture is '%.*s'; only llama is known",
                              CLATTN__SHOWN(text));
    }
    if (clattn_gguf_has(file, "llama.expert_count")) {
        return clattn__refuse("llama.expert_count is there: a mixture of experts is not supported");
    }
    return check_scaling(file);
}

static clattn_status read_vocabulary(const clattn_gguf *file, clattn_model_shape *s)
{
    const clattn_gguf_tensor *t;
    TRY(clattn_gguf_find_tensor(file, "token_embd.weight", &t));
    if (t->rank != 2 || t->size[0] != s->model_dim || t->size[1] < 1 || t->size[1] > INT32_MAX) {
        return clattn__refuse(
            "tensor 'token_embd.weight' is %lld x %lld, rows of %d numbers are needed",
            (long long)t->size[1], (long long)t->size[0], s->model_dim);
    }
    s->vocabulary = (int32_t)t->size[1];
    return CLATTN_OK;
}

static clattn_status read_shape(const clattn_gguf *file, clattn_model_shape *s)
{
    enum { MANY = 1 << 20 };
    TRY(check_architecture(file));
    TRY(read_count(file, "llama.block_count", 0, 10000, &s->layers));
    TRY(read_count(file, "llama.embedding_length", 0, MANY, &s->model_dim));
    TRY(read_count(file, "llama.feed_forward_length", 0, MANY, &s->hidden_dim));
    TRY(read_count(file, "llama.attention.head_count", 0, MANY, &s->heads));
    TRY(read_count(file, "llama.attention.head_count_kv", s->heads, MANY, &s->kv_heads));
    TRY(read_count(file, "llama.context_length", 2048, INT32_MAX, &s->context));
    if (s->heads % s->kv_heads) {
        return clattn__refuse("llama.attention.head_count_kv is %d, which does not divide %d heads",
                              s->kv_heads, s->heads);
    }
    if (!clattn_gguf_has(file, "llama.attention.key_length") && s->model_dim % s->heads) {
        return clattn__refuse("llama.attention.head_count is %d, which does not divide %d columns",
                              s->heads, s->model_dim);
    }
    TRY(read_count(file, "llama.attention.key_length", s->model_dim / s->heads, 512, &s->head_dim));
    TRY(read_count(file, "llama.rope.dimension_count", s->head_dim, s->head_dim, &s->rotary_dim));
    TRY(read_number(file, "llama.attention.layer_norm_rms_epsilon", 1e-5, &s->epsilon));
    TRY(read_number(file, "llama.rope.freq_base", 10000, &s->base));
    return read_vocabulary(file, s);
}

clattn_status clattn_model_read_shape(const clattn_gguf *file, clattn_model_shape *out)
{
    clattn_model_shape shape = {0};
    NEED(file, "model: file");
    NEED(out, "model: out");
    TRY(read_shape(file, &shape));
    *out = shape;
    return CLATTN_OK;
}

clattn_status clattn__llama_tensor(const clattn_gguf *file, const char *name, int64_t rows,
                                   int64_t columns, const clattn_gguf_tensor **out)
{
    const clattn_gguf_tensor *t;
    TRY(clattn_gguf_find_tensor(file, name, &t));
    if (t->size[0] != columns || t->size[1] != (rows ? rows : 1) || t->rank > 2) {
        return clattn__refuse("tensor '%s' is %lld x %lld, %lld x %lld is needed", name,
                              (long long)t->size[1], (long long)t->size[0],
                              (long long)(rows ? rows : 1), (long long)columns);
    }
    *out = t;
    return CLATTN_OK;
}
