/* A tokenizer of either kind. */
#ifndef MODELS_TEXT_TOKENIZER_H
#define MODELS_TEXT_TOKENIZER_H

#include "bpe_vocabulary.h"
#include "wordpiece.h"

struct clattn_tokenizer {
    const clattn_gguf *file;
    clattn__bpe *bpe; /* of the file; NULL = the other */
    clattn__wordpiece *wordpiece;
};

#endif /* MODELS_TEXT_TOKENIZER_H */
