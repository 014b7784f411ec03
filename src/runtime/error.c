#include "error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char error_text[4096];

const char *clattn_error(void) { return error_text; }

int clattn_version(void) { return CLATTN_VERSION; }

clattn_status clattn_error_set(clattn_status status, const char *format, ...)
{
    /* The arguments may point into the text that they replace. */
    char text[sizeof error_text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(error_text, sizeof error_text, "%s", text);
    return status;
}

clattn_status clattn__out_of_memory(void)
{
    return clattn__fail(CLATTN_ERR_MEMORY, "out of host memory");
}

clattn_status clattn__opencl(cl_int code, const char *call)
{
    if (code == CL_SUCCESS) {
        return CLATTN_OK;
    }
    return clattn__fail(CLATTN_ERR_OPENCL, "%s failed: %s (%d)", call, clattn__opencl_name(code),
                        (int)code);
}

#define STATUSES(X)                                                                                \
    X(CLATTN_OK)                                                                                   \
    X(CLATTN_ERR_ARGUMENT)                                                                         \
    X(CLATTN_ERR_UNSUPPORTED)                                                                      \
    X(CLATTN_ERR_BUILD)                                                                            \
    X(CLATTN_ERR_OPENCL)                                                                           \
    X(CLATTN_ERR_MEMORY)

const char *clattn_status_name(clattn_status status)
{
    switch (status) {
#define X(name)                                                                                    \
    case name: return #name;
        STATUSES(X)
#undef X
    }
    return "unknown status";
}

const char *clattn__opencl_name(cl_int code)
{
    static const struct {
        cl_int code;
        const char *name;
    } names[] = {
#define X(name) {name, #name}
        X(CL_DEVICE_NOT_FOUND),
        X(CL_DEVICE_NOT_AVAILABLE),
        X(CL_COMPILER_NOT_AVAILABLE),
        X(CL_MEM_OBJECT_ALLOCATION_FAILURE),
        X(CL_OUT_OF_RESOURCES),
        X(CL_OUT_OF_HOST_MEMORY),
        X(CL_BUILD_PROGRAM_FAILURE),
        X(CL_INVALID_VALUE),
        X(CL_INVALID_PLATFORM),
        X(CL_INVALID_DEVICE),
        X(CL_INVALID_CONTEXT),
        X(CL_INVALID_QUEUE_PROPERTIES),
        X(CL_INVALID_COMMAND_QUEUE),
        X(CL_INVALID_MEM_OBJECT),
        X(CL_INVALID_BINARY),
        X(CL_INVALID_BUILD_OPTIONS),
        X(CL_INVALID_PROGRAM),
        X(CL_INVALID_PROGRAM_EXECUTABLE),
        X(CL_INVALID_KERNEL_NAME),
        X(CL_INVALID_KERNEL),
        X(CL_INVALID_ARG_INDEX),
        X(CL_INVALID_ARG_VALUE),
        X(CL_INVALID_ARG_SIZE),
        X(CL_INVALID_KERNEL_ARGS),
        X(CL_INVALID_WORK_DIMENSION),
        X(CL_INVALID_WORK_GROUP_SIZE),
        X(CL_INVALID_WORK_ITEM_SIZE),
        X(CL_INVALID_EVENT),
        X(CL_INVALID_OPERATION),
        X(CL_INVALID_BUFFER_SIZE),
#undef X
        {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].code == code) {
            return names[i].name;
        }
    }
    return "unknown OpenCL code";
}
