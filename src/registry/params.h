/* A variant's parameters: built in, as text. */
#ifndef CLATTN_PARAMS_H
#define CLATTN_PARAMS_H

#include "variant.h"

static inline bool clattn__tunable(const struct clattn__param *param)
{
    return param->choices[0] != 0;
}

/* What suits the device without tuning. */
void clattn__params_built_in(const clattn_device_facts *facts,
                             const struct clattn__variant *variant, const void *desc,
                             int params[CLATTN__MAX_PARAMS]);

/* Replaces those that text names: "VECTORS=2 KEYS=8".  False with a reason naming the one that is
 * unknown, or whose value is not among its choices. */
bool clattn__params_read(const struct clattn__variant *variant, const char *text,
                         int params[CLATTN__MAX_PARAMS], char reason[CLATTN__REASON_BYTES]);

/* The tunable ones, in the order of the table. */
void clattn__params_write(const struct clattn__variant *variant, const int *params,
                          char text[CLATTN__PARAMS_BYTES]);

#endif /* CLATTN_PARAMS_H */
