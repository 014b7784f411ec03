/* A device in use: OpenCL's handles, the facts about it, and whom to tell. */
#ifndef CLATTN_DEVICE_H
#define CLATTN_DEVICE_H

#include "error.h"
#include "platform.h"

#include <clattn/context.h>

struct clattn__device {
    cl_context cl;
    cl_device_id id;
    cl_command_queue queue;    /* in-order, for probes and for a kernel's first launch */
    clattn_device_facts facts; /* those that the driver tells; others are tried above this */
    char *facts_text;          /* owns their strings */
    void (*log)(void *user, const char *text); /* NULL = nobody */
    void *user;
};

/* On a cl_context of the caller's, which is retained, or, where it is NULL, one of its own; asks
 * for the facts.  A failure leaves what clattn__device_close takes. */
clattn_status clattn__device_open(struct clattn__device *device, cl_context cl, cl_device_id id);
void clattn__device_close(struct clattn__device *device);

/* To the caller's log, if there is one. */
void clattn__log(const struct clattn__device *device, const char *format, ...) CLATTN__PRINTF(2, 3);

/* Whether the device's list of extensions has that word. */
bool clattn__advertises(cl_device_id device, const char *extension);

/* What a driver says, cut to fit; "unknown" where it says nothing. */
void clattn__device_text(cl_device_id device, cl_device_info what, char *text, size_t bytes);
void clattn__platform_text(cl_device_id device, cl_platform_info what, char *text, size_t bytes);

/* Its place in clattn_device_list; behind the end if it is not there (a sub-device). */
size_t clattn__device_index(cl_device_id device);

#endif /* CLATTN_DEVICE_H */
