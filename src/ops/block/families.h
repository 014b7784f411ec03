/* The ops of this folder, for the table of all. */
#ifndef CLATTN_OPS_BLOCK_FAMILIES_H
#define CLATTN_OPS_BLOCK_FAMILIES_H

#include "registry/variant.h"

extern const struct clattn__family clattn__activation_family;
extern const struct clattn__family clattn__embed_family;
extern const struct clattn__family clattn__norm_family;
extern const struct clattn__family clattn__rope_family;
extern const struct clattn__family clattn__softmax_family;
extern const struct clattn__family clattn__topk_family;

#endif /* CLATTN_OPS_BLOCK_FAMILIES_H */
