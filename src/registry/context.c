#include "context.h"
#include "gemm.h"
#include "runtime/program.h"
#include "tune.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void clattn__log(const clattn_context *context, const char *format, ...)
{
    if (!context->log) {
        return;
    }
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text) {
        vsnprintf(text, (size_t)length + 1, format, again);
        context->log(context->user, text);
    }
    free(text);
    va_end(again);
    va_end(arguments);
}

char *clattn__copy_string(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

bool clattn_default_cache_dir(char *path, size_t bytes)
{
    return clattn__user_cache_directory(path, bytes);
}

const clattn_device_facts *clattn_context_facts(const clattn_context *context)
{
    return &context->facts;
}

cl_context clattn_context_cl(const clattn_context *context) { return context->cl; }

cl_device_id clattn_context_device(const clattn_context *context) { return context->device; }

static clattn_status open_device(clattn_context *context, const clattn_context_desc *desc)
{
    if (desc->context && !desc->device) {
        return clattn__refuse("context: device is required with context");
    }
    if (desc->device) {
        context->device = desc->device;
    } else {
        TRY(clattn_device_find(NULL, &context->device));
    }
    cl_int code = CL_SUCCESS;
    if (desc->context) {
        TRY(CL(clRetainContext, desc->context));
        context->cl = desc->context;
    } else {
        context->cl = clCreateContext(NULL, 1, &context->device, NULL, NULL, &code);
        TRY(clattn__opencl(code, "clCreateContext"));
    }
    context->queue = clCreateCommandQueue(context->cl, context->device, 0, &code);
    return clattn__opencl(code, "clCreateCommandQueue");
}

static bool copy(char **to, const char *text)
{
    return !text || !text[0] || (*to = clattn__copy_string(text));
}

static clattn_status copy_paths(clattn_context *context, const clattn_context_desc *desc)
{
    const char *kernel_dir = desc->kernel_dir ? desc->kernel_dir : getenv("CLATTN_KERNEL_DIR");
    const bool copied = copy(&context->kernel_dir, kernel_dir) &&
                        copy(&context->cache_dir, desc->cache_dir) &&
                        copy(&context->probe_program, desc->probe_program);
    return copied ? CLATTN_OK : clattn__out_of_memory();
}

clattn_status clattn__context_open(const clattn_context_desc *desc, clattn_context **out)
{
    clattn_context *context = calloc(1, sizeof *context);
    if (!context) {
        return clattn__out_of_memory();
    }
    clattn__mutex_init(&context->lock);
    context->log = desc->log;
    context->user = desc->user;
    clattn_status status = copy_paths(context, desc);
    if (status == CLATTN_OK) {
        status = open_device(context, desc);
    }
    if (status == CLATTN_OK) {
        status = clattn__device_query(context);
    }
    if (status != CLATTN_OK) {
        clattn_context_destroy(context);
        return status;
    }
    *out = context;
    return CLATTN_OK;
}

clattn_status clattn_context_create(const clattn_context_desc *desc, clattn_context **out)
{
    const clattn_context_desc defaults = {0};
    clattn_context *context;
    if (!out) {
        return clattn__refuse("context: out is NULL");
    }
    TRY(clattn__context_open(desc ? desc : &defaults, &context));
    clattn__device_probe(context);
    clattn__tune_load(context);
    *out = context;
    return CLATTN_OK;
}

void clattn_context_destroy(clattn_context *context)
{
    if (!context) {
        return;
    }
    clattn__kept_free(context->kept);
    clattn__gemm_forget(context);
    clattn__programs_free(context);
    if (context->queue) {
        clReleaseCommandQueue(context->queue);
    }
    if (context->cl) {
        clReleaseContext(context->cl);
    }
    clattn__mutex_destroy(&context->lock);
    free(context->facts_text);
    free(context->cache_dir);
    free(context->kernel_dir);
    free(context->probe_program);
    free(context);
}
