/* Which parameters were found best on this device, kept in memory and in the cache directory. */
#ifndef CLATTN_TUNE_INTERNAL_H
#define CLATTN_TUNE_INTERNAL_H

#include "variant.h"

/* One set of parameters for one kind of kernel. */
struct clattn__kept {
    struct clattn__kept *next;
    const struct clattn__variant *variant;
    char label[CLATTN__LABEL_BYTES];
    int params[CLATTN__MAX_PARAMS]; /* the tunable ones, others 0 */
};

/* Reads the file of the context's device, if there is one. */
void clattn__tune_load(clattn_context *context);

/* Replaces the parameters that were kept for the label; false if none were. */
bool clattn__tune_find(clattn_context *context, const char *label, int params[CLATTN__MAX_PARAMS]);

void clattn__kept_free(struct clattn__kept *list);

#endif /* CLATTN_TUNE_INTERNAL_H */
