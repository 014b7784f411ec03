/* What the directory of a BERT checkpoint says of it, beside its weights. */
#ifndef MODELS_BERT_CONFIG_H
#define MODELS_BERT_CONFIG_H

#include <clattn/block.h>

typedef struct clattn__bert_config {
    int32_t vocabulary, positions, types; /* rows of the three tables of embeddings */
    int32_t columns, hidden;              /* of a token, and within the feed-forward */
    int32_t heads, layers;
    int32_t most_tokens; /* of a text, [CLS] and [SEP] included */
    float epsilon;
    clattn_activation activation;
} clattn__bert_config;

/* config.json, and of a sentence encoder sentence_bert_config.json and 1_Pooling/config.json, which
 * may be absent.  The text of a refusal names the file. */
clattn_status clattn__bert_config_read(const char *directory, clattn__bert_config *out);

#endif /* MODELS_BERT_CONFIG_H */
