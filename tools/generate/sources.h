/* generate --attribute: watches a model answer and tells which sources the answer came from. */
#ifndef TOOLS_GENERATE_SOURCES_H
#define TOOLS_GENERATE_SOURCES_H

#include "models/shares.h"
#include "shared/output.h"

typedef struct generate_sources { /* zeros = nothing is watched */
    const char *html;             /* where the report goes */
    char *json;                   /* and the same as JSON: the name with .json for .html */
    attribute_method method;
    prompt_parts parts;
    passages passages;
    attribution *attribution;
    float *logprob; /* of the tokens of the answer */
    size_t count, room;
} generate_sources;

/* Asks for both files.  False after a line, as all here. */
bool sources_files(generate_sources *g, output_set *outputs);

/* Once prompt and model are there; rows: tokens that may be read. */
bool sources_watch(generate_sources *g, const session *s, llama *model, const bpe *tokenizer,
                   const ids *prompt, int32_t rows);

/* Before each token of the answer: token came of logits, vocabulary of them. */
bool sources_note(generate_sources *g, const float *logits, int32_t vocabulary, int32_t token);

/* a: what is known but here. */
bool sources_write(generate_sources *g, answer_sources *a, output_set *outputs, bool table);
void sources_close(generate_sources *g);

#endif /* TOOLS_GENERATE_SOURCES_H */
