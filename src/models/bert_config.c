#include "bert_config.h"
#include "models/files/load.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char config_name[] = "config.json", pooling_name[] = "1_Pooling/config.json",
                  sentence_name[] = "sentence_bert_config.json";

/* NULL with the reason. */
static cJSON *read_json(const char *directory, const char *name, reason *why)
{
    size_t bytes;
    char *text = file_text_in(directory, name, &bytes, why);
    if (!text) {
        return NULL;
    }
    cJSON *json = cJSON_ParseWithLength(text, bytes);
    free(text);
    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        refuse(why, "%s: not a JSON object", name);
        return NULL;
    }
    return json;
}

/* A whole number of 1 and more. */
static bool read_count(const cJSON *json, const char *file, const char *name, int32_t *to,
                       reason *why)
{
    enum { MOST = 1 << 24 };
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    const double x = cJSON_IsNumber(item) ? item->valuedouble : 0;
    if (!(x >= 1 && x <= MOST) || floor(x) != x) {
        return refuse(why, "%s: %s is %s, must be a whole number from 1 to %d", file, name,
                      item ? "something else" : "missing", MOST);
    }
    *to = (int32_t)x;
    return true;
}

static bool read_counts(const cJSON *json, bert_config *c, reason *why)
{
    const struct {
        const char *name;
        int32_t *to;
    } rows[] = {{"vocab_size", &c->vocabulary},    {"max_position_embeddings", &c->positions},
                {"type_vocab_size", &c->types},    {"hidden_size", &c->columns},
                {"intermediate_size", &c->hidden}, {"num_attention_heads", &c->heads},
                {"num_hidden_layers", &c->layers}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!read_count(json, config_name, rows[i].name, rows[i].to, why)) {
            return false;
        }
    }
    return c->columns % c->heads == 0 ||
           refuse(why, "%s: num_attention_heads, %d, does not divide hidden_size, %d", config_name,
                  c->heads, c->columns);
}

static bool read_activation(const cJSON *json, clattn_activation *to, reason *why)
{
    static const struct {
        const char *name;
        clattn_activation kind;
    } rows[] = {{"gelu", CLATTN_GELU},
                {"gelu_new", CLATTN_GELU_TANH},
                {"gelu_pytorch_tanh", CLATTN_GELU_TANH},
                {"relu", CLATTN_RELU},
                {"silu", CLATTN_SILU}};
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "hidden_act"));
    for (size_t i = 0; name && i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *to = rows[i].kind;
            return true;
        }
    }
    return refuse(why, "%s: hidden_act %.32s is not supported", config_name,
                  name ? name : "is missing and");
}

/* A string that must be there, or may be absent, and is then this one. */
static bool check_text(const cJSON *json, const char *name, const char *wanted, bool optional,
                       reason *why)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    const char *text = cJSON_GetStringValue(item);
    if ((!item && optional) || (text && strcmp(text, wanted) == 0)) {
        return true;
    }
    return refuse(why, "%s: %s is %.32s, must be %s", config_name, name, text ? text : "missing",
                  wanted);
}

static bool read_model(const cJSON *json, bert_config *c, reason *why)
{
    const cJSON *epsilon = cJSON_GetObjectItemCaseSensitive(json, "layer_norm_eps");
    if (!check_text(json, "model_type", "bert", false, why) ||
        !check_text(json, "position_embedding_type", "absolute", true, why) ||
        !read_counts(json, c, why) || !read_activation(json, &c->activation, why)) {
        return false;
    }
    c->epsilon = cJSON_IsNumber(epsilon) ? (float)epsilon->valuedouble : 0;
    c->most_tokens = c->positions;
    return (c->epsilon > 0 && isfinite(c->epsilon)) ||
           refuse(why, "%s: layer_norm_eps must be a positive number", config_name);
}

static bool read_limit(const cJSON *json, bert_config *c, reason *why)
{
    int32_t limit = 0;
    if (!read_count(json, sentence_name, "max_seq_length", &limit, why)) {
        return false;
    }
    c->most_tokens = limit < c->positions ? limit : c->positions;
    return true;
}

static bool check_pooling(const cJSON *json, bert_config *c, reason *why)
{
    (void)c;
    for (const cJSON *item = json->child; item; item = item->next) {
        const bool mean = strcmp(item->string, "pooling_mode_mean_tokens") == 0;
        if (strncmp(item->string, "pooling_mode", 12) == 0 && cJSON_IsTrue(item) && !mean) {
            return refuse(why, "%s: %.64s is not supported, only the mean of the tokens is",
                          pooling_name, item->string);
        }
    }
    return true;
}

bool bert_config_read(const char *directory, bert_config *out, reason *why)
{
    const struct {
        const char *name;
        bool optional;
        bool (*read)(const cJSON *json, bert_config *c, reason *why);
    } files[] = {{config_name, false, read_model},
                 {sentence_name, true, read_limit},
                 {pooling_name, true, check_pooling}};
    *out = (bert_config){0};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", directory, files[i].name);
        if (files[i].optional && access(path, F_OK) != 0) {
            continue;
        }
        cJSON *json = read_json(directory, files[i].name, why);
        const bool done = json && files[i].read(json, out, why);
        cJSON_Delete(json);
        if (!done) {
            return false;
        }
    }
    return true;
}
