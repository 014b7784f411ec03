/* Kinds of activation, for the ops that apply one. */
#ifndef CLATTN_OPS_ACTIVATION_H
#define CLATTN_OPS_ACTIVATION_H

#include "runtime/error.h"

#include <clattn/block.h>

/* "gelu-tanh" */
const char *clattn__activation_name(clattn_activation kind);

/* Refuses what is no kind. */
clattn_status clattn__check_activation(const char *op, const char *field, clattn_activation kind);

#endif /* CLATTN_OPS_ACTIVATION_H */
