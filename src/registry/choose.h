/* Which kernel serves a device and a descriptor, with which parameters. */
#ifndef CLATTN_CHOOSE_H
#define CLATTN_CHOOSE_H

#include "context.h"
#include "params.h"

#include <clattn/tune.h>

bool clattn__fits(clattn_context *context, const struct clattn__variant *variant, const void *desc,
                  const int *params, char reason[CLATTN__REASON_BYTES]);

/* What an op is compiled with: what was kept, if it still fits, else what is built in. */
void clattn__params_choose(clattn_context *context, const struct clattn__family *family,
                           const struct clattn__variant *variant, const void *desc,
                           int params[CLATTN__MAX_PARAMS]);

/* The variant for few rows: the one that was chosen for them if it fits, else the first that was
 * made for them and fits; NULL if there is none.  With its parameters. */
const struct clattn__variant *clattn__few_rows_variant(clattn_context *context,
                                                       const struct clattn__family *family,
                                                       const void *desc,
                                                       int params[CLATTN__MAX_PARAMS]);

/* Reports every variant with its reason for refusing; kernel, which may be NULL, is the name that
 * desc forces. */
void clattn__report_variants(clattn_context *context, const struct clattn__family *family,
                             const void *desc, const char *kernel, clattn_variant_report *report,
                             void *user);

/* Reports every set of parameters of a variant, as clattn_*_candidates. */
clattn_status clattn__report_candidates(clattn_context *context,
                                        const struct clattn__family *family, const void *desc,
                                        const char *kernel, clattn_candidate_report *report,
                                        void *user);

#endif /* CLATTN_CHOOSE_H */
