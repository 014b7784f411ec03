/* Activations as cases name them. */
#ifndef CHECK_ACTIVATION_H
#define CHECK_ACTIVATION_H

#include "ref/ref.h"

#include <clattn/block.h>

struct activation_kind {
    const char *name; /* "gelu-tanh"; of gated forms "swiglu" */
    clattn_activation kind;
    enum ref_activation ref;
    bool gated;
};

/* Those without a gate come first. */
enum { UNGATED_KINDS = 5, ACTIVATION_KINDS = 10 };

extern const struct activation_kind activation_kinds[ACTIVATION_KINDS];

/* NULL if there is none of that name. */
const struct activation_kind *activation_named(const char *name);

#endif /* CHECK_ACTIVATION_H */
