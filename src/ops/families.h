/* Every op there is. */
#ifndef CLATTN_OPS_FAMILIES_H
#define CLATTN_OPS_FAMILIES_H

#include "registry/variant.h"

/* Those whose variants have files, until NULL: what is built beforehand and tuned. */
extern const struct clattn__family *const clattn__families[];

#endif /* CLATTN_OPS_FAMILIES_H */
