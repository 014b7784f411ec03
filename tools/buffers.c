#include "buffers.h"

#include <stdint.h>
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
    cl_int code;
    const cl_mem_flags flags = CL_MEM_READ_WRITE | (data && bytes ? CL_MEM_COPY_HOST_PTR : 0);
    cl_mem mem = clCreateBuffer(clattn_context_cl(s->context), flags, bytes ? bytes : 1,
                                bytes ? (void *)(uintptr_t)data : NULL, &code);
    if (code != CL_SUCCESS) {
        refuse(why, "no room for %zu bytes on the device (OpenCL error %d)", bytes, code);
        return NULL;
    }
    owner->items[owner->count++] = mem;
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
