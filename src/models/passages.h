/* What a model reads, cut into passages: spans of tokens that follow each other from the first to
 * the last. */
#ifndef MODELS_PASSAGES_H
#define MODELS_PASSAGES_H

#include <clattn/models/sources.h>

typedef struct clattn__passages {
    clattn_passage *items;
    size_t count;
} clattn__passages;

/* Of the prompt's parts, which are right, and of the answer: tokens prompt_count .. desc->rows - 1,
 * one passage; by rollout each of its tokens is one, and so is the prompt's last, of which the
 * first comes. */
clattn_status clattn__passages_cut(const clattn_sources_desc *desc, clattn__passages *out);
void clattn__passages_free(clattn__passages *p);

#endif /* MODELS_PASSAGES_H */
