/* What a model reads, cut into sources and these into passages: spans of tokens that follow each
 * other from the first to the last. */
#ifndef TOOLS_PASSAGES_H
#define TOOLS_PASSAGES_H

#include "prompt.h"

typedef enum source_kind {
    SOURCE_SINK,     /* the first token: attention that is not needed elsewhere goes there (Xiao et
                      * al. 2023), whatever it says */
    SOURCE_MARKUP,   /* of the chat template */
    SOURCE_DOCUMENT, /* a --context */
    SOURCE_PROMPT,
    SOURCE_ANSWER, /* what was generated so far */
    SOURCE_KINDS
} source_kind;

typedef struct passage {
    source_kind kind;
    int document;       /* its number, from 0 */
    int32_t begin, end; /* tokens begin .. end - 1 */
} passage;

typedef struct passages {
    passage *items;
    size_t count;
} passages;

/* Documents are cut behind sentences and lines, so that a passage has a few dozen tokens.  The
 * answer, tokens prompt->count .. room - 1, is one passage; with apart each of its tokens is one,
 * and so is the prompt's last, of which the first comes. */
bool passages_cut(const bpe *tokenizer, const ids *prompt, const prompt_parts *parts, int32_t room,
                  bool apart, passages *out, reason *why);
void passages_free(passages *p);

#endif /* TOOLS_PASSAGES_H */
