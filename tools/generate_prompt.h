/* What a language model is given to go on with: documents, then the user's prompt, as they are or
 * in the model's chat template. */
#ifndef TOOLS_GENERATE_PROMPT_H
#define TOOLS_GENERATE_PROMPT_H

#include "options.h"
#include "tokenizer_bpe.h"

typedef struct prompt_source {
    const char *prompt;         /* text */
    const text_list *documents; /* files; before the prompt, an empty line after each */
    bool chat;
    const char *system; /* with chat: the system's message; NULL = the template's own */
} prompt_source;

/* Adds its tokens to out.  False after a line that says why not. */
bool prompt_encode(const prompt_source *source, const gguf *file, const bpe *tokenizer, ids *out);

#endif /* TOOLS_GENERATE_PROMPT_H */
