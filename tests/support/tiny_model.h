/* A language model small enough to be in a test: random weights in f16, the vocabulary beside. */
#ifndef SUPPORT_TINY_MODEL_H
#define SUPPORT_TINY_MODEL_H

#include "vocabulary.h"

enum { TINY_LAYERS = 2, TINY_DIM = 32, TINY_HEADS = 2, TINY_CONTEXT = 640 };

/* The same bytes each time. */
void tiny_model_build(built *b);

#endif /* SUPPORT_TINY_MODEL_H */
