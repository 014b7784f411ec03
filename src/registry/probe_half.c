#include "probe.h"

#include <math.h>
#include <string.h>

/* Runs probe_half_arithmetic and checks what it computed. */
bool clattn__half_works(struct clattn__programs *programs)
{
    const float input[4] = {1.5f, -0.25f, 1024.0f, 3.0f};
    const float expected[4] = {3.25f, 1.0625f, INFINITY, 10.0f}; /* x * x + 1 in half */
    float output[4] = {0};
    cl_int code;
    cl_kernel kernel = NULL;
    bool right = false;
    cl_mem buffer = clCreateBuffer(programs->device->cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                   sizeof input, (void *)input, &code);
    const size_t one = 1;
    if (code == CL_SUCCESS &&
        clattn__kernel_create(programs, "probe.cl", "probe_half_arithmetic", "", &kernel) ==
            CLATTN_OK &&
        clSetKernelArg(kernel, 0, sizeof buffer, &buffer) == CL_SUCCESS &&
        clEnqueueNDRangeKernel(programs->device->queue, kernel, 1, NULL, &one, &one, 0, NULL,
                               NULL) == CL_SUCCESS &&
        clEnqueueReadBuffer(programs->device->queue, buffer, CL_TRUE, 0, sizeof output, output, 0,
                            NULL, NULL) == CL_SUCCESS) {
        right = !memcmp(output, expected, sizeof output);
        clattn__kernel_ready(programs, kernel);
    }
    if (kernel) {
        clReleaseKernel(kernel);
    }
    if (buffer) {
        clReleaseMemObject(buffer);
    }
    return right;
}
