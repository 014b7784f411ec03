/* A conversation as the tokens that a model of the ChatML family was taught:
 * <|im_start|>ROLE, a line end, the message, <|im_end|>, a line end. */
#ifndef MODELS_TEXT_CHAT_H
#define MODELS_TEXT_CHAT_H

#include "bpe_encode.h"

typedef struct clattn__chat {
    const clattn__bpe *tokenizer;
    int32_t start, end; /* <|im_start|> and <|im_end|> */
    char *system;       /* what the model is told where a conversation does not begin with it;
                           NULL = nothing */
} clattn__chat;

/* From the file's tokenizer.chat_template; one that is not of the family is refused. */
clattn_status clattn__chat_open(const clattn_gguf *file, const clattn__bpe *tokenizer,
                                clattn__chat *out);
void clattn__chat_close(clattn__chat *c);

/* As clattn_tokenizer_encode_chat; lost is not NULL. */
clattn_status clattn__chat_encode(const clattn__chat *c, const clattn_chat_message *messages,
                                  size_t count, clattn_ids *out, size_t *lost);

#endif /* MODELS_TEXT_CHAT_H */
