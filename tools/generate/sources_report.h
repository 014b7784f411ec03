/* Telling where an answer came from: one HTML file that needs nothing else, the same as JSON, and a
 * short table. */
#ifndef TOOLS_SOURCES_REPORT_H
#define TOOLS_SOURCES_REPORT_H

#include "models/shares.h"

#include <cjson/cJSON.h>
#include <stdio.h>

bool sources_html(FILE *file, const answer_sources *a, const shares *s, reason *why);
cJSON *sources_json(const answer_sources *a, const shares *s);
void sources_table(FILE *file, const answer_sources *a, const shares *s);

/* The text of tokens begin .. end - 1, valid UTF-8; the caller frees.  NULL without memory. */
char *tokens_text(const bpe *tokenizer, const int32_t *tokens, size_t count);

#endif /* TOOLS_SOURCES_REPORT_H */
