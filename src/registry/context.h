/* What a context holds. */
#ifndef CLATTN_CONTEXT_INTERNAL_H
#define CLATTN_CONTEXT_INTERNAL_H

#include "runtime/error.h"
#include "runtime/platform.h"

#include <clattn/context.h>

struct clattn__program;
struct clattn__kept;
struct clattn__gemm_trial;

enum { CLATTN__FACT_BYTES = 256 };

struct clattn_context {
    cl_context cl;
    cl_device_id device;
    cl_command_queue queue; /* in-order, for probes and for a kernel's first launch */
    clattn_device_facts facts;
    char *facts_text; /* owns the strings of facts */
    char lanes_reason[CLATTN__FACT_BYTES], engine_reason[CLATTN__FACT_BYTES];
    char *cache_dir;     /* NULL = memory only */
    char *kernel_dir;    /* NULL = embedded */
    char *probe_program; /* NULL = where it is installed */
    void (*log)(void *user, const char *text);
    void *user;
    clattn__mutex lock; /* of programs, of building, of kept and of trials */
    struct clattn__program *programs;
    struct clattn__kept *kept; /* by tuning */
    struct clattn__gemm_trial *trials;
};

/* To the caller's log, if there is one. */
void clattn__log(const clattn_context *context, const char *format, ...) CLATTN__PRINTF(2, 3);

/* A context whose facts are what the driver says: nothing was probed, nothing kept is loaded. */
clattn_status clattn__context_open(const clattn_context_desc *desc, clattn_context **out);

/* Fills context->facts by asking the driver; the context holds its device. */
clattn_status clattn__device_query(clattn_context *context);

/* Completes context->facts by running small programs; the context is ready to build. */
void clattn__device_probe(clattn_context *context);

/* Its place in clattn_device_list; behind the end if it is not there (a sub-device). */
size_t clattn__device_index(cl_device_id device);

/* Whether the device's list of extensions has that word. */
bool clattn__advertises(cl_device_id device, const char *extension);

/* A string of one's own, or NULL without memory. */
char *clattn__copy_string(const char *text);

#endif /* CLATTN_CONTEXT_INTERNAL_H */
