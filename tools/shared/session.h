/* A device opened for work: the library's context and one in-order queue. */
#ifndef TOOLS_SESSION_H
#define TOOLS_SESSION_H

#include "message.h"
#include "options.h"

#include <clattn/clattn.h>

typedef struct session {
    clattn_context *context;
    const clattn_device_facts *facts; /* live as long as the context */
    cl_command_queue queue;
} session;

/* The device that --device names.  False after a line that says why not. */
bool session_find(const common_options *common, cl_device_id *device);

/* Programs are cached in cache_dir; NULL = in the user's cache directory.
 * False after a line that says why not. */
bool session_open(session *s, const common_options *common, cl_device_id device,
                  const char *cache_dir);
void session_close(session *s);

/* A device buffer, at least one byte, filled from data unless NULL.  NULL with the reason. */
cl_mem session_memory(const session *s, size_t bytes, const void *data, reason *why);

/* The same; what names it in the line printed when that fails and NULL is returned. */
cl_mem session_buffer(const session *s, size_t bytes, const void *data, const char *what);

/* Waits for all that was enqueued and copies a buffer back. */
bool session_read(const session *s, cl_mem mem, size_t bytes, void *to, const char *what);

/* Milliseconds of a steady clock. */
double now_ms(void);

#endif /* TOOLS_SESSION_H */
