/* Encoder and decoder layers as their formulas say, in double precision, for the sizes of layer.c.
 */
#ifndef TEST_FORMULAS_H
#define TEST_FORMULAS_H

#include "support/fixture.h"
#include "support/tensors.h"

enum { BATCH = 2, ROWS = 9, MODEL = 24, HIDDEN = 40, HEADS = 4, KV = 2, DIM = 6, CONTEXT = 7 };
enum { SOURCE = 20 }; /* columns of the context */
enum { MOST = 2 * HIDDEN * MODEL };

/* All numbers of a dense f32 tensor, also of an absent one; to be freed. */
double *formula_numbers(const clattn_tensor *tensor);

/* What layer d makes of x, and of context if it has cross-attention: y[BATCH * ROWS * MODEL]. */
void formula_layer(const clattn_layer_desc *d, const double *x, const double *context, double *y);

#endif
