#include "context.h"

#include <stdlib.h>
#include <string.h>

bool clattn_default_cache_dir(char *path, size_t bytes)
{
    return clattn__user_cache_directory(path, bytes);
}

const clattn_device_facts *clattn_context_facts(const clattn_context *context)
{
    return &context->device.facts;
}

cl_context clattn_context_cl(const clattn_context *context) { return context->device.cl; }

cl_device_id clattn_context_device(const clattn_context *context) { return context->device.id; }

static bool copy(char **to, const char *text)
{
    const size_t bytes = text ? strlen(text) + 1 : 0;
    return bytes <= 1 || ((*to = malloc(bytes)) && memcpy(*to, text, bytes));
}

static clattn_status copy_paths(clattn_context *context, const clattn_context_desc *desc)
{
    const char *kernel_dir = desc->kernel_dir ? desc->kernel_dir : getenv("CLATTN_KERNEL_DIR");
    const bool copied = copy(&context->kernel_dir, kernel_dir) &&
                        copy(&context->cache_dir, desc->cache_dir) &&
                        copy(&context->probe_program, desc->probe_program);
    return copied ? CLATTN_OK : clattn__out_of_memory();
}

static clattn_status open_device(clattn_context *context, const clattn_context_desc *desc)
{
    cl_device_id id = desc->device;
    context->device.log = desc->log;
    context->device.user = desc->user;
    if (desc->context && !id) {
        return clattn__refuse("context: device is required with context");
    }
    if (!id) {
        TRY(clattn_device_find(NULL, &id));
    }
    return clattn__device_open(&context->device, desc->context, id);
}

clattn_status clattn__context_open(const clattn_context_desc *desc,
                                   const struct clattn__family *const *families,
                                   clattn_context **out)
{
    clattn_context *context = calloc(1, sizeof *context);
    if (!context) {
        return clattn__out_of_memory();
    }
    clattn_status status = copy_paths(context, desc);
    clattn__programs_open(&context->programs, &context->device, context->cache_dir,
                          context->kernel_dir);
    clattn__kept_open(&context->kept, &context->device, context->cache_dir, families);
    context->families = families;
    clattn__gemm_trials_open(&context->trials, &context->programs);
    context->prober = (struct clattn__prober){&context->device, &context->programs,
                                              .probe_program = context->probe_program};
    if (status == CLATTN_OK) {
        status = open_device(context, desc);
    }
    if (status != CLATTN_OK) {
        clattn_context_destroy(context);
        return status;
    }
    *out = context;
    return CLATTN_OK;
}

void clattn__context_complete(clattn_context *context)
{
    clattn__probe_device(&context->prober);
    clattn__kept_load(&context->kept);
}

void clattn_context_destroy(clattn_context *context)
{
    if (!context) {
        return;
    }
    clattn__kept_close(&context->kept);
    clattn__gemm_trials_close(&context->trials);
    clattn__programs_close(&context->programs);
    clattn__device_close(&context->device);
    free(context->cache_dir);
    free(context->kernel_dir);
    free(context->probe_program);
    free(context);
}
