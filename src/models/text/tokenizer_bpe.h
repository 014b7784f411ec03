/* Byte-level BPE, as a GGUF file describes it (tokenizer.ggml.model = gpt2). */
#ifndef TOOLS_TOKENIZER_BPE_H
#define TOOLS_TOKENIZER_BPE_H

#include "ids.h"
#include "models/files/gguf.h"

typedef struct bpe bpe;

/* The file must outlive it.  The reason names the metadata at fault. */
bool bpe_create(const gguf *file, bpe **out, reason *why);
void bpe_destroy(bpe *tokenizer);

/* Adds the tokens of a text to out.  Any bytes can be text.  *lost grows by the number of those
 * that have no token in the vocabulary and are left out. */
typedef enum bpe_flags {
    BPE_SPECIAL = 1, /* "<|im_end|>" in the text is that token; without, it is text like any other
                      */
    BPE_WHOLE = 2,   /* what the file says stands before and after a whole text is added */
} bpe_flags;
bool bpe_encode(const bpe *tokenizer, const char *text, size_t bytes, unsigned flags, ids *out,
                size_t *lost, reason *why);

/* The bytes that a token stands for, which need not be whole characters; those of all tokens of a
 * text, one after the other, are the text.  A control token stands for its name. */
gguf_text bpe_piece(const bpe *tokenizer, int32_t id);

int32_t bpe_count(const bpe *tokenizer);                  /* ids are 0 .. count - 1 */
int32_t bpe_find(const bpe *tokenizer, const char *text); /* a special token by name, or -1 */
bool bpe_is_control(const bpe *tokenizer, int32_t id);    /* not text, and not to be shown */
bool bpe_ends(const bpe *tokenizer, int32_t id);          /* a model that gives it is done */

#endif /* TOOLS_TOKENIZER_BPE_H */
