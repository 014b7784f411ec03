/* A language model of the llama architecture from a GGUF file: the layers are clattn's; this takes
 * the weights to the device, keeps the cache and turns tokens into logits. */
#ifndef TOOLS_MODEL_LLAMA_H
#define TOOLS_MODEL_LLAMA_H

#include "llama_file.h"
#include "shared/session.h"

typedef struct llama llama;

/* rows: tokens that the cache has room for.  Weights are copied as they are stored; embeddings are
 * read from the file, which must outlive the model.  progress is told the share done; NULL =
 * nobody is. */
bool llama_open(const gguf *file, const session *s, int32_t rows,
                void (*progress)(void *user, double share), void *user, llama **out, reason *why);
void llama_close(llama *model);

const llama_shape *llama_shape_of(const llama *model);

enum { LLAMA_MOST = 512 }; /* tokens of one call */

/* Puts count tokens, 1 .. LLAMA_MOST, behind those that were given before.  logits, vocabulary
 * numbers each: of the last token, or with all of every one of them; NULL = none are needed. */
bool llama_run(llama *model, const int32_t *tokens, int32_t count, bool all, float *logits,
               reason *why);

/* Calls attended for each layer of each run when it was enqueued, with the operands of its
 * attention and with lse; what it enqueues finds them as they were. */
typedef clattn_status llama_attended(void *user, int layer, const clattn_attention_args *args);
bool llama_watch(llama *model, llama_attended *attended, void *user, reason *why);

/* The attention of every layer. */
clattn_attention_desc llama_attention_of(const llama *model);

/* Tokens in the cache. */
int32_t llama_rows(const llama *model);

#endif /* TOOLS_MODEL_LLAMA_H */
