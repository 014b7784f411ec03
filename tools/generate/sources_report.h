/* Telling where an answer came from: one HTML file that needs nothing else, the same as JSON, and a
 * short table. */
#ifndef TOOLS_SOURCES_REPORT_H
#define TOOLS_SOURCES_REPORT_H

#include "shared/message.h"
#include "shared/options.h"

#include <cjson/cJSON.h>
#include <clattn/models/sources.h>
#include <stdio.h>

/* All that is told of an answer.  Strings and arrays are somebody else's. */
typedef struct answer_sources {
    const char *model, *prompt;
    const text_list *documents; /* their files */
    clattn_sources_method method;
    const clattn_tokenizer *tokenizer;
    const clattn_ids *read;   /* the prompt's tokens */
    const clattn_ids *answer; /* the answer's */
    const float *logprob;     /* of each token of the answer, natural */
    const clattn_passage *passages;
    size_t passage_count;
    int layers;
    clattn_shares shares;
} answer_sources;

bool sources_html(FILE *file, const answer_sources *a, reason *why);
cJSON *sources_json(const answer_sources *a);
void sources_table(FILE *file, const answer_sources *a);

/* "a document", as its file is called, without folders. */
const char *source_name(const answer_sources *a, clattn_source kind, int document);

/* The text of so many tokens, valid UTF-8; the caller frees.  NULL without memory. */
char *tokens_text(const clattn_tokenizer *tokenizer, const int32_t *tokens, size_t count);

#endif /* TOOLS_SOURCES_REPORT_H */
