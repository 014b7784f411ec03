/* One error path: every failing call leaves its reason in this thread's text. */
#ifndef CLATTN_ERROR_H
#define CLATTN_ERROR_H

#include <clattn/base.h>

/* Sets the text and returns status, so that `return clattn__fail(...)` reads well. */
#define clattn__fail clattn_error_set
#define CLATTN__PRINTF CLATTN_PRINTF

/* CLATTN_ERR_ARGUMENT for one field: "attention: head_dim is 0, must be 1..512". */
#define clattn__refuse(...) clattn__fail(CLATTN_ERR_ARGUMENT, __VA_ARGS__)

clattn_status clattn__out_of_memory(void);

/* Turns an OpenCL code into a status whose text names the call. */
clattn_status clattn__opencl(cl_int code, const char *call);
#define CL(call, ...) clattn__opencl(call(__VA_ARGS__), #call)

/* "CL_INVALID_VALUE" */
const char *clattn__opencl_name(cl_int code);

#define TRY(expression)                                                                            \
    do {                                                                                           \
        const clattn_status try_status = (expression);                                             \
        if (try_status != CLATTN_OK) {                                                             \
            return try_status;                                                                     \
        }                                                                                          \
    } while (0)

#endif /* CLATTN_ERROR_H */
