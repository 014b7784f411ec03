#include "faults.h"
#include "programs.h"

#include <clattn/base.h>

#include <clblast_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const fault_names[FAULTS] = {
#define X(name) #name,
    FAULTS_LIST(X)
#undef X
};

struct live faults_live;

static bool counting;
static enum fault armed = FAULTS;
static int calls_left;
static bool happened;

static void begin(void)
{
    memset(&faults_live, 0, sizeof faults_live);
    happened = false;
    counting = true;
}

void faults_arm(enum fault fault, int n)
{
    begin();
    armed = fault;
    calls_left = n;
}

void faults_watch(void)
{
    begin();
    armed = FAULTS;
}

bool faults_end(void)
{
    counting = false;
    armed = FAULTS;
    return happened;
}

static bool fails(enum fault fault)
{
    if (!counting || fault != armed || --calls_left != 0) {
        return false;
    }
    return happened = true;
}

static void count(int *objects, int by)
{
    if (counting) {
        *objects += by;
    }
}

/* A call that returns a code. */
#define CALL(name, failure, parameters, arguments)                                                 \
    cl_int __real_##name parameters;                                                               \
    cl_int __wrap_##name parameters;                                                               \
    cl_int __wrap_##name parameters                                                                \
    {                                                                                              \
        return fails(FAULT_##name) ? failure : __real_##name arguments;                            \
    }

/* A call that returns an object and writes a code. */
#define MAKE(type, objects, name, failure, parameters, arguments)                                  \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        if (fails(FAULT_##name)) {                                                                 \
            *code = failure;                                                                       \
            return NULL;                                                                           \
        }                                                                                          \
        const type made = __real_##name arguments;                                                 \
        count(&faults_live.objects, made ? 1 : 0);                                                 \
        return made;                                                                               \
    }

#define RETAIN(type, objects, name)                                                                \
    cl_int __real_##name(type object);                                                             \
    cl_int __wrap_##name(type object);                                                             \
    cl_int __wrap_##name(type object)                                                              \
    {                                                                                              \
        if (fails(FAULT_##name)) {                                                                 \
            return CL_OUT_OF_RESOURCES;                                                            \
        }                                                                                          \
        count(&faults_live.objects, 1);                                                            \
        return __real_##name(object);                                                              \
    }

#define RELEASE(type, objects, name)                                                               \
    cl_int __real_##name(type object);                                                             \
    cl_int __wrap_##name(type object);                                                             \
    cl_int __wrap_##name(type object)                                                              \
    {                                                                                              \
        count(&faults_live.objects, -1);                                                           \
        return __real_##name(object);                                                              \
    }

/* ---- Asking ---------------------------------------------------------------- */

CALL(clGetPlatformIDs, CL_OUT_OF_HOST_MEMORY, (cl_uint n, cl_platform_id *ids, cl_uint *count),
     (n, ids, count))
CALL(clGetPlatformInfo, CL_OUT_OF_HOST_MEMORY,
     (cl_platform_id platform, cl_platform_info what, size_t bytes, void *value, size_t *written),
     (platform, what, bytes, value, written))
CALL(clGetDeviceIDs, CL_OUT_OF_RESOURCES,
     (cl_platform_id platform, cl_device_type type, cl_uint n, cl_device_id *ids, cl_uint *count),
     (platform, type, n, ids, count))
CALL(clGetDeviceInfo, CL_OUT_OF_RESOURCES,
     (cl_device_id device, cl_device_info what, size_t bytes, void *value, size_t *written),
     (device, what, bytes, value, written))
CALL(clGetMemObjectInfo, CL_OUT_OF_RESOURCES,
     (cl_mem mem, cl_mem_info what, size_t bytes, void *value, size_t *written),
     (mem, what, bytes, value, written))
CALL(clGetProgramInfo, CL_OUT_OF_RESOURCES,
     (cl_program program, cl_program_info what, size_t bytes, void *value, size_t *written),
     (programs_behind(program), what, bytes, value, written))
CALL(clGetProgramBuildInfo, CL_OUT_OF_RESOURCES,
     (cl_program program, cl_device_id device, cl_program_build_info what, size_t bytes,
      void *value, size_t *written),
     (programs_behind(program), device, what, bytes, value, written))
CALL(clGetKernelWorkGroupInfo, CL_OUT_OF_RESOURCES,
     (cl_kernel kernel, cl_device_id device, cl_kernel_work_group_info what, size_t bytes,
      void *value, size_t *written),
     (kernel, device, what, bytes, value, written))

/* ---- Making and releasing -------------------------------------------------- */

typedef void(CL_CALLBACK *context_notice)(const char *, const void *, size_t, void *);
typedef void(CL_CALLBACK *build_notice)(cl_program, void *);

MAKE(cl_context, contexts, clCreateContext, CL_OUT_OF_HOST_MEMORY,
     (const cl_context_properties *properties, cl_uint n, const cl_device_id *devices,
      context_notice notice, void *user, cl_int *code),
     (properties, n, devices, notice, user, code))
MAKE(cl_command_queue, queues, clCreateCommandQueue, CL_OUT_OF_RESOURCES,
     (cl_context context, cl_device_id device, cl_command_queue_properties properties,
      cl_int *code),
     (context, device, properties, code))
MAKE(cl_mem, buffers, clCreateBuffer, CL_MEM_OBJECT_ALLOCATION_FAILURE,
     (cl_context context, cl_mem_flags flags, size_t bytes, void *host, cl_int *code),
     (context, flags, bytes, host, code))
MAKE(cl_program, programs, clCreateProgramWithSource, CL_OUT_OF_HOST_MEMORY,
     (cl_context context, cl_uint n, const char **texts, const size_t *lengths, cl_int *code),
     (context, n, texts, lengths, code))
MAKE(cl_program, programs, clCreateProgramWithBinary, CL_INVALID_BINARY,
     (cl_context context, cl_uint n, const cl_device_id *devices, const size_t *lengths,
      const unsigned char **binaries, cl_int *states, cl_int *code),
     (context, n, devices, lengths, binaries, states, code))
MAKE(cl_kernel, kernels, clCreateKernel, CL_OUT_OF_RESOURCES,
     (cl_program program, const char *name, cl_int *code), (programs_behind(program), name, code))

cl_int __wrap_clBuildProgram(cl_program program, cl_uint n, const cl_device_id *devices,
                             const char *options, build_notice notice, void *user);
cl_int __wrap_clBuildProgram(cl_program program, cl_uint n, const cl_device_id *devices,
                             const char *options, build_notice notice, void *user)
{
    return fails(FAULT_clBuildProgram) ? CL_BUILD_PROGRAM_FAILURE
                                       : programs_build(program, n, devices, options, notice, user);
}

cl_int __real_clGetKernelInfo(cl_kernel kernel, cl_kernel_info what, size_t bytes, void *value,
                              size_t *written);
cl_int __wrap_clGetKernelInfo(cl_kernel kernel, cl_kernel_info what, size_t bytes, void *value,
                              size_t *written);
cl_int __wrap_clGetKernelInfo(cl_kernel kernel, cl_kernel_info what, size_t bytes, void *value,
                              size_t *written)
{
    if (fails(FAULT_clGetKernelInfo)) {
        return CL_OUT_OF_RESOURCES;
    }
    const cl_int code = __real_clGetKernelInfo(kernel, what, bytes, value, written);
    if (code == CL_SUCCESS && what == CL_KERNEL_PROGRAM) {
        cl_program *program = value;
        *program = programs_before(*program);
    }
    return code;
}

RETAIN(cl_context, contexts, clRetainContext)
RETAIN(cl_command_queue, queues, clRetainCommandQueue)
RETAIN(cl_mem, buffers, clRetainMemObject)
RETAIN(cl_kernel, kernels, clRetainKernel)

RELEASE(cl_context, contexts, clReleaseContext)
RELEASE(cl_command_queue, queues, clReleaseCommandQueue)
RELEASE(cl_mem, buffers, clReleaseMemObject)

cl_int __real_clReleaseProgram(cl_program program);
cl_int __wrap_clReleaseProgram(cl_program program);
cl_int __wrap_clReleaseProgram(cl_program program)
{
    count(&faults_live.programs, -1);
    programs_forget(program);
    return __real_clReleaseProgram(program);
}

RELEASE(cl_kernel, kernels, clReleaseKernel)
RELEASE(cl_event, events, clReleaseEvent)

/* ---- Running --------------------------------------------------------------- */

CALL(clSetKernelArg, CL_OUT_OF_RESOURCES,
     (cl_kernel kernel, cl_uint i, size_t bytes, const void *value), (kernel, i, bytes, value))
CALL(clEnqueueNDRangeKernel, CL_OUT_OF_RESOURCES,
     (cl_command_queue queue, cl_kernel kernel, cl_uint axes, const size_t *from,
      const size_t *global, const size_t *local, cl_uint n, const cl_event *waits, cl_event *event),
     (queue, kernel, axes, from, global, local, n, waits, event))
CALL(clEnqueueReadBuffer, CL_OUT_OF_RESOURCES,
     (cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t offset, size_t bytes, void *to,
      cl_uint n, const cl_event *waits, cl_event *event),
     (queue, mem, blocking, offset, bytes, to, n, waits, event))
CALL(clEnqueueWriteBuffer, CL_OUT_OF_RESOURCES,
     (cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t offset, size_t bytes,
      const void *from, cl_uint n, const cl_event *waits, cl_event *event),
     (queue, mem, blocking, offset, bytes, from, n, waits, event))
CALL(clEnqueueCopyBuffer, CL_OUT_OF_RESOURCES,
     (cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset, size_t to_offset,
      size_t bytes, cl_uint n, const cl_event *waits, cl_event *event),
     (queue, from, to, from_offset, to_offset, bytes, n, waits, event))
CALL(clFinish, CL_OUT_OF_RESOURCES, (cl_command_queue queue), (queue))

cl_int __real_clEnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint n, const cl_event *waits,
                                          cl_event *event);
cl_int __wrap_clEnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint n, const cl_event *waits,
                                          cl_event *event);
cl_int __wrap_clEnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint n, const cl_event *waits,
                                          cl_event *event)
{
    if (fails(FAULT_clEnqueueMarkerWithWaitList)) {
        return CL_OUT_OF_RESOURCES;
    }
    count(&faults_live.events, 1);
    return __real_clEnqueueMarkerWithWaitList(queue, n, waits, event);
}

#define SGEMM_PARAMETERS                                                                           \
    (const CLBlastLayout layout, const CLBlastTranspose ta, const CLBlastTranspose tb,             \
     const size_t m, const size_t n, const size_t k, const float alpha, const cl_mem a,            \
     const size_t a_at, const size_t lda, const cl_mem b, const size_t b_at, const size_t ldb,     \
     const float beta, cl_mem c, const size_t c_at, const size_t ldc, cl_command_queue *queue,     \
     cl_event *event)
CLBlastStatusCode __real_CLBlastSgemm SGEMM_PARAMETERS;
CLBlastStatusCode __wrap_CLBlastSgemm SGEMM_PARAMETERS;
CLBlastStatusCode __wrap_CLBlastSgemm SGEMM_PARAMETERS
{
    return fails(FAULT_CLBlastSgemm)
               ? CLBlastTempBufferAllocFailure
               : __real_CLBlastSgemm(layout, ta, tb, m, n, k, alpha, a, a_at, lda, b, b_at, ldb,
                                     beta, c, c_at, ldc, queue, event);
}

/* ---- Memory ---------------------------------------------------------------- */

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void __real_free(void *block);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
void __wrap_free(void *block);

void *__wrap_malloc(size_t bytes)
{
    if (fails(FAULT_malloc)) {
        return NULL;
    }
    count(&faults_live.blocks, 1);
    return __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes)
{
    if (fails(FAULT_calloc)) {
        return NULL;
    }
    count(&faults_live.blocks, 1);
    return __real_calloc(n, bytes);
}

void *__wrap_realloc(void *block, size_t bytes)
{
    if (fails(FAULT_realloc)) {
        return NULL;
    }
    count(&faults_live.blocks, block ? 0 : 1);
    return __real_realloc(block, bytes);
}

void __wrap_free(void *block)
{
    count(&faults_live.blocks, block ? -1 : 0);
    __real_free(block);
}

/* ---- Files ----------------------------------------------------------------- */

FILE *__real_fopen(const char *path, const char *mode);
size_t __real_fwrite(const void *data, size_t size, size_t n, FILE *file);
int __real_rename(const char *from, const char *to);
FILE *__wrap_fopen(const char *path, const char *mode);
size_t __wrap_fwrite(const void *data, size_t size, size_t n, FILE *file);
int __wrap_rename(const char *from, const char *to);

FILE *__wrap_fopen(const char *path, const char *mode)
{
    return fails(FAULT_fopen) ? NULL : __real_fopen(path, mode);
}

/* As on a full disk: some of it is written. */
size_t __wrap_fwrite(const void *data, size_t size, size_t n, FILE *file)
{
    return __real_fwrite(data, size, fails(FAULT_fwrite) ? n / 2 : n, file);
}

int __wrap_rename(const char *from, const char *to)
{
    return fails(FAULT_rename) ? -1 : __real_rename(from, to);
}
