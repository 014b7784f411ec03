/* BERT as a sentence encoder (Devlin et al. 2018, Reimers and Gurevych 2019), over the library's
 * public ops: batches of tokens that fit at once. */
#ifndef MODELS_BERT_H
#define MODELS_BERT_H

#include "bert_config.h"
#include "home.h"

typedef struct clattn__bert clattn__bert;

/* Of a directory: what clattn__bert_config_read reads, and model.safetensors. */
clattn_status clattn__bert_open(clattn_context *context, cl_command_queue queue,
                                const char *directory, clattn__bert **out);
void clattn__bert_close(clattn__bert *model);

const clattn__bert_config *clattn__bert_facts(const clattn__bert *model);
const char *clattn__bert_kernel(const clattn__bert *model); /* of its layers */

/* Tokens that one call takes: at least as many as the model has positions. */
int32_t clattn__bert_room(const clattn__bert *model);

/* Texts one after the other, nothing between them. */
typedef struct clattn__bert_batch {
    const int32_t *ids;
    const int32_t *starts; /* texts + 1: text t is ids[starts[t]] .. ids[starts[t + 1]], not empty
                            */
    int32_t texts;
} clattn__bert_batch;

/* sentences {texts, columns}: each the mean of its tokens, made 1 long.  tokens {ids, columns}:
 * what the last layer makes of each; may be NULL. */
clattn_status clattn__bert_encode(clattn__bert *model, const clattn__bert_batch *batch,
                                  float *sentences, float *tokens);

#endif /* MODELS_BERT_H */
