/* What a context holds. */
#ifndef CLATTN_CONTEXT_INTERNAL_H
#define CLATTN_CONTEXT_INTERNAL_H

#include "gemm.h"
#include "kept.h"
#include "probe.h"
#include "runtime/program.h"

struct clattn_context {
    char *cache_dir;     /* NULL = memory only */
    char *kernel_dir;    /* NULL = embedded */
    char *probe_program; /* NULL = where it is installed */
    struct clattn__device device;
    struct clattn__programs programs;
    struct clattn__prober prober;
    struct clattn__gemm_trials trials;
    struct clattn__kept_store kept;               /* by tuning */
    const struct clattn__family *const *families; /* every op there is, until NULL */
};

/* A context for ops of these families, whose facts are what the driver says: nothing was probed,
 * nothing kept is loaded.  families NULL: it is for probing alone. */
clattn_status clattn__context_open(const clattn_context_desc *desc,
                                   const struct clattn__family *const *families,
                                   clattn_context **out);

/* Probes the device and loads what was kept: the context is ready for ops. */
void clattn__context_complete(clattn_context *context);

#endif /* CLATTN_CONTEXT_INTERNAL_H */
