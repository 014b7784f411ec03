#include "sources_report.h"

#include "models/text/utf8.h"

#include <stdlib.h>
#include <string.h>

char *tokens_text(const bpe *tokenizer, const int32_t *tokens, size_t count)
{
    utf8_stream characters = {0};
    size_t length = 0, bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += bpe_piece(tokenizer, tokens[i]).length;
    }
    char *text = malloc((bytes + 1) * UTF8_STREAM_OUT + 1);
    for (size_t i = 0; text && i < count; i++) {
        const gguf_text piece = bpe_piece(tokenizer, tokens[i]);
        for (size_t n = 0; n < piece.length; n++) {
            length +=
                (size_t)utf8_stream_add(&characters, (unsigned char)piece.bytes[n], text + length);
        }
    }
    if (text) {
        length += (size_t)utf8_stream_end(&characters, text + length);
        text[length] = '\0';
    }
    return text;
}

static char *passage_text(const answer_sources *a, const passage *p)
{
    const bool answer = p->kind == SOURCE_ANSWER;
    const ids *from = answer ? a->answer : a->read;
    const size_t first = answer ? (size_t)p->begin - a->read->count : (size_t)p->begin;
    const size_t left = from->count > first ? from->count - first : 0;
    const size_t length = (size_t)(p->end - p->begin);
    return tokens_text(a->tokenizer, from->items + (left ? first : 0),
                       length < left ? length : left);
}

/* ---- The table ---------------------------------------------------------------------------- */

void sources_table(FILE *file, const answer_sources *a, const shares *s)
{
    fprintf(file, "where the answer came from, by %s:\n  %8s %8s\n", attribute_methods[a->method],
            "of all", "of docs");
    for (int d = 0; d < a->documents->count; d++) {
        fprintf(file, "  %7.1f%% %7.1f%%  %s\n", 100 * s->document[d], 100 * s->of_documents[d],
                source_name(a, SOURCE_DOCUMENT, d));
    }
    for (int kind = 0; kind < SOURCE_KINDS; kind++) {
        if (kind != SOURCE_DOCUMENT) {
            fprintf(file, "  %7.1f%% %8s  %s\n", 100 * s->kind[kind], "",
                    source_name(a, (source_kind)kind, 0));
        }
    }
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void add_text(cJSON *to, const char *name, char *text)
{
    cJSON_AddStringToObject(to, name, text ? text : "");
    free(text);
}

static cJSON *numbers(const double *values, int count)
{
    return cJSON_CreateDoubleArray(values, count);
}

static void add_documents(cJSON *root, const answer_sources *a, const shares *s)
{
    cJSON *list = cJSON_AddArrayToObject(root, "documents");
    for (int d = 0; d < a->documents->count; d++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "file", a->documents->items[d]);
        cJSON_AddNumberToObject(one, "share", s->document[d]);
        cJSON_AddNumberToObject(one, "share_of_documents", s->of_documents[d]);
        cJSON_AddItemToArray(list, one);
    }
    cJSON *other = cJSON_AddObjectToObject(root, "other");
    cJSON_AddNumberToObject(other, "sink", s->kind[SOURCE_SINK]);
    cJSON_AddNumberToObject(other, "markup", s->kind[SOURCE_MARKUP]);
    cJSON_AddNumberToObject(other, "prompt", s->kind[SOURCE_PROMPT]);
    cJSON_AddNumberToObject(other, "answer", s->kind[SOURCE_ANSWER]);
    cJSON *layers = cJSON_AddArrayToObject(root, "share_of_documents_by_layer");
    for (int layer = 0; layer < a->layers; layer++) {
        cJSON_AddItemToArray(
            layers, numbers(s->by_layer + layer * a->documents->count, a->documents->count));
    }
}

static void add_passages(cJSON *root, const answer_sources *a, const shares *s)
{
    static const char *const names[] = {[SOURCE_SINK] = "sink",
                                        [SOURCE_MARKUP] = "markup",
                                        [SOURCE_DOCUMENT] = "document",
                                        [SOURCE_PROMPT] = "prompt",
                                        [SOURCE_ANSWER] = "answer"};
    cJSON *list = cJSON_AddArrayToObject(root, "passages");
    for (size_t i = 0; i < a->passages->count; i++) {
        const passage *p = &a->passages->items[i];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "source", names[p->kind]);
        if (p->kind == SOURCE_DOCUMENT) {
            cJSON_AddNumberToObject(one, "document", p->document);
        }
        cJSON_AddNumberToObject(one, "first_token", p->begin);
        cJSON_AddNumberToObject(one, "end_token", p->end);
        add_text(one, "text", passage_text(a, p));
        cJSON_AddNumberToObject(one, "share", s->passage[i]);
        cJSON_AddItemToArray(list, one);
    }
}

static void add_tokens(cJSON *root, const answer_sources *a, const shares *s)
{
    cJSON *list = cJSON_AddArrayToObject(root, "tokens");
    for (size_t n = 0; n < a->answer->count; n++) {
        cJSON *one = cJSON_CreateObject();
        add_text(one, "text", tokens_text(a->tokenizer, a->answer->items + n, 1));
        cJSON_AddNumberToObject(one, "id", a->answer->items[n]);
        cJSON_AddNumberToObject(one, "logprob", (double)a->logprob[n]);
        cJSON_AddItemToObject(
            one, "mass",
            cJSON_CreateFloatArray(s->token + n * a->passages->count, (int)a->passages->count));
        cJSON_AddItemToArray(list, one);
    }
}

cJSON *sources_json(const answer_sources *a, const shares *s)
{
    int first, last;
    double logprob = 0;
    cJSON *root = cJSON_CreateObject();
    shares_layers(a->method, a->layers, &first, &last);
    for (size_t n = 0; n < a->answer->count; n++) {
        logprob += (double)a->logprob[n];
    }
    cJSON_AddStringToObject(root, "model", a->model);
    cJSON_AddStringToObject(root, "method", attribute_methods[a->method]);
    cJSON_AddNumberToObject(root, "layers", a->layers);
    cJSON_AddNumberToObject(root, "first_layer", first);
    cJSON_AddNumberToObject(root, "last_layer", last);
    cJSON_AddStringToObject(root, "prompt", a->prompt);
    add_text(root, "answer", tokens_text(a->tokenizer, a->answer->items, a->answer->count));
    cJSON_AddNumberToObject(root, "answer_logprob", logprob);
    add_documents(root, a, s);
    add_passages(root, a, s);
    add_tokens(root, a, s);
    return root;
}
