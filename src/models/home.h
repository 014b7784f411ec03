/* Where a model lives: the caller's context and queue, and buffers on their device. */
#ifndef MODELS_HOME_H
#define MODELS_HOME_H

#include <clattn/context.h>

typedef struct clattn__home {
    clattn_context *context;
    cl_command_queue queue; /* retained */
} clattn__home;

/* what begins the text of a refusal. */
clattn_status clattn__home_open(clattn_context *context, cl_command_queue queue, const char *what,
                                clattn__home *out);

/* Waits for what is in the queue. */
void clattn__home_close(clattn__home *h);

/* A device buffer, at least one byte, filled from data unless NULL. */
clattn_status clattn__home_buffer(const clattn__home *h, size_t bytes, const void *data,
                                  cl_mem *out);

/* Waits for all that was enqueued and copies a buffer back. */
clattn_status clattn__home_read(const clattn__home *h, cl_mem mem, size_t bytes, void *to);

/* ---- Buffers that have one owner and end together ----------------------------------------- */

typedef struct clattn__buffers { /* zeros = none */
    cl_mem *items;
    size_t count, room;
} clattn__buffers;

/* As clattn__home_buffer. */
clattn_status clattn__buffers_add(const clattn__home *h, clattn__buffers *owner, size_t bytes,
                                  const void *data, cl_mem *out);

/* Those that an op still holds live on. */
void clattn__buffers_release(clattn__buffers *b);

#endif /* MODELS_HOME_H */
