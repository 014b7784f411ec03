/* Attribution of an answer, added up for people: what each source and each passage had of it. */
#ifndef TOOLS_SHARES_H
#define TOOLS_SHARES_H

#include "attribute.h"

/* All that is told of an answer.  Strings and arrays are somebody else's. */
typedef struct answer_sources {
    const char *model, *prompt;
    const text_list *documents; /* their files */
    attribute_method method;
    const bpe *tokenizer;
    const ids *read;      /* the prompt's tokens */
    const ids *answer;    /* the answer's */
    const float *logprob; /* of each token of the answer, natural */
    const passages *passages;
    int layers;
    const float *masses; /* answer tokens x layers x passages */
} answer_sources;

typedef struct shares {
    float *token;    /* answer tokens x passages, the mean of layers; rows sum up to 1 */
    double *passage; /* of the whole answer: the mean over its tokens */
    double kind[SOURCE_KINDS];
    double *document;     /* of the whole answer */
    double *of_documents; /* of what all documents have together: sums up to 1, or is 0 */
    double *by_layer;     /* layers x documents: the same, layer by layer */
} shares;

/* The layers that are taken together: first .. last of so many. */
void shares_layers(attribute_method method, int layers, int *first, int *last);

bool shares_add_up(const answer_sources *a, shares *out, reason *why);
void shares_free(shares *s);

/* Passages in the order of their shares, documents' alone: at most most numbers into order. */
size_t shares_best(const answer_sources *a, const shares *s, size_t *order, size_t most);

/* "a document", as its file is called, without folders. */
const char *source_name(const answer_sources *a, source_kind kind, int document);

#endif /* TOOLS_SHARES_H */
