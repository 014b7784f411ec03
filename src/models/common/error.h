/* One error path, the first library's: every failing call leaves its reason in clattn_error() and
 * returns a status. */
#ifndef MODELS_COMMON_ERROR_H
#define MODELS_COMMON_ERROR_H

#include <clattn/base.h>

/* All of these have the value of a status, so that `return clattn__refuse(...)` reads well. */
#define clattn__refuse(...) clattn_error_set(CLATTN_ERR_ARGUMENT, __VA_ARGS__)
#define clattn__no_memory() clattn_error_set(CLATTN_ERR_MEMORY, "out of memory")

/* The failure of an inner call, whose text is told as a part of this one's. */
#define clattn__within(status, format, ...)                                                        \
    clattn_error_set(status, format ": %s", __VA_ARGS__, clattn_error())

/* For "%.*s" in a text: so much of a clattn_text, which may be anything. */
#define CLATTN__SHOWN(text) (int)((text).length < 100 ? (text).length : 100), (text).bytes

/* Makes an OpenCL code a status, whose text names the call. */
static inline clattn_status clattn__opencl_status(cl_int code, const char *call)
{
    return code == CL_SUCCESS
               ? CLATTN_OK
               : clattn_error_set(CLATTN_ERR_OPENCL, "%s gave OpenCL error %d", call, (int)code);
}
#define CL(call, ...) clattn__opencl_status(call(__VA_ARGS__), #call)

#define TRY(expression)                                                                            \
    do {                                                                                           \
        const clattn_status try_status = (expression);                                             \
        if (try_status != CLATTN_OK) {                                                             \
            return try_status;                                                                     \
        }                                                                                          \
    } while (0)

/* At the public edge: "sampler: out is NULL". */
#define NEED(pointer, name)                                                                        \
    do {                                                                                           \
        if (!(pointer)) {                                                                          \
            return clattn__refuse("%s is NULL", name);                                             \
        }                                                                                          \
    } while (0)

#endif /* MODELS_COMMON_ERROR_H */
