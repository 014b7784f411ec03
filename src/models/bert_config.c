#include "bert_config.h"

#include "common/error.h"
#include "files/file.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char config_name[] = "config.json", pooling_name[] = "1_Pooling/config.json",
                  sentence_name[] = "sentence_bert_config.json";

/* The caller deletes it. */
static clattn_status read_json(const char *directory, const char *name, cJSON **out)
{
    size_t bytes;
    char *text;
    TRY(clattn__file_text_in(directory, name, &text, &bytes));
    cJSON *json = cJSON_ParseWithLength(text, bytes);
    free(text);
    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        return clattn__refuse("%s: not a JSON object", name);
    }
    *out = json;
    return CLATTN_OK;
}

/* A whole number of 1 and more. */
static clattn_status read_count(const cJSON *json, const char *file, const char *name, int32_t *to)
{
    enum { MOST = 1 << 24 };
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    const double x = cJSON_IsNumber(item) ? item->valuedouble : 0;
    if (!(x >= 1 && x <= MOST) || floor(x) != x) {
        return clattn__refuse("%s: %s is %s, must be a whole number from 1 to %d", file, name,
                              item ? "something else" : "missing", MOST);
    }
    *to = (int32_t)x;
    return CLATTN_OK;
}

static clattn_status read_counts(const cJSON *json, clattn__bert_config *c)
{
    const struct {
        const char *name;
        int32_t *to;
    } rows[] = {{"vocab_size", &c->vocabulary},    {"max_position_embeddings", &c->positions},
                {"type_vocab_size", &c->types},    {"hidden_size", &c->columns},
                {"intermediate_size", &c->hidden}, {"num_attention_heads", &c->heads},
                {"num_hidden_layers", &c->layers}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        TRY(read_count(json, config_name, rows[i].name, rows[i].to));
    }
    return c->columns % c->heads == 0
               ? CLATTN_OK
               : clattn__refuse("%s: num_attention_heads, %d, does not divide hidden_size, %d",
                                config_name, c->heads, c->columns);
}

static clattn_status read_activation(const cJSON *json, clattn_activation *to)
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
            return CLATTN_OK;
        }
    }
    return clattn__refuse("%s: hidden_act %.32s is not supported", config_name,
                          name ? name : "is missing and");
}

/* A string that must be there, or may be absent, and is then this one. */
static clattn_status check_text(const cJSON *json, const char *name, const char *wanted,
                                bool optional)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    const char *text = cJSON_GetStringValue(item);
    if ((!item && optional) || (text && strcmp(text, wanted) == 0)) {
        return CLATTN_OK;
    }
    return clattn__refuse("%s: %s is %.32s, must be %s", config_name, name, text ? text : "missing",
                          wanted);
}

static clattn_status read_model(const cJSON *json, clattn__bert_config *c)
{
    const cJSON *epsilon = cJSON_GetObjectItemCaseSensitive(json, "layer_norm_eps");
    TRY(check_text(json, "model_type", "bert", false));
    TRY(check_text(json, "position_embedding_type", "absolute", true));
    TRY(read_counts(json, c));
    TRY(read_activation(json, &c->activation));
    c->epsilon = cJSON_IsNumber(epsilon) ? (float)epsilon->valuedouble : 0;
    c->most_tokens = c->positions;
    return (c->epsilon > 0 && isfinite(c->epsilon))
               ? CLATTN_OK
               : clattn__refuse("%s: layer_norm_eps must be a positive number", config_name);
}

static clattn_status read_limit(const cJSON *json, clattn__bert_config *c)
{
    int32_t limit = 0;
    TRY(read_count(json, sentence_name, "max_seq_length", &limit));
    c->most_tokens = limit < c->positions ? limit : c->positions;
    return CLATTN_OK;
}

static clattn_status check_pooling(const cJSON *json, clattn__bert_config *c)
{
    (void)c;
    for (const cJSON *item = json->child; item; item = item->next) {
        const bool mean = strcmp(item->string, "pooling_mode_mean_tokens") == 0;
        if (strncmp(item->string, "pooling_mode", 12) == 0 && cJSON_IsTrue(item) && !mean) {
            return clattn__refuse("%s: %.64s is not supported, only the mean of the tokens is",
                                  pooling_name, item->string);
        }
    }
    return CLATTN_OK;
}

clattn_status clattn__bert_config_read(const char *directory, clattn__bert_config *out)
{
    const struct {
        const char *name;
        bool optional;
        clattn_status (*read)(const cJSON *json, clattn__bert_config *c);
    } files[] = {{config_name, false, read_model},
                 {sentence_name, true, read_limit},
                 {pooling_name, true, check_pooling}};
    clattn__bert_config c = {0};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        cJSON *json = NULL;
        if (files[i].optional && !clattn__file_is_in(directory, files[i].name)) {
            continue;
        }
        TRY(read_json(directory, files[i].name, &json));
        const clattn_status status = files[i].read(json, &c);
        cJSON_Delete(json);
        TRY(status);
    }
    *out = c;
    return CLATTN_OK;
}
