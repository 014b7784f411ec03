/* Device buffers that have one owner and end together. */
#ifndef TOOLS_BUFFERS_H
#define TOOLS_BUFFERS_H

#include "shared/session.h"

typedef struct buffers { /* zeros = none */
    cl_mem *items;
    size_t count, room;
} buffers;

/* As session_memory. */
cl_mem buffers_make(const session *s, buffers *owner, size_t bytes, const void *data, reason *why);

/* Those that an op still holds live on. */
void buffers_release(buffers *b);

#endif /* TOOLS_BUFFERS_H */
