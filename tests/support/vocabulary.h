/* A small vocabulary of byte-level BPE as a GGUF file: what tests of it begin with and change. */
#ifndef SUPPORT_VOCABULARY_H
#define SUPPORT_VOCABULARY_H

#include "built_gguf.h"

/* The ids behind those of the 256 bytes, whose ids are their values. */
enum {
    ID_AB = 256,
    ID_BC,
    ID_ABC,
    ID_SPACE_A,
    ID_START, /* <|im_start|>, control */
    ID_END,   /* <|im_end|>, control */
    ID_SHORT, /* <|im, control: with it another one begins */
    ID_USER,  /* <<user>>, user-defined */
    ID_UNUSED,
    ID_WIDE, /* a normal token whose text stands for no bytes */
    VOCABULARY
};

typedef struct vocabulary {
    const char *model, *pre, *chat_template; /* NULL = left out */
    const char *tokens[VOCABULARY];
    int32_t kinds[VOCABULARY];
    const char *merges[8];
    size_t token_count, kind_count, merge_count;
    int bos, eos, add_bos, add_eos; /* -1 = left out */
} vocabulary;

/* bc ranks before ab, ab before "ab c". */
void vocabulary_make(vocabulary *v);
void vocabulary_build(const vocabulary *v, built *b);

/* The same of a file in which so many tensors, and before them more entries, come behind it. */
void vocabulary_begin(const vocabulary *v, built *b, uint64_t tensors, uint64_t more);

#endif /* SUPPORT_VOCABULARY_H */
