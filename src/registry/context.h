/* What a context holds. */
#ifndef CLATTN_CONTEXT_INTERNAL_H
#define CLATTN_CONTEXT_INTERNAL_H

#include "gemm.h"
#include "probe.h"
#include "runtime/program.h"

struct clattn__kept;

struct clattn_context {
    char *cache_dir;     /* NULL = memory only */
    char *kernel_dir;    /* NULL = embedded */
    char *probe_program; /* NULL = where it is installed */
    struct clattn__device device;
    struct clattn__programs programs;
    struct clattn__prober prober;
    struct clattn__gemm_trials trials;
    clattn__mutex lock;        /* of kept */
    struct clattn__kept *kept; /* by tuning */
};

/* A context whose facts are what the driver says: nothing was probed, nothing kept is loaded. */
clattn_status clattn__context_open(const clattn_context_desc *desc, clattn_context **out);

#endif /* CLATTN_CONTEXT_INTERNAL_H */
