#include "op.h"

#include "runtime/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *clattn_op_kernel(const clattn_op *op) { return op ? op->label : ""; }

const char *clattn_op_params(const clattn_op *op) { return op ? op->params_text : ""; }

void clattn_op_destroy(clattn_op *op)
{
    if (!op) {
        return;
    }
    op->family->release(op);
    if (op->kernel) {
        clReleaseKernel(op->kernel);
    }
    clattn__mutex_destroy(&op->lock);
    free(op);
}

clattn_status clattn__op_check(const clattn_op *op, const struct clattn__family *family)
{
    if (!op) {
        return clattn__refuse("%s: op is NULL", family->op);
    }
    if (op->family != family) {
        return clattn__refuse("%s: op is of another kind, %s", family->op, op->family->op);
    }
    return CLATTN_OK;
}

struct clattn__options clattn__options_begin(void)
{
    return (struct clattn__options){"-cl-std=CL1.2"};
}

void clattn__option(struct clattn__options *options, const char *name, int value)
{
    const size_t used = strlen(options->text);
    snprintf(options->text + used, sizeof options->text - used, " -D%s=%d", name, value);
}

void clattn__options_of(struct clattn__options *options, const struct clattn__variant *variant,
                        const int *params)
{
    options->params = strlen(options->text);
    for (int i = 0; i < CLATTN__MAX_PARAMS && variant->params[i].name; i++) {
        clattn__option(options, variant->params[i].name, params[i]);
    }
    if (variant->flags) {
        const size_t used = strlen(options->text);
        snprintf(options->text + used, sizeof options->text - used, " %s", variant->flags(params));
    }
    options->params_end = strlen(options->text);
}

clattn_status clattn__build_kernel_in(clattn_context *context, const char *file, const char *name,
                                      const struct clattn__options *options, cl_kernel *out)
{
    char path[64], function[64];
    snprintf(path, sizeof path, "%s.cl", file);
    snprintf(function, sizeof function, "%s", name);
    *strchr(function, '/') = '_';
    clattn__log(&context->device, "program %s: %.*s%s;%.*s", path, (int)options->params,
                options->text, options->text + options->params_end,
                (int)(options->params_end - options->params), options->text + options->params);
    return clattn__kernel_create(&context->programs, path, function, options->text, out);
}

clattn_status clattn__build_kernel(clattn_context *context, const char *name,
                                   const struct clattn__options *options, cl_kernel *out)
{
    return clattn__build_kernel_in(context, name, name, options, out);
}

static void bind(struct clattn__binding *binding, size_t bytes, const void *value)
{
    if (binding->code == CL_SUCCESS) {
        binding->code = clSetKernelArg(binding->kernel, binding->next++, bytes, value);
    }
}

void clattn__bind_int(struct clattn__binding *binding, int64_t value)
{
    const cl_int number = (cl_int)value;
    bind(binding, sizeof number, &number);
}

void clattn__bind_float(struct clattn__binding *binding, float value)
{
    bind(binding, sizeof value, &value);
}

void clattn__bind_view(struct clattn__binding *binding, const struct clattn__view *view)
{
    const cl_long4 at = {{view->at[0], view->at[1], view->at[2], view->at[3]}};
    bind(binding, sizeof view->mem, &view->mem);
    bind(binding, sizeof at, &at);
}

clattn_status clattn__launch(const struct clattn__binding *binding, cl_command_queue queue,
                             const size_t global[3], const size_t local[3])
{
    TRY(clattn__opencl(binding->code, "clSetKernelArg"));
    if (global[0] == 0 || global[1] == 0 || global[2] == 0) {
        return CLATTN_OK;
    }
    return CL(clEnqueueNDRangeKernel, queue, binding->kernel, 3, NULL, global, local, 0, NULL,
              NULL);
}

clattn_status clattn__first_launch(clattn_context *context, const struct clattn__binding *binding,
                                   const size_t local[3])
{
    TRY(clattn__launch(binding, context->device.queue, local, local));
    TRY(CL(clFinish, context->device.queue));
    clattn__kernel_ready(&context->programs, binding->kernel);
    return CLATTN_OK;
}

clattn_status clattn__mark(cl_command_queue queue, cl_event *event)
{
    return event ? CL(clEnqueueMarkerWithWaitList, queue, 0, NULL, event) : CLATTN_OK;
}

clattn_status clattn__scratch(const clattn_context *context, const char *op, cl_mem given,
                              size_t bytes, cl_mem *scratch, cl_mem *taken)
{
    *scratch = given;
    *taken = NULL;
    if (bytes == 0) {
        return CLATTN_OK;
    }
    if (!given) {
        cl_int code;
        *scratch = *taken =
            clCreateBuffer(context->device.cl, CL_MEM_READ_WRITE, bytes, NULL, &code);
        return clattn__opencl(code, "clCreateBuffer");
    }
    size_t there = 0;
    TRY(CL(clGetMemObjectInfo, given, CL_MEM_SIZE, sizeof there, &there, NULL));
    if (there < bytes) {
        return clattn__refuse("%s: args.scratch has %zu bytes, %zu are needed", op, there, bytes);
    }
    return CLATTN_OK;
}
