/* Where a model lives: the caller's context and queue, and buffers on their device. */
#ifndef MODELS_HOME_H
#define MODELS_HOME_H

#include <clattn/context.h>

typedef struct home {
    clattn_context *context;
    cl_command_queue queue; /* retained */
} home;

/* what begins the text of a refusal. */
clattn_status clattn__home_open(clattn_context *context, cl_command_queue queue, const char *what,
                                home *out);

/* Waits for what is in the queue. */
void clattn__home_close(home *h);

/* A device buffer, at least one byte, filled from data unless NULL. */
clattn_status clattn__home_buffer(const home *h, size_t bytes, const void *data, cl_mem *out);

/* Waits for all that was enqueued and copies a buffer back; what names it in the text of a failure.
 */
clattn_status clattn__home_read(const home *h, cl_mem mem, size_t bytes, void *to,
                                const char *what);

/* ---- Buffers that have one owner and end together ----------------------------------------- */

typedef struct buffers { /* zeros = none */
    cl_mem *items;
    size_t count, room;
} buffers;

/* As clattn__home_buffer. */
clattn_status clattn__buffers_add(const home *h, buffers *owner, size_t bytes, const void *data,
                                  cl_mem *out);

/* Those that an op still holds live on. */
void clattn__buffers_release(buffers *b);

#endif /* MODELS_HOME_H */
