/* What a language model is given to go on with: documents, then the user's prompt, as they are or
 * in the model's chat template. */
#ifndef TOOLS_GENERATE_PROMPT_H
#define TOOLS_GENERATE_PROMPT_H

#include "shared/options.h"

#include <clattn/models/sources.h>

typedef struct prompt_source {
    const char *prompt;         /* text */
    const text_list *documents; /* files; before the prompt, an empty line after each */
    bool chat;
    const char *system; /* with chat: the system's message; NULL = the template's own */
} prompt_source;

/* Where its tokens come from, from the first to the last. */
typedef struct prompt_parts {
    clattn_source_part items[TEXT_LIST_MAX + 3]; /* markup, documents, the prompt, markup */
    size_t count;
} prompt_parts;

/* Adds its tokens to out, which is empty, and with parts tells where each is from: a token that
 * goes over from one into the next counts to where it begins.  False after a line that says why
 * not. */
bool prompt_encode(const prompt_source *source, const clattn_tokenizer *tokenizer, clattn_ids *out,
                   prompt_parts *parts);

#endif /* TOOLS_GENERATE_PROMPT_H */
