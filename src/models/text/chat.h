/* A conversation as the tokens that a model of the ChatML family was taught:
 * <|im_start|>ROLE, a line end, the message, <|im_end|>, a line end. */
#ifndef TOOLS_CHAT_H
#define TOOLS_CHAT_H

#include "tokenizer_bpe.h"

typedef struct chat {
    const bpe *tokenizer;
    int32_t start, end; /* <|im_start|> and <|im_end|> */
    char *system;       /* what the model is told where a conversation does not begin with it;
                           NULL = nothing */
} chat;

typedef struct chat_message {
    const char *role; /* system, user, assistant */
    const char *text;
} chat_message;

/* From the file's tokenizer.chat_template, which is recognised, not run; one that is not of the
 * family is refused. */
bool chat_open(const gguf *file, const bpe *tokenizer, chat *out, reason *why);
void chat_close(chat *c);

/* Adds the tokens of the messages to out, and then those with which the assistant's answer begins.
 * What looks like markup in a message is text like any other.  *lost as in bpe_encode. */
bool chat_encode(const chat *c, const chat_message *messages, size_t count, ids *out, size_t *lost,
                 reason *why);

#endif /* TOOLS_CHAT_H */
