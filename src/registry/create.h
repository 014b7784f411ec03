/* Making ops. */
#ifndef CLATTN_CREATE_H
#define CLATTN_CREATE_H

#include "op.h"

/* Makes an op of the first variant that fits and builds.  kernel forces one by name, params (with
 * kernel) its parameters; both may be NULL. */
clattn_status clattn__op_create(clattn_context *context, const struct clattn__family *family,
                                const void *desc, const char *kernel, const char *params,
                                clattn_op **out);

/* An op of this variant with these parameters. */
clattn_status clattn__op_try(clattn_context *context, const struct clattn__family *family,
                             const struct clattn__variant *variant, const int *params,
                             const void *desc, clattn_op **out);

#endif /* CLATTN_CREATE_H */
