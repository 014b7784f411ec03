/* Calls that fail when told to, put between the library and OpenCL or the C library by
 * the linker's --wrap; and a count of what the library made and has not given back. */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>

/* Every call that can be made to fail. */
#define FAULTS_LIST(X)                                                                             \
    X(clGetPlatformIDs)                                                                            \
    X(clGetPlatformInfo)                                                                           \
    X(clGetDeviceIDs)                                                                              \
    X(clGetDeviceInfo)                                                                             \
    X(clCreateContext)                                                                             \
    X(clRetainContext)                                                                             \
    X(clCreateCommandQueue)                                                                        \
    X(clRetainCommandQueue)                                                                        \
    X(clCreateBuffer)                                                                              \
    X(clRetainMemObject)                                                                           \
    X(clGetMemObjectInfo)                                                                          \
    X(clCreateProgramWithSource)                                                                   \
    X(clCreateProgramWithBinary)                                                                   \
    X(clBuildProgram)                                                                              \
    X(clGetProgramInfo)                                                                            \
    X(clGetProgramBuildInfo)                                                                       \
    X(clCreateKernel)                                                                              \
    X(clRetainKernel)                                                                              \
    X(clGetKernelInfo)                                                                             \
    X(clGetKernelWorkGroupInfo)                                                                    \
    X(clSetKernelArg)                                                                              \
    X(clEnqueueNDRangeKernel)                                                                      \
    X(clEnqueueReadBuffer)                                                                         \
    X(clEnqueueWriteBuffer)                                                                        \
    X(clEnqueueCopyBuffer)                                                                         \
    X(clEnqueueMarkerWithWaitList)                                                                 \
    X(clFinish)                                                                                    \
    X(CLBlastSgemm)                                                                                \
    X(malloc)                                                                                      \
    X(calloc)                                                                                      \
    X(realloc)                                                                                     \
    X(fopen)                                                                                       \
    X(fwrite)                                                                                      \
    X(rename)

enum fault {
#define X(name) FAULT_##name,
    FAULTS_LIST(X)
#undef X
        FAULTS
};

extern const char *const fault_names[FAULTS];

/* From now on calls are counted, and the n-th of this one fails, n = 1, 2, ... */
void faults_arm(enum fault fault, int n);

/* Counts without failing. */
void faults_watch(void);

/* Ends both; true if there was an n-th call. */
bool faults_end(void);

/* What was made and not given back while counting: OpenCL objects, memory. */
struct live {
    int contexts, queues, buffers, programs, kernels, events, blocks;
};
extern struct live faults_live;

#endif /* FAULTS_H */
