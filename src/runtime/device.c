#include "device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 256, TEXTS = 5 };

/* ---- Log ------------------------------------------------------------------------- */

void clattn__log(const struct clattn__device *device, const char *format, ...)
{
    if (!device->log) {
        return;
    }
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text) {
        vsnprintf(text, (size_t)length + 1, format, again);
        device->log(device->user, text);
    }
    free(text);
    va_end(again);
    va_end(arguments);
}

/* ---- Facts ----------------------------------------------------------------------- */

void clattn__device_text(cl_device_id device, cl_device_info what, char *text, size_t bytes)
{
    text[0] = '\0';
    if (clGetDeviceInfo(device, what, bytes - 1, text, NULL) != CL_SUCCESS) {
        snprintf(text, bytes, "unknown");
    }
    text[bytes - 1] = '\0';
}

void clattn__platform_text(cl_device_id device, cl_platform_info what, char *text, size_t bytes)
{
    cl_platform_id platform;
    text[0] = '\0';
    if (clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL) !=
            CL_SUCCESS ||
        clGetPlatformInfo(platform, what, bytes - 1, text, NULL) != CL_SUCCESS) {
        snprintf(text, bytes, "unknown");
    }
    text[bytes - 1] = '\0';
}

/* Every number the driver is asked for: a table, so that a new fact is one line. */
static clattn_status query_numbers(struct clattn__device *device)
{
    clattn_device_facts *facts = &device->facts;
    cl_uint units = 0, lanes = 0;
    cl_ulong local = 0, global = 0, alloc = 0;
    cl_bool unified = CL_FALSE;
    cl_device_local_mem_type local_type = CL_GLOBAL;
    const struct {
        cl_device_info what;
        size_t bytes;
        void *to;
    } queries[] = {
        {CL_DEVICE_TYPE, sizeof facts->type, &facts->type},
        {CL_DEVICE_VENDOR_ID, sizeof facts->vendor_id, &facts->vendor_id},
        {CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units},
        {CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof lanes, &lanes},
        {CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof facts->max_work_group, &facts->max_work_group},
        {CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local},
        {CL_DEVICE_LOCAL_MEM_TYPE, sizeof local_type, &local_type},
        {CL_DEVICE_GLOBAL_MEM_SIZE, sizeof global, &global},
        {CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof alloc, &alloc},
        {CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof unified, &unified},
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        TRY(CL(clGetDeviceInfo, device->id, queries[i].what, queries[i].bytes, queries[i].to,
               NULL));
    }
    facts->compute_units = (int32_t)units;
    facts->vector_width = facts->type & CL_DEVICE_TYPE_CPU && lanes > 1 ? (int32_t)lanes : 1;
    facts->local_bytes = local;
    facts->local_dedicated = local_type == CL_LOCAL;
    facts->global_bytes = global;
    facts->max_alloc_bytes = alloc;
    facts->unified_memory = unified == CL_TRUE;
    return CLATTN_OK;
}

static clattn_status query_facts(struct clattn__device *device)
{
    char(*text)[TEXT_BYTES] = malloc(TEXTS * sizeof *text);
    if (!text) {
        return clattn__out_of_memory();
    }
    device->facts_text = text[0];
    clattn__device_text(device->id, CL_DEVICE_NAME, text[0], sizeof *text);
    clattn__device_text(device->id, CL_DEVICE_VENDOR, text[1], sizeof *text);
    clattn__platform_text(device->id, CL_PLATFORM_NAME, text[2], sizeof *text);
    clattn__platform_text(device->id, CL_PLATFORM_VERSION, text[3], sizeof *text);
    clattn__device_text(device->id, CL_DRIVER_VERSION, text[4], sizeof *text);
    device->facts.name = text[0];
    device->facts.vendor = text[1];
    device->facts.platform = text[2];
    device->facts.platform_version = text[3];
    device->facts.driver = text[4];
    return query_numbers(device);
}

/* A whole word: cl_intel_subgroups is not cl_intel_subgroups_short. */
static bool has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length) {
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

bool clattn__advertises(cl_device_id device, const char *extension)
{
    size_t bytes = 0;
    if (clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, 0, NULL, &bytes) != CL_SUCCESS) {
        return false;
    }
    char *list = calloc(1, bytes + 1);
    const bool found =
        list && clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, bytes, list, NULL) == CL_SUCCESS &&
        has_word(list, extension);
    free(list);
    return found;
}

/* ---- Opening --------------------------------------------------------------------- */

clattn_status clattn__device_open(struct clattn__device *device, cl_context cl, cl_device_id id)
{
    cl_int code = CL_SUCCESS;
    device->id = id;
    if (cl) {
        TRY(CL(clRetainContext, cl));
        device->cl = cl;
    } else {
        device->cl = clCreateContext(NULL, 1, &device->id, NULL, NULL, &code);
        TRY(clattn__opencl(code, "clCreateContext"));
    }
    device->queue = clCreateCommandQueue(device->cl, device->id, 0, &code);
    TRY(clattn__opencl(code, "clCreateCommandQueue"));
    return query_facts(device);
}

void clattn__device_close(struct clattn__device *device)
{
    if (device->queue) {
        clReleaseCommandQueue(device->queue);
    }
    if (device->cl) {
        clReleaseContext(device->cl);
    }
    free(device->facts_text);
}
