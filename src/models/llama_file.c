#include "llama_file.h"

#include <string.h>

static bool is(gguf_text text, const char *wanted)
{
    return text.length == strlen(wanted) && memcmp(text.bytes, wanted, text.length) == 0;
}

/* fallback: what an absent key means; 0 = it must be there. */
static bool read_count(const gguf *file, const char *key, int32_t fallback, int32_t most,
                       int32_t *out, reason *why)
{
    int64_t value = fallback;
    if ((gguf_has(file, key) || !fallback) && !gguf_integer(file, key, 1, most, &value, why)) {
        return false;
    }
    *out = (int32_t)value;
    return true;
}

static bool read_number(const gguf *file, const char *key, double fallback, double *out,
                        reason *why)
{
    *out = fallback;
    if (!gguf_has(file, key)) {
        return true;
    }
    return gguf_float(file, key, out, why) &&
           ((*out > 0 && *out < 1e12) || refuse(why, "%s is %g", key, *out));
}

/* Rotary positions that are stretched in one of the ways there are. */
static bool check_scaling(const gguf *file, reason *why)
{
    static const char type[] = "llama.rope.scaling.type";
    static const char *const factors[] = {"llama.rope.scaling.factor", "llama.rope.scale_linear"};
    gguf_text text = {"none", 4};
    if (gguf_has_tensor(file, "rope_freqs.weight")) {
        return refuse(why, "tensor 'rope_freqs.weight' is there: scaled rotary positions are not "
                           "supported");
    }
    if (gguf_has(file, type) && !gguf_string(file, type, &text, why)) {
        return false;
    }
    if (!is(text, "none")) {
        return refuse(why, "%s is '%.*s'; only none is known", type, GGUF_SHOWN(text));
    }
    for (int i = 0; i < 2 && !gguf_has(file, type); i++) {
        double factor = 1;
        if (gguf_has(file, factors[i]) && !gguf_float(file, factors[i], &factor, why)) {
            return false;
        }
        if (factor != 1 && factor != 0) { /* both mean none */
            return refuse(why, "%s is %g: scaled rotary positions are not supported", factors[i],
                          factor);
        }
    }
    return true;
}

static bool check_architecture(const gguf *file, reason *why)
{
    gguf_text text;
    if (!gguf_string(file, "general.architecture", &text, why)) {
        return false;
    }
    if (!is(text, "llama")) {
        return refuse(why, "general.architecture is '%.*s'; only llama is known", GGUF_SHOWN(text));
    }
    if (gguf_has(file, "llama.expert_count")) {
        return refuse(why, "llama.expert_count is there: a mixture of experts is not supported");
    }
    return check_scaling(file, why);
}

static bool read_vocabulary(const gguf *file, llama_shape *s, reason *why)
{
    const gguf_tensor *t = gguf_find_tensor(file, "token_embd.weight", why);
    if (!t) {
        return false;
    }
    if (t->rank != 2 || t->size[0] != s->model_dim || t->size[1] < 1 || t->size[1] > INT32_MAX) {
        return refuse(why,
                      "tensor 'token_embd.weight' is %lld x %lld, rows of %d numbers are needed",
                      (long long)t->size[1], (long long)t->size[0], s->model_dim);
    }
    s->vocabulary = (int32_t)t->size[1];
    return true;
}

bool llama_read_shape(const gguf *file, llama_shape *s, reason *why)
{
    enum { MANY = 1 << 20 };
    if (!check_architecture(file, why) ||
        !read_count(file, "llama.block_count", 0, 10000, &s->layers, why) ||
        !read_count(file, "llama.embedding_length", 0, MANY, &s->model_dim, why) ||
        !read_count(file, "llama.feed_forward_length", 0, MANY, &s->hidden_dim, why) ||
        !read_count(file, "llama.attention.head_count", 0, MANY, &s->heads, why) ||
        !read_count(file, "llama.attention.head_count_kv", s->heads, MANY, &s->kv_heads, why) ||
        !read_count(file, "llama.context_length", 2048, INT32_MAX, &s->context, why)) {
        return false;
    }
    if (s->heads % s->kv_heads) {
        return refuse(why, "llama.attention.head_count_kv is %d, which does not divide %d heads",
                      s->kv_heads, s->heads);
    }
    if (!gguf_has(file, "llama.attention.key_length") && s->model_dim % s->heads) {
        return refuse(why, "llama.attention.head_count is %d, which does not divide %d columns",
                      s->heads, s->model_dim);
    }
    if (!read_count(file, "llama.attention.key_length", s->model_dim / s->heads, 512, &s->head_dim,
                    why) ||
        !read_count(file, "llama.rope.dimension_count", s->head_dim, s->head_dim, &s->rotary_dim,
                    why) ||
        !read_number(file, "llama.attention.layer_norm_rms_epsilon", 1e-5, &s->epsilon, why) ||
        !read_number(file, "llama.rope.freq_base", 10000, &s->base, why)) {
        return false;
    }
    return read_vocabulary(file, s, why);
}

const gguf_tensor *llama_tensor(const gguf *file, const char *name, int64_t rows, int64_t columns,
                                reason *why)
{
    const gguf_tensor *t = gguf_find_tensor(file, name, why);
    if (t && (t->size[0] != columns || t->size[1] != (rows ? rows : 1) || t->rank > 2)) {
        refuse(why, "tensor '%s' is %lld x %lld, %lld x %lld is needed", name,
               (long long)t->size[1], (long long)t->size[0], (long long)(rows ? rows : 1),
               (long long)columns);
        return NULL;
    }
    return t;
}
