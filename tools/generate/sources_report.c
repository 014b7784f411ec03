#include "sources_report.h"

#include <stdlib.h>
#include <string.h>

char *tokens_text(const clattn_tokenizer *tokenizer, const int32_t *tokens, size_t count)
{
    const size_t room = clattn_tokenizer_decode(tokenizer, tokens, count, NULL, 0) + 1;
    char *text = malloc(room);
    if (text) {
        clattn_tokenizer_decode(tokenizer, tokens, count, text, room);
    }
    return text;
}

const char *source_name(const answer_sources *a, clattn_source kind, int document)
{
    static const char *const names[] = {[CLATTN_SOURCE_SINK] = "first token (sink)",
                                        [CLATTN_SOURCE_MARKUP] = "chat markup",
                                        [CLATTN_SOURCE_PROMPT] = "prompt",
                                        [CLATTN_SOURCE_ANSWER] = "answer so far"};
    if (kind != CLATTN_SOURCE_DOCUMENT) {
        return names[kind];
    }
    const char *path = a->documents->items[document], *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static char *passage_text(const answer_sources *a, const clattn_passage *p)
{
    const bool answer = p->kind == CLATTN_SOURCE_ANSWER;
    const clattn_ids *from = answer ? a->answer : a->read;
    const size_t first = answer ? (size_t)p->begin - a->read->count : (size_t)p->begin;
    const size_t left = from->count > first ? from->count - first : 0;
    const size_t length = (size_t)(p->end - p->begin);
    return tokens_text(a->tokenizer, from->items + (left ? first : 0),
                       length < left ? length : left);
}

/* ---- The table ---------------------------------------------------------------------------- */

void sources_table(FILE *file, const answer_sources *a)
{
    fprintf(file, "where the answer came from, by %s:\n  %8s %8s\n",
            clattn_sources_method_name(a->method), "of all", "of docs");
    for (int d = 0; d < a->documents->count; d++) {
        fprintf(file, "  %7.1f%% %7.1f%%  %s\n", 100 * a->shares.document[d],
                100 * a->shares.of_documents[d], source_name(a, CLATTN_SOURCE_DOCUMENT, d));
    }
    for (int kind = 0; kind < CLATTN_SOURCES; kind++) {
        if (kind != CLATTN_SOURCE_DOCUMENT) {
            fprintf(file, "  %7.1f%% %8s  %s\n", 100 * a->shares.kind[kind], "",
                    source_name(a, (clattn_source)kind, 0));
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

static void add_documents(cJSON *root, const answer_sources *a)
{
    cJSON *list = cJSON_AddArrayToObject(root, "documents");
    for (int d = 0; d < a->documents->count; d++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "file", a->documents->items[d]);
        cJSON_AddNumberToObject(one, "share", a->shares.document[d]);
        cJSON_AddNumberToObject(one, "share_of_documents", a->shares.of_documents[d]);
        cJSON_AddItemToArray(list, one);
    }
    cJSON *other = cJSON_AddObjectToObject(root, "other");
    cJSON_AddNumberToObject(other, "sink", a->shares.kind[CLATTN_SOURCE_SINK]);
    cJSON_AddNumberToObject(other, "markup", a->shares.kind[CLATTN_SOURCE_MARKUP]);
    cJSON_AddNumberToObject(other, "prompt", a->shares.kind[CLATTN_SOURCE_PROMPT]);
    cJSON_AddNumberToObject(other, "answer", a->shares.kind[CLATTN_SOURCE_ANSWER]);
    cJSON *layers = cJSON_AddArrayToObject(root, "share_of_documents_by_layer");
    for (int layer = 0; layer < a->layers; layer++) {
        cJSON_AddItemToArray(
            layers, numbers(a->shares.by_layer + layer * a->documents->count, a->documents->count));
    }
}

static void add_passages(cJSON *root, const answer_sources *a)
{
    static const char *const names[] = {[CLATTN_SOURCE_SINK] = "sink",
                                        [CLATTN_SOURCE_MARKUP] = "markup",
                                        [CLATTN_SOURCE_DOCUMENT] = "document",
                                        [CLATTN_SOURCE_PROMPT] = "prompt",
                                        [CLATTN_SOURCE_ANSWER] = "answer"};
    cJSON *list = cJSON_AddArrayToObject(root, "passages");
    for (size_t i = 0; i < a->passage_count; i++) {
        const clattn_passage *p = &a->passages[i];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "source", names[p->kind]);
        if (p->kind == CLATTN_SOURCE_DOCUMENT) {
            cJSON_AddNumberToObject(one, "document", p->document);
        }
        cJSON_AddNumberToObject(one, "first_token", p->begin);
        cJSON_AddNumberToObject(one, "end_token", p->end);
        add_text(one, "text", passage_text(a, p));
        cJSON_AddNumberToObject(one, "share", a->shares.passage[i]);
        cJSON_AddItemToArray(list, one);
    }
}

static void add_tokens(cJSON *root, const answer_sources *a)
{
    cJSON *list = cJSON_AddArrayToObject(root, "tokens");
    for (size_t n = 0; n < a->answer->count; n++) {
        cJSON *one = cJSON_CreateObject();
        add_text(one, "text", tokens_text(a->tokenizer, a->answer->items + n, 1));
        cJSON_AddNumberToObject(one, "id", a->answer->items[n]);
        cJSON_AddNumberToObject(one, "logprob", (double)a->logprob[n]);
        cJSON_AddItemToObject(
            one, "mass",
            cJSON_CreateFloatArray(a->shares.token + n * a->passage_count, (int)a->passage_count));
        cJSON_AddItemToArray(list, one);
    }
}

cJSON *sources_json(const answer_sources *a)
{
    double logprob = 0;
    cJSON *root = cJSON_CreateObject();
    for (size_t n = 0; n < a->answer->count; n++) {
        logprob += (double)a->logprob[n];
    }
    cJSON_AddStringToObject(root, "model", a->model);
    cJSON_AddStringToObject(root, "method", clattn_sources_method_name(a->method));
    cJSON_AddNumberToObject(root, "layers", a->layers);
    cJSON_AddNumberToObject(root, "first_layer", a->shares.first_layer);
    cJSON_AddNumberToObject(root, "last_layer", a->shares.last_layer);
    cJSON_AddStringToObject(root, "prompt", a->prompt);
    add_text(root, "answer", tokens_text(a->tokenizer, a->answer->items, a->answer->count));
    cJSON_AddNumberToObject(root, "answer_logprob", logprob);
    add_documents(root, a);
    add_passages(root, a);
    add_tokens(root, a);
    return root;
}
