/* generate --attribute: watches a model answer and tells which sources the answer came from. */
#ifndef TOOLS_GENERATE_SOURCES_H
#define TOOLS_GENERATE_SOURCES_H

#include "prompt.h"
#include "shared/output.h"
#include "sources_report.h"

typedef struct generate_sources { /* zeros = nothing is watched */
    const char *html;             /* where the report goes */
    char *json;                   /* and the same as JSON: the name with .json for .html */
    clattn_sources_method method;
    prompt_parts parts;
    clattn_sources *watch;
    float *logprob; /* of the tokens of the answer */
    size_t count, room;
} generate_sources;

/* Asks for both files.  False after a line, as all here. */
bool sources_files(generate_sources *g, output_set *outputs);

/* Once prompt and model are there; documents: their number. */
bool sources_watch(generate_sources *g, clattn_model *model, const clattn_tokenizer *tokenizer,
                   const clattn_ids *prompt, int32_t documents);

/* Before each token of the answer: token came of logits, vocabulary of them. */
bool sources_note(generate_sources *g, const float *logits, int32_t vocabulary, int32_t token);

/* a: what is known but here. */
bool sources_write(generate_sources *g, answer_sources *a, output_set *outputs, bool table);
void sources_close(generate_sources *g);

#endif /* TOOLS_GENERATE_SOURCES_H */
