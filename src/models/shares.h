/* Attribution of an answer, added up for people: what each source and each passage had of it. */
#ifndef MODELS_SHARES_H
#define MODELS_SHARES_H

#include "passages.h"

/* What was noted of an answer; somebody else's. */
typedef struct clattn__noted {
    clattn_sources_method method;
    const clattn__passages *passages;
    int32_t layers, documents;
    size_t tokens;
    const float *masses; /* tokens x layers x passages: of each layer they sum up to 1 */
} clattn__noted;

clattn_status clattn__shares_add_up(const clattn__noted *n, clattn_shares *out);

#endif /* MODELS_SHARES_H */
