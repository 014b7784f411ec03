#include "home.h"

#include "common/error.h"

#include <stdlib.h>

clattn_status clattn__home_open(clattn_context *context, cl_command_queue queue, const char *what,
                                clattn__home *out)
{
    if (!context || !queue) {
        return clattn__refuse("%s: %s is NULL", what, context ? "queue" : "context");
    }
    TRY(CL(clRetainCommandQueue, queue));
    *out = (clattn__home){context, queue};
    return CLATTN_OK;
}

void clattn__home_close(clattn__home *h)
{
    if (h->queue) {
        clFinish(h->queue);
        clReleaseCommandQueue(h->queue);
    }
    *h = (clattn__home){0};
}

clattn_status clattn__home_buffer(const clattn__home *h, size_t bytes, const void *data,
                                  cl_mem *out)
{
    cl_int code;
    const cl_mem_flags flags = CL_MEM_READ_WRITE | (data && bytes ? CL_MEM_COPY_HOST_PTR : 0);
    cl_mem mem = clCreateBuffer(clattn_context_cl(h->context), flags, bytes ? bytes : 1,
                                data && bytes ? (void *)(uintptr_t)data : NULL, &code);
    if (code != CL_SUCCESS) {
        return clattn__within(clattn__opencl_status(code, "clCreateBuffer"),
                              "no room for %zu bytes on %s", bytes,
                              clattn_context_facts(h->context)->name);
    }
    *out = mem;
    return CLATTN_OK;
}

clattn_status clattn__home_read(const clattn__home *h, cl_mem mem, size_t bytes, void *to)
{
    TRY(CL(clFinish, h->queue));
    return bytes ? CL(clEnqueueReadBuffer, h->queue, mem, CL_TRUE, 0, bytes, to, 0, NULL, NULL)
                 : CLATTN_OK;
}

/* ---- Buffers that have one owner and end together ----------------------------------------- */

static bool make_room(clattn__buffers *b)
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

clattn_status clattn__buffers_add(const clattn__home *h, clattn__buffers *owner, size_t bytes,
                                  const void *data, cl_mem *out)
{
    if (!make_room(owner)) {
        return clattn__no_memory();
    }
    TRY(clattn__home_buffer(h, bytes, data, out));
    owner->items[owner->count++] = *out;
    return CLATTN_OK;
}

void clattn__buffers_release(clattn__buffers *b)
{
    for (size_t i = 0; i < b->count; i++) {
        clReleaseMemObject(b->items[i]);
    }
    free(b->items);
    *b = (clattn__buffers){0};
}
