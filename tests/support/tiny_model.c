#include "tiny_model.h"

#include <clattn/models/array.h>
#include <clattn/models/gguf.h>

#include <stdio.h>

enum { HIDDEN = 32, KV = TINY_DIM / TINY_HEADS, OF_LAYER = 9, MOST = OF_LAYER * TINY_LAYERS + 2 };

typedef struct tensor {
    char name[64];
    uint64_t size[2]; /* columns, rows; rows 0: a vector, of ones */
} tensor;

static int list_tensors(tensor list[MOST])
{
    static const tensor parts[OF_LAYER] = {{"attn_norm", {TINY_DIM, 0}},
                                           {"attn_q", {TINY_DIM, TINY_DIM}},
                                           {"attn_k", {TINY_DIM, KV}},
                                           {"attn_v", {TINY_DIM, KV}},
                                           {"attn_output", {TINY_DIM, TINY_DIM}},
                                           {"ffn_norm", {TINY_DIM, 0}},
                                           {"ffn_gate", {TINY_DIM, HIDDEN}},
                                           {"ffn_up", {TINY_DIM, HIDDEN}},
                                           {"ffn_down", {HIDDEN, TINY_DIM}}};
    int count = 0;
    list[count++] = (tensor){"token_embd.weight", {TINY_DIM, VOCABULARY}};
    list[count++] = (tensor){"output_norm.weight", {TINY_DIM, 0}};
    for (int layer = 0; layer < TINY_LAYERS; layer++) {
        for (int p = 0; p < OF_LAYER; p++) {
            list[count] = parts[p];
            snprintf(list[count].name, sizeof list[count].name, "blk.%d.%.32s.weight", layer,
                     parts[p].name);
            count++;
        }
    }
    return count;
}

/* Every size is a multiple of the alignment. */
static void build_data(built *b, const tensor *t, uint32_t *state)
{
    const uint64_t count = t->size[0] * (t->size[1] ? t->size[1] : 1);
    for (uint64_t i = 0; i < count; i++) {
        *state = *state * 1664525 + 1013904223;
        const double value = t->size[1] ? (double)(*state >> 8) / (1 << 24) - 0.5 : 1;
        build_number(b, clattn_double_to_half(value), 2);
    }
}

void tiny_model_build(built *b)
{
    static const struct {
        const char *key;
        uint32_t value;
    } keys[] = {{"llama.block_count", TINY_LAYERS},    {"llama.embedding_length", TINY_DIM},
                {"llama.feed_forward_length", HIDDEN}, {"llama.attention.head_count", TINY_HEADS},
                {"llama.attention.head_count_kv", 1},  {"llama.context_length", TINY_CONTEXT}};
    enum { KEYS = sizeof keys / sizeof *keys };
    static vocabulary v;
    static tensor list[MOST];
    uint64_t offset = 0;
    uint32_t state = 7;
    const int count = list_tensors(list);
    vocabulary_make(&v);
    v.chat_template = "<|im_start|>assistant\n<|im_end|>\n";
    vocabulary_begin(&v, b, (uint64_t)count, KEYS + 1);
    build_text(b, "general.architecture", "llama");
    for (int i = 0; i < KEYS; i++) {
        build_integer(b, keys[i].key, keys[i].value);
    }
    for (int i = 0; i < count; i++) {
        const uint64_t *size = list[i].size;
        build_tensor(b, list[i].name, size[1] ? 2 : 1, size, CLATTN_GGUF_F16, offset);
        offset += 2 * size[0] * (size[1] ? size[1] : 1);
    }
    build_pad(b, 32);
    for (int i = 0; i < count; i++) {
        build_data(b, &list[i], &state);
    }
}
