/* What the composite ops need of projection. */
#ifndef CLATTN_PROJECT_H
#define CLATTN_PROJECT_H

#include <clattn/block.h>

#include <stdbool.h>

/* The tensor with each row's heads joined: {batch, rows, 1, heads * columns}.
 * False if the heads of a row do not lie side by side. */
bool clattn__join_heads(const clattn_tensor *tensor, clattn_tensor *joined);

#endif /* CLATTN_PROJECT_H */
