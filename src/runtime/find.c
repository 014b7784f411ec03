/* Which devices there are, and which of them a text names. */
#include "device.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* PoCL 3.1 shows its devices to a second thread before the first has finished making them. */
static clattn__mutex listing_lock = CLATTN__MUTEX_INIT;

enum { MAX_PLATFORMS = 32, MAX_DEVICES = 64, TEXT_BYTES = 256 };

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
    clattn__device_text(device, CL_DEVICE_NAME, name, sizeof name);
    clattn__platform_text(device, CL_PLATFORM_NAME, platform, sizeof platform);
    return contains(name, text) || contains(platform, text);
}

static clattn_status refuse_device(const char *text, const cl_device_id *devices, size_t count)
{
    char list[1024] = "";
    size_t length = 0;
    for (size_t i = 0; i < count && length < sizeof list - 1; i++) {
        char name[TEXT_BYTES];
        clattn__device_text(devices[i], CL_DEVICE_NAME, name, sizeof name);
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
