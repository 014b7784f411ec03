/* Encoding by byte-level BPE. */
#ifndef MODELS_TEXT_BPE_ENCODE_H
#define MODELS_TEXT_BPE_ENCODE_H

#include "bpe_vocabulary.h"

/* As clattn_tokenizer_encode; lost is not NULL. */
clattn_status clattn__bpe_encode(const clattn__bpe *tokenizer, const char *text, size_t bytes,
                                 unsigned flags, clattn_ids *out, size_t *lost);

#endif /* MODELS_TEXT_BPE_ENCODE_H */
