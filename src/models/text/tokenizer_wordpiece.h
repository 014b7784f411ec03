/* WordPiece, as BERT and its kin use it (Devlin et al. 2018): [CLS] pieces of words [SEP]. */
#ifndef TOOLS_TOKENIZER_WORDPIECE_H
#define TOOLS_TOKENIZER_WORDPIECE_H

#include "ids.h"
#include "shared/message.h"

typedef struct wordpiece wordpiece;

/* vocabulary: a piece a line, whose number from 0 on is its id; freed with the tokenizer, or at
 * once if that fails.  A byte is free behind it.  cased: letters keep their case and accents. */
bool wordpiece_create(char *vocabulary, size_t bytes, bool cased, wordpiece **out, reason *why);

/* Of a model's directory: its vocab.txt, cased if its tokenizer_config.json says so.  The reason
 * names the file. */
bool wordpiece_open(const char *directory, wordpiece **out, reason *why);
void wordpiece_destroy(wordpiece *tokenizer);

/* Adds at most most tokens to out, of which [CLS] and [SEP] are two; what is too much of the text
 * is cut off.  "[SEP]" in a text is that token.  Bytes that are no UTF-8 are left out. */
bool wordpiece_encode(const wordpiece *tokenizer, const char *text, size_t bytes, size_t most,
                      ids *out, reason *why);

/* A piece as the vocabulary has it, ended by a zero: "##ing". */
const char *wordpiece_piece(const wordpiece *tokenizer, int32_t id);
int32_t wordpiece_count(const wordpiece *tokenizer);

#endif /* TOOLS_TOKENIZER_WORDPIECE_H */
