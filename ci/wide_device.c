/* Preloaded, makes the device of a simulator look like a CPU with float vectors of 8, so that the
 * kernels for such CPUs run on it too:
 *   cc -shared -fPIC -o wide_device.so ci/wide_device.c */
#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>

cl_int clGetDeviceInfo(cl_device_id device, cl_device_info what, size_t bytes, void *value,
                       size_t *size)
{
    static cl_int (*real)(cl_device_id, cl_device_info, size_t, void *, size_t *);
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "clGetDeviceInfo");
    }
    const cl_int status = real(device, what, bytes, value, size);
    if (value && status == CL_SUCCESS) {
        if (what == CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT) {
            *(cl_uint *)value = 8;
        }
        if (what == CL_DEVICE_TYPE) {
            *(cl_device_type *)value = CL_DEVICE_TYPE_CPU;
        }
    }
    return status;
}
