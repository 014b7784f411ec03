#include "buffers.h"

#include <stdlib.h>

static bool make_room(buffers *b)
{
    if (b->count < b->room) {
        return true;
    }
    const size_t room = 2 * b->room + 16;
    cl_mem *longer = realloc(b->items, room * sizeof *longer);
    if (longer) {
        b->items = longer;
        b->room = room;
    }
    return longer != NULL;
}

cl_mem buffers_make(const session *s, buffers *owner, size_t bytes, const void *data, reason *why)
{
    if (!make_room(owner)) {
        refuse(why, "out of memory");
        return NULL;
    }
    cl_mem mem = session_memory(s, bytes, data, why);
    if (mem) {
        owner->items[owner->count++] = mem;
    }
    return mem;
}

void buffers_release(buffers *b)
{
    for (size_t i = 0; i < b->count; i++) {
        clReleaseMemObject(b->items[i]);
    }
    free(b->items);
    *b = (buffers){0};
}
