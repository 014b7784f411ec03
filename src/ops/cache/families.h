/* The ops of this folder, for the table of all. */
#ifndef CLATTN_OPS_CACHE_FAMILIES_H
#define CLATTN_OPS_CACHE_FAMILIES_H

#include "registry/variant.h"

extern const struct clattn__family clattn__append_family;
extern const struct clattn__family clattn__merge_family;

#endif /* CLATTN_OPS_CACHE_FAMILIES_H */
