/* Which parameters and kernels were found best on this device, kept in memory and in the cache
 * directory. */
#ifndef CLATTN_TUNE_INTERNAL_H
#define CLATTN_TUNE_INTERNAL_H

#include "variant.h"

/* One set of parameters for one kind of kernel, or a kernel chosen for a class of ops. */
struct clattn__kept {
    struct clattn__kept *next;
    const struct clattn__variant *variant;
    bool chosen; /* label is a class, and there are no parameters */
    char label[CLATTN__LABEL_BYTES];
    int params[CLATTN__MAX_PARAMS]; /* the tunable ones, others 0 */
};

/* Reads the file of the context's device, if there is one. */
void clattn__tune_load(clattn_context *context);

/* Replaces the parameters that were kept for the label; false if none were. */
bool clattn__tune_find(clattn_context *context, const char *label, int params[CLATTN__MAX_PARAMS]);

/* The variant that was chosen for the descriptor's class, for many rows or for few; NULL if none
 * was. */
const struct clattn__variant *clattn__tune_chosen(clattn_context *context,
                                                  const struct clattn__family *family,
                                                  const void *desc, bool few_rows);

void clattn__kept_free(struct clattn__kept *list);

#endif /* CLATTN_TUNE_INTERNAL_H */
