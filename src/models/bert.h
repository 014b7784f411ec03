/* BERT as a sentence encoder (Devlin et al. 2018, Reimers and Gurevych 2019), over the library's
 * public ops.  Every function that returns false has printed a line that says why not. */
#ifndef TOOLS_MODEL_BERT_H
#define TOOLS_MODEL_BERT_H

#include "bert_config.h"
#include "shared/session.h"

typedef struct bert bert;

/* Of a directory: what bert_config_read reads, and model.safetensors.  session outlives it. */
bool bert_open(const session *session, const char *directory, bert **out);
void bert_close(bert *model);

const bert_config *bert_facts(const bert *model);
const char *bert_kernel(const bert *model); /* of its layers */

/* Tokens that one call takes: at least as many as the model has positions. */
int32_t bert_room(const bert *model);

/* Texts one after the other, nothing between them. */
typedef struct bert_batch {
    const int32_t *ids;
    const int32_t *starts; /* texts + 1: text t is ids[starts[t]] .. ids[starts[t + 1]], not empty
                            */
    int32_t texts;
} bert_batch;

/* sentences {texts, columns}: each the mean of its tokens, made 1 long.  tokens {ids, columns}:
 * what the last layer makes of each; may be NULL. */
bool bert_encode(bert *model, const bert_batch *batch, float *sentences, float *tokens);

#endif /* TOOLS_MODEL_BERT_H */
