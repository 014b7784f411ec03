#include "program.h"
#include "registry/context.h"
#include "registry/probe.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PoCL 3.1 shows its devices to a second thread before the first has finished making them. */
static clattn__mutex listing_lock = CLATTN__MUTEX_INIT;

enum { MAX_PLATFORMS = 32, MAX_DEVICES = 64, TEXT_BYTES = 256, TEXTS = 5 };

/* ---- Finding ------------------------------------------------------------- */

static size_t list_all(cl_device_id *devices, size_t capacity)
{
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint platform_count = 0;
    size_t total = 0;
    /* The loader fails where no driver is installed: that is a list without devices. */
    if (clGetPlatformIDs(MAX_PLATFORMS, platforms, &platform_count) != CL_SUCCESS) {
        platform_count = 0;
    }
    for (cl_uint p = 0; p < platform_count && p < MAX_PLATFORMS; p++) {
        cl_device_id found[MAX_DEVICES];
        cl_uint n = 0;
        if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, MAX_DEVICES, found, &n) !=
            CL_SUCCESS) {
            continue; /* a platform without a device is normal */
        }
        for (cl_uint d = 0; d < n && d < MAX_DEVICES; d++, total++) {
            if (total < capacity) {
                devices[total] = found[d];
            }
        }
    }
    return total;
}

clattn_status clattn_device_list(cl_device_id *devices, size_t capacity, size_t *count)
{
    if (!count || (capacity && !devices)) {
        return clattn__refuse("device list: %s is NULL", count ? "devices" : "count");
    }
    clattn__lock(&listing_lock);
    *count = list_all(devices, capacity);
    clattn__unlock(&listing_lock);
    return CLATTN_OK;
}

static void device_text(cl_device_id device, cl_device_info what, char text[TEXT_BYTES])
{
    text[0] = '\0';
    if (clGetDeviceInfo(device, what, TEXT_BYTES - 1, text, NULL) != CL_SUCCESS) {
        snprintf(text, TEXT_BYTES, "unknown");
    }
    text[TEXT_BYTES - 1] = '\0';
}

static void platform_text(cl_device_id device, cl_platform_info what, char text[TEXT_BYTES])
{
    cl_platform_id platform;
    text[0] = '\0';
    if (clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL) !=
            CL_SUCCESS ||
        clGetPlatformInfo(platform, what, TEXT_BYTES - 1, text, NULL) != CL_SUCCESS) {
        snprintf(text, TEXT_BYTES, "unknown");
    }
    text[TEXT_BYTES - 1] = '\0';
}

static bool contains(const char *text, const char *part)
{
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i])) {
            i++;
        }
        if (!part[i]) {
            return true;
        }
    }
    return false;
}

static bool is_number(const char *text, unsigned long *number)
{
    char *end;
    *number = strtoul(text, &end, 10);
    return isdigit((unsigned char)text[0]) && *end == '\0';
}

static bool names(const char *text, cl_device_id device, size_t index)
{
    unsigned long number;
    if (is_number(text, &number)) {
        return number == index;
    }
    char name[TEXT_BYTES], platform[TEXT_BYTES];
    device_text(device, CL_DEVICE_NAME, name);
    platform_text(device, CL_PLATFORM_NAME, platform);
    return contains(name, text) || contains(platform, text);
}

static clattn_status refuse_device(const char *text, const cl_device_id *devices, size_t count)
{
    char list[1024] = "";
    size_t length = 0;
    for (size_t i = 0; i < count && length < sizeof list - 1; i++) {
        char name[TEXT_BYTES];
        device_text(devices[i], CL_DEVICE_NAME, name);
        const int n =
            snprintf(list + length, sizeof list - length, "%s%zu: %s", i ? ", " : "", i, name);
        length += n > 0 ? (size_t)n : 0;
    }
    return clattn__refuse("device: nothing matches '%s' (there is %s)", text, list);
}

static cl_device_id first_gpu_else_first(const cl_device_id *devices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cl_device_type type = 0;
        clGetDeviceInfo(devices[i], CL_DEVICE_TYPE, sizeof type, &type, NULL);
        if (type & CL_DEVICE_TYPE_GPU) {
            return devices[i];
        }
    }
    return devices[0];
}

clattn_status clattn_device_find(const char *text, cl_device_id *out)
{
    cl_device_id devices[MAX_DEVICES];
    size_t count;
    if (!out) {
        return clattn__refuse("device: out is NULL");
    }
    TRY(clattn_device_list(devices, MAX_DEVICES, &count));
    count = count < MAX_DEVICES ? count : MAX_DEVICES;
    if (count == 0) {
        return clattn__refuse("device: no OpenCL device was found (is a driver installed? "
                              "pocl-opencl-icd serves any CPU)");
    }
    if (!text || !text[0]) {
        text = getenv("CLATTN_DEVICE");
    }
    if (!text || !text[0]) {
        *out = first_gpu_else_first(devices, count);
        return CLATTN_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (names(text, devices[i], i)) {
            *out = devices[i];
            return CLATTN_OK;
        }
    }
    return refuse_device(text, devices, count);
}

size_t clattn__device_index(cl_device_id device)
{
    cl_device_id devices[MAX_DEVICES];
    size_t count = 0, index = 0;
    clattn_device_list(devices, MAX_DEVICES, &count);
    count = count < MAX_DEVICES ? count : MAX_DEVICES;
    while (index < count && devices[index] != device) {
        index++;
    }
    return index;
}

/* ---- Facts --------------------------------------------------------------- */

/* Every number the driver is asked for: a table, so that a new fact is one line. */
static clattn_status query_numbers(clattn_context *context)
{
    clattn_device_facts *facts = &context->facts;
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
        TRY(CL(clGetDeviceInfo, context->device, queries[i].what, queries[i].bytes, queries[i].to,
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

clattn_status clattn__device_query(clattn_context *context)
{
    char(*text)[TEXT_BYTES] = malloc(TEXTS * sizeof *text);
    if (!text) {
        return clattn__out_of_memory();
    }
    context->facts_text = text[0];
    device_text(context->device, CL_DEVICE_NAME, text[0]);
    device_text(context->device, CL_DEVICE_VENDOR, text[1]);
    platform_text(context->device, CL_PLATFORM_NAME, text[2]);
    platform_text(context->device, CL_PLATFORM_VERSION, text[3]);
    device_text(context->device, CL_DRIVER_VERSION, text[4]);
    context->facts.name = text[0];
    context->facts.vendor = text[1];
    context->facts.platform = text[2];
    context->facts.platform_version = text[3];
    context->facts.driver = text[4];
    return query_numbers(context);
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

/* Runs probe_half_arithmetic and checks what it computed. */
static bool half_arithmetic_works(clattn_context *context)
{
    const float input[4] = {1.5f, -0.25f, 1024.0f, 3.0f};
    const float expected[4] = {3.25f, 1.0625f, INFINITY, 10.0f}; /* x * x + 1 in half */
    float output[4] = {0};
    cl_int code;
    cl_kernel kernel = NULL;
    bool right = false;
    cl_mem buffer = clCreateBuffer(context->cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                   sizeof input, (void *)input, &code);
    const size_t one = 1;
    if (code == CL_SUCCESS &&
        clattn__kernel_create(context, "probe.cl", "probe_half_arithmetic", "", &kernel) ==
            CLATTN_OK &&
        clSetKernelArg(kernel, 0, sizeof buffer, &buffer) == CL_SUCCESS &&
        clEnqueueNDRangeKernel(context->queue, kernel, 1, NULL, &one, &one, 0, NULL, NULL) ==
            CL_SUCCESS &&
        clEnqueueReadBuffer(context->queue, buffer, CL_TRUE, 0, sizeof output, output, 0, NULL,
                            NULL) == CL_SUCCESS) {
        right = !memcmp(output, expected, sizeof output);
        clattn__kernel_ready(context, kernel);
    }
    if (kernel) {
        clReleaseKernel(kernel);
    }
    if (buffer) {
        clReleaseMemObject(buffer);
    }
    return right;
}

void clattn__device_probe(clattn_context *context)
{
    struct clattn__clues clues;
    context->facts.fp16 =
        clattn__advertises(context->device, "cl_khr_fp16") && half_arithmetic_works(context);
    clattn__clues(context, &clues);
    clattn__probe(context, &clues, CLATTN__PROBE_SILENCE_MS);
}
