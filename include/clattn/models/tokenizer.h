/* Tokenizers: texts as the token ids that a model reads, and back. */
#ifndef CLATTN_MODELS_TOKENIZER_H
#define CLATTN_MODELS_TOKENIZER_H

#include <clattn/models/gguf.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable, thread-safe. */
typedef struct clattn_tokenizer clattn_tokenizer;

/* Byte-level BPE, as a GGUF file of a language model describes it (tokenizer.ggml.model = gpt2).
 * The file must outlive it.  The text of a refusal names the metadata at fault. */
CLATTN_API clattn_status clattn_tokenizer_create(const clattn_gguf *file, clattn_tokenizer **out);

/* WordPiece (Devlin et al. 2018), of the directory of an encoder: its vocab.txt, a piece a line,
 * cased if its tokenizer_config.json says so.  The text of a refusal names the file in there. */
CLATTN_API clattn_status clattn_tokenizer_open(const char *directory, clattn_tokenizer **out);

CLATTN_API void clattn_tokenizer_destroy(clattn_tokenizer *tokenizer);

/* ---- To ids -------------------------------------------------------------- */

/* Flags, or'ed.  WordPiece has no use for them: "[SEP]" in a text is always that token, and a text
 * is always whole, between [CLS] and [SEP]. */
enum {
    CLATTN_ENCODE_SPECIAL = 1, /* "<|im_end|>" in a text is that token; without, it is text like any
                                * other */
    CLATTN_ENCODE_WHOLE = 2 /* what the file says stands before and after a whole text is added */
};

/* Adds the tokens of a text to out.  Any bytes can be text; an empty one has no tokens but those
 * of a whole.  *lost, if not NULL, grows by the number of bytes that have no token in the
 * vocabulary and are left out. */
CLATTN_API clattn_status clattn_tokenizer_encode(const clattn_tokenizer *tokenizer,
                                                 const char *text, size_t bytes, unsigned flags,
                                                 clattn_ids *out, size_t *lost);

/* ---- Conversations ------------------------------------------------------- */

typedef struct clattn_chat_message {
    const char *role; /* system, user, assistant */
    const char *text;
} clattn_chat_message;

/* Whether the tokenizer's file has a chat template that this knows: of the ChatML family,
 *   <|im_start|>ROLE, a line end, the message, <|im_end|>, a line end.
 * The template is recognised, not run; the text says what is wrong with another. */
CLATTN_API clattn_status clattn_tokenizer_check_chat(const clattn_tokenizer *tokenizer);

/* Adds the tokens of a conversation to out, and then those with which the assistant's answer
 * begins.  Where the first message is not the system's, the template's own comes before, if it has
 * one.  What looks like markup in a message is text like any other.  *lost as above. */
CLATTN_API clattn_status clattn_tokenizer_encode_chat(const clattn_tokenizer *tokenizer,
                                                      const clattn_chat_message *messages,
                                                      size_t count, clattn_ids *out, size_t *lost);

/* ---- And back ------------------------------------------------------------ */

CLATTN_API int32_t clattn_tokenizer_count(const clattn_tokenizer *tokenizer); /* ids: 0 .. count - 1
                                                                               */

/* The bytes that a token stands for, which need not be whole characters; those of all tokens of a
 * text, one after the other, are the text.  A control token stands for its name, and one of
 * WordPiece for the piece as the vocabulary has it: "##ing".  They live as long as the tokenizer;
 * no bytes for an id that it has not. */
CLATTN_API clattn_text clattn_tokenizer_piece(const clattn_tokenizer *tokenizer, int32_t id);

/* The pieces of so many tokens as valid UTF-8: what is none becomes U+FFFD.  Writes at most room
 * bytes, of which the last is a zero, into text, which may be NULL with room 0; returns the length
 * of the whole, without the zero. */
CLATTN_API size_t clattn_tokenizer_decode(const clattn_tokenizer *tokenizer, const int32_t *ids,
                                          size_t count, char *text, size_t room);

/* A special token by its name; -1 = there is none. */
CLATTN_API int32_t clattn_tokenizer_find(const clattn_tokenizer *tokenizer, const char *name);

/* Whether it is not text, and not to be shown. */
CLATTN_API bool clattn_tokenizer_is_control(const clattn_tokenizer *tokenizer, int32_t id);

/* Whether a model that gives it is done. */
CLATTN_API bool clattn_tokenizer_ends(const clattn_tokenizer *tokenizer, int32_t id);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_MODELS_TOKENIZER_H */
