/* How byte-level BPE cuts a text into pieces, within which alone tokens are merged: the rules that
 * models give as regular expressions, written out. */
#ifndef MODELS_TEXT_PRETOKENIZE_H
#define MODELS_TEXT_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct clattn__pretokenizer clattn__pretokenizer;

/* By the name in tokenizer.ggml.pre; NULL = unknown. */
const clattn__pretokenizer *clattn__pretokenizer_find(const char *name, size_t length);

/* Names of one of each kind, for a refusal. */
extern const char clattn__pretokenizer_names[];

/* Bytes of the first piece of a text that is not empty. */
size_t clattn__pretokenizer_piece(const clattn__pretokenizer *rules, const char *text,
                                  size_t bytes);

/* Whether a piece that is a token as a whole is taken for it, whatever merging would give; and
 * whether a text begins with the beginning-of-sequence token if the file does not say. */
bool clattn__pretokenizer_ignores_merges(const clattn__pretokenizer *rules);
bool clattn__pretokenizer_adds_bos(const clattn__pretokenizer *rules);

#endif /* MODELS_TEXT_PRETOKENIZE_H */
