/* Which parameters and kernels were found best on this device, kept in memory and in the cache
 * directory. */
#ifndef CLATTN_KEPT_H
#define CLATTN_KEPT_H

#include "runtime/device.h"
#include "variant.h"

/* One set of parameters for one kind of kernel, or a kernel chosen for a class of ops. */
struct clattn__kept {
    struct clattn__kept *next;
    const struct clattn__variant *variant;
    bool chosen; /* label is a class, and there are no parameters */
    char label[CLATTN__LABEL_BYTES];
    int params[CLATTN__MAX_PARAMS]; /* the tunable ones, others 0 */
};

/* All that was kept for a device.  Thread-safe. */
struct clattn__kept_store {
    const struct clattn__device *device;
    const char *cache_dir;                        /* NULL = memory only */
    const struct clattn__family *const *families; /* whose names a file may hold */
    clattn__mutex lock;
    struct clattn__kept *first;
};

/* Nothing yet.  What is handed over is not copied. */
void clattn__kept_open(struct clattn__kept_store *store, const struct clattn__device *device,
                       const char *cache_dir, const struct clattn__family *const *families);
void clattn__kept_close(struct clattn__kept_store *store);

/* Reads the file of the device, if there is one. */
void clattn__kept_load(struct clattn__kept_store *store);

/* Replaces the parameters that were kept for the label; false if none were. */
bool clattn__kept_find(struct clattn__kept_store *store, const char *label,
                       int params[CLATTN__MAX_PARAMS]);

/* The variant that was chosen for the descriptor's class, for many rows or for few; NULL if none
 * was. */
const struct clattn__variant *clattn__kept_chosen(struct clattn__kept_store *store,
                                                  const struct clattn__family *family,
                                                  const void *desc, bool few_rows);

/* In memory and in the file; forget: what has its label goes. */
clattn_status clattn__kept_put(struct clattn__kept_store *store, const struct clattn__kept *kept,
                               bool forget);

/* The n-th entry, copied, so that a report may call the library; false behind the last. */
bool clattn__kept_entry(struct clattn__kept_store *store, int n, struct clattn__kept *copy);

/* Nothing is left, in memory or in the file. */
void clattn__kept_clear(struct clattn__kept_store *store);

/* What is kept, as the file says it: parameters, or the kernel's name. */
void clattn__kept_write(const struct clattn__kept *kept, char text[CLATTN__PARAMS_BYTES]);

/* The label of a class of ops, for many rows or for few. */
void clattn__class_label(const char shape_class[CLATTN__CLASS_BYTES], bool few_rows,
                         char label[CLATTN__LABEL_BYTES]);

/* Those made for few rows do not serve many, and those made for tests none. */
bool clattn__may_be_chosen(const struct clattn__variant *variant, bool few);

#endif /* CLATTN_KEPT_H */
