/* The vocabulary and merges of byte-level BPE, made of a GGUF file's metadata. */
#ifndef TOOLS_BPE_VOCABULARY_H
#define TOOLS_BPE_VOCABULARY_H

#include "lookup.h"
#include "pretokenize.h"
#include "special_tokens.h"
#include "tokenizer_bpe.h"

/* tokenizer.ggml.token_type */
enum { BPE_NORMAL = 1, BPE_UNKNOWN = 2, BPE_CONTROL = 3, BPE_USER = 4 };

typedef struct bpe_token {
    gguf_text piece;
    int32_t kind;
} bpe_token;

typedef struct bpe_merge {
    int32_t left, right, result;
} bpe_merge;

enum { BPE_MAX_ENDS = 16 };

struct bpe {
    const pretokenizer *rules;
    bpe_token *tokens;
    int32_t count;
    char *pool;             /* the bytes of normal tokens */
    int32_t bytes[256];     /* tokens of single bytes; -1 = none */
    bpe_merge *merges;      /* by rank */
    lookup ranks;           /* of pairs of ids, with which each merge begins */
    lookup words;           /* normal tokens by their bytes; nothing unless pieces ignore merges */
    special_tokens special; /* tokens that are found as they are written */
    special_tokens user;    /* those of them that are found always: user-defined, not control */
    int32_t first, last;    /* of a whole text; -1 = none */
    int32_t ends[BPE_MAX_ENDS];
    int end_count;
};

/* The rank at which two tokens are joined, or -1. */
int32_t bpe_rank(const bpe *tokenizer, int32_t left, int32_t right);

#endif /* TOOLS_BPE_VOCABULARY_H */
