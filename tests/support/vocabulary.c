#include "vocabulary.h"

void vocabulary_make(vocabulary *v)
{
    static const struct {
        const char *text;
        int32_t kind;
    } others[] = {[ID_AB - 256] = {"ab", 1},
                  [ID_BC - 256] = {"bc", 1},
                  [ID_ABC - 256] = {"abc", 1},
                  [ID_SPACE_A - 256] = {"\xc4\xa0"
                                        "a",
                                        1},
                  [ID_START - 256] = {"<|im_start|>", 3},
                  [ID_END - 256] = {"<|im_end|>", 3},
                  [ID_SHORT - 256] = {"<|im", 3},
                  [ID_USER - 256] = {"<<user>>", 4},
                  [ID_UNUSED - 256] = {"[unused]", 5},
                  [ID_WIDE - 256] = {"\xe6\x97\xa5", 1}};
    static const char *const merges[] = {"b c", "a b", "ab c", "\xc4\xa0 a"};
    *v = (vocabulary){.model = "gpt2",
                      .pre = "smollm",
                      .token_count = VOCABULARY,
                      .kind_count = VOCABULARY,
                      .merge_count = sizeof merges / sizeof *merges,
                      .bos = -1,
                      .eos = -1,
                      .add_bos = -1,
                      .add_eos = -1};
    for (int i = 0; i < VOCABULARY; i++) {
        v->tokens[i] = i < 256 ? byte_text(i) : others[i - 256].text;
        v->kinds[i] = i < 256 ? 1 : others[i - 256].kind;
    }
    for (size_t i = 0; i < v->merge_count; i++) {
        v->merges[i] = merges[i];
    }
}

void vocabulary_build(const vocabulary *v, built *b) { vocabulary_begin(v, b, 0, 0); }

void vocabulary_begin(const vocabulary *v, built *b, uint64_t tensors, uint64_t more)
{
    const struct {
        const char *key, *text;
    } texts[] = {{"tokenizer.ggml.model", v->model},
                 {"tokenizer.ggml.pre", v->pre},
                 {"tokenizer.chat_template", v->chat_template}};
    const struct {
        const char *key;
        int value, is_bool;
    } numbers[] = {{"tokenizer.ggml.bos_token_id", v->bos, 0},
                   {"tokenizer.ggml.eos_token_id", v->eos, 0},
                   {"tokenizer.ggml.add_bos_token", v->add_bos, 1},
                   {"tokenizer.ggml.add_eos_token", v->add_eos, 1}};
    uint64_t entries = 3 + more;
    for (int i = 0; i < 3; i++) {
        entries += texts[i].text != 0;
    }
    for (int i = 0; i < 4; i++) {
        entries += numbers[i].value >= 0;
    }
    build_header(b, tensors, entries);
    for (int i = 0; i < 3; i++) {
        if (texts[i].text) {
            build_text(b, texts[i].key, texts[i].text);
        }
    }
    for (int i = 0; i < 4; i++) {
        if (numbers[i].value >= 0 && numbers[i].is_bool) {
            build_bool(b, numbers[i].key, numbers[i].value);
        } else if (numbers[i].value >= 0) {
            build_integer(b, numbers[i].key, (uint32_t)numbers[i].value);
        }
    }
    build_texts(b, "tokenizer.ggml.tokens", v->tokens, v->token_count);
    build_integers(b, "tokenizer.ggml.token_type", v->kinds, v->kind_count);
    build_texts(b, "tokenizer.ggml.merges", v->merges, v->merge_count);
}
