/* The vocabulary and merges of byte-level BPE, made of a GGUF file's metadata. */
#ifndef MODELS_TEXT_BPE_VOCABULARY_H
#define MODELS_TEXT_BPE_VOCABULARY_H

#include "models/common/lookup.h"
#include "pretokenize.h"
#include "special_tokens.h"

#include <clattn/models/tokenizer.h>

/* tokenizer.ggml.token_type */
enum { BPE_NORMAL = 1, BPE_UNKNOWN = 2, BPE_CONTROL = 3, BPE_USER = 4 };

typedef struct clattn__bpe_token {
    clattn_text piece;
    int32_t kind;
} clattn__bpe_token;

typedef struct clattn__bpe_merge {
    int32_t left, right, result;
} clattn__bpe_merge;

enum { BPE_MAX_ENDS = 16 };

typedef struct clattn__bpe {
    const clattn__pretokenizer *rules;
    clattn__bpe_token *tokens;
    int32_t count;
    char *pool;                /* the bytes of normal tokens */
    int32_t bytes[256];        /* tokens of single bytes; -1 = none */
    clattn__bpe_merge *merges; /* by rank */
    clattn__lookup ranks;      /* of pairs of ids, with which each merge begins */
    clattn__lookup words; /* normal tokens by their bytes; nothing unless pieces ignore merges */
    clattn__special_tokens special; /* tokens that are found as they are written */
    clattn__special_tokens user; /* those of them that are found always: user-defined, not control
                                  */
    int32_t first, last;         /* of a whole text; -1 = none */
    int32_t ends[BPE_MAX_ENDS];
    int end_count;
} clattn__bpe;

/* The file must outlive it.  The text of a refusal names the metadata at fault. */
clattn_status clattn__bpe_create(const clattn_gguf *file, clattn__bpe **out);
void clattn__bpe_destroy(clattn__bpe *tokenizer);

/* The rank at which two tokens are joined, or -1. */
int32_t clattn__bpe_rank(const clattn__bpe *tokenizer, int32_t left, int32_t right);

/* As the functions of clattn/models/tokenizer.h; ids are 0 .. count - 1. */
int32_t clattn__bpe_find(const clattn__bpe *tokenizer, const char *text);
bool clattn__bpe_is_control(const clattn__bpe *tokenizer, int32_t id);
bool clattn__bpe_ends(const clattn__bpe *tokenizer, int32_t id);

#endif /* MODELS_TEXT_BPE_VOCABULARY_H */
