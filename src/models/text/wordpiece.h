/* WordPiece, as BERT and its kin use it (Devlin et al. 2018): [CLS] pieces of words [SEP]. */
#ifndef MODELS_TEXT_WORDPIECE_H
#define MODELS_TEXT_WORDPIECE_H

#include <clattn/models/text.h>

typedef struct clattn__wordpiece clattn__wordpiece;

/* vocabulary: a piece a line, whose number from 0 on is its id; freed with the tokenizer, or at
 * once if that fails.  A byte is free behind it.  cased: letters keep their case and accents. */
clattn_status clattn__wordpiece_create(char *vocabulary, size_t bytes, bool cased,
                                       clattn__wordpiece **out);

/* Of a model's directory: its vocab.txt, cased if its tokenizer_config.json says so.  The text
 * of a refusal names the file. */
clattn_status clattn__wordpiece_open(const char *directory, clattn__wordpiece **out);
void clattn__wordpiece_destroy(clattn__wordpiece *tokenizer);

/* Adds at most most tokens to out, of which [CLS] and [SEP] are two; what is too much of the text
 * is cut off.  "[SEP]" in a text is that token.  Bytes that are no UTF-8 are left out. */
clattn_status clattn__wordpiece_encode(const clattn__wordpiece *tokenizer, const char *text,
                                       size_t bytes, size_t most, clattn_ids *out);

/* A piece as the vocabulary has it, ended by a zero: "##ing". */
const char *clattn__wordpiece_piece(const clattn__wordpiece *tokenizer, int32_t id);
int32_t clattn__wordpiece_count(const clattn__wordpiece *tokenizer);

/* A special token by its name; -1 = there is none. */
int32_t clattn__wordpiece_find(const clattn__wordpiece *tokenizer, const char *name);

#endif /* MODELS_TEXT_WORDPIECE_H */
