/* The functions of OpenCL, defined here, take the place of the loader's. */
#include "driver.h"

#include <clblast_c.h>
#include <stdlib.h>
#include <string.h>

static const struct offline_device *device;
static offline_launch *on_launch;

/* Whatever has no state of its own. */
static char platform_object, device_object, context_object, queue_object, event_object;

struct _cl_mem {
    int references;
    size_t bytes;
    unsigned char data[];
};

struct _cl_program {
    int references;
    char *source, *options;
};

struct _cl_kernel {
    int references;
    bool launched;
    cl_program program;
    char *name;
};

void offline_pretend(const struct offline_device *pretended, offline_launch *launch)
{
    device = pretended;
    on_launch = launch;
}

static char *copy(const char *text)
{
    char *own = malloc(strlen(text) + 1);
    return own ? strcpy(own, text) : NULL;
}

static cl_int answer(const void *value, size_t bytes, size_t room, void *to, size_t *needed)
{
    if (to && room < bytes) {
        return CL_INVALID_VALUE;
    }
    if (to) {
        memcpy(to, value, bytes);
    }
    if (needed) {
        *needed = bytes;
    }
    return CL_SUCCESS;
}

static cl_int answer_text(const char *text, size_t room, void *to, size_t *needed)
{
    return answer(text, strlen(text) + 1, room, to, needed);
}

static void *made(void *object, cl_int *code)
{
    if (code) {
        *code = object ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    }
    return object;
}

/* ---- Platform and device ------------------------------------------------------------------ */

cl_int clGetPlatformIDs(cl_uint room, cl_platform_id *out, cl_uint *count)
{
    if (out && room) {
        *out = (cl_platform_id)&platform_object;
    }
    if (count) {
        *count = 1;
    }
    return CL_SUCCESS;
}

cl_int clGetDeviceIDs(cl_platform_id platform, cl_device_type type, cl_uint room, cl_device_id *out,
                      cl_uint *count)
{
    (void)platform;
    (void)type;
    if (out && room) {
        *out = (cl_device_id)&device_object;
    }
    if (count) {
        *count = 1;
    }
    return CL_SUCCESS;
}

cl_int clGetPlatformInfo(cl_platform_id platform, cl_platform_info what, size_t room, void *to,
                         size_t *needed)
{
    (void)platform;
    return answer_text(what == CL_PLATFORM_NAME ? device->platform : "OpenCL 3.0", room, to,
                       needed);
}

cl_int clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t room, void *to, size_t *needed)
{
    (void)id;
    static const cl_platform_id platform = (cl_platform_id)&platform_object;
    static const cl_device_type gpu = CL_DEVICE_TYPE_GPU;
    static const cl_device_local_mem_type local = CL_LOCAL;
    static const cl_uint one = 1;
    static const cl_bool no = CL_FALSE, yes = CL_TRUE;
    static const cl_ulong global = 16ull << 30, alloc = 4ull << 30;
    const struct {
        cl_device_info what;
        const void *value;
        size_t bytes; /* 0: text */
    } table[] = {
        {CL_DEVICE_NAME, device->name, 0},
        {CL_DEVICE_VENDOR, device->vendor, 0},
        {CL_DEVICE_VERSION, "OpenCL 3.0", 0},
        {CL_DEVICE_OPENCL_C_VERSION, "OpenCL C 1.2", 0},
        {CL_DRIVER_VERSION, "offline", 0},
        {CL_DEVICE_EXTENSIONS, device->extensions, 0},
        {CL_DEVICE_PLATFORM, &platform, sizeof platform},
        {CL_DEVICE_TYPE, &gpu, sizeof gpu},
        {CL_DEVICE_VENDOR_ID, &device->vendor_id, sizeof device->vendor_id},
        {CL_DEVICE_MAX_COMPUTE_UNITS, &device->compute_units, sizeof device->compute_units},
        {CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, &one, sizeof one},
        {CL_DEVICE_MAX_WORK_GROUP_SIZE, &device->max_work_group, sizeof device->max_work_group},
        {CL_DEVICE_LOCAL_MEM_TYPE, &local, sizeof local},
        {CL_DEVICE_LOCAL_MEM_SIZE, &device->local_bytes, sizeof device->local_bytes},
        {CL_DEVICE_GLOBAL_MEM_SIZE, &global, sizeof global},
        {CL_DEVICE_MAX_MEM_ALLOC_SIZE, &alloc, sizeof alloc},
        {CL_DEVICE_HOST_UNIFIED_MEMORY, &no, sizeof no},
        {CL_DEVICE_COMPILER_AVAILABLE, &yes, sizeof yes},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].what == what) {
            return table[i].bytes ? answer(table[i].value, table[i].bytes, room, to, needed)
                                  : answer_text(table[i].value, room, to, needed);
        }
    }
    for (const cl_device_info *more = device->more; more && more[0]; more += 2) {
        if (more[0] == what) {
            return answer(&more[1], sizeof more[1], room, to, needed);
        }
    }
    return CL_INVALID_VALUE;
}

/* ---- Context and queue -------------------------------------------------------------------- */

cl_context clCreateContext(const cl_context_properties *properties, cl_uint count,
                           const cl_device_id *devices,
                           void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *),
                           void *user, cl_int *code)
{
    (void)properties;
    (void)count;
    (void)devices;
    (void)notify;
    (void)user;
    return made(&context_object, code);
}

cl_int clRetainContext(cl_context context)
{
    (void)context;
    return CL_SUCCESS;
}

cl_int clReleaseContext(cl_context context)
{
    (void)context;
    return CL_SUCCESS;
}

cl_command_queue clCreateCommandQueue(cl_context context, cl_device_id id,
                                      cl_command_queue_properties properties, cl_int *code)
{
    (void)context;
    (void)id;
    (void)properties;
    return made(&queue_object, code);
}

cl_int clReleaseCommandQueue(cl_command_queue queue)
{
    (void)queue;
    return CL_SUCCESS;
}

cl_int clFinish(cl_command_queue queue)
{
    (void)queue;
    return CL_SUCCESS;
}

cl_int clEnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint count, const cl_event *list,
                                   cl_event *event)
{
    (void)queue;
    (void)count;
    (void)list;
    if (event) {
        *event = (cl_event)&event_object;
    }
    return CL_SUCCESS;
}

cl_int clReleaseEvent(cl_event event)
{
    (void)event;
    return CL_SUCCESS;
}

/* ---- Buffers ------------------------------------------------------------------------------- */

cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t bytes, void *host,
                      cl_int *code)
{
    (void)context;
    cl_mem mem = calloc(1, sizeof *mem + bytes);
    if (mem) {
        mem->references = 1;
        mem->bytes = bytes;
    }
    if (mem && flags & (CL_MEM_COPY_HOST_PTR | CL_MEM_USE_HOST_PTR)) {
        memcpy(mem->data, host, bytes);
    }
    return made(mem, code);
}

cl_int clRetainMemObject(cl_mem mem)
{
    mem->references++;
    return CL_SUCCESS;
}

cl_int clReleaseMemObject(cl_mem mem)
{
    if (--mem->references == 0) {
        free(mem);
    }
    return CL_SUCCESS;
}

cl_int clGetMemObjectInfo(cl_mem mem, cl_mem_info what, size_t room, void *to, size_t *needed)
{
    const cl_context context = (cl_context)&context_object;
    return what == CL_MEM_SIZE ? answer(&mem->bytes, sizeof mem->bytes, room, to, needed)
                               : answer(&context, sizeof context, room, to, needed);
}

cl_int clEnqueueReadBuffer(cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t offset,
                           size_t bytes, void *to, cl_uint count, const cl_event *list,
                           cl_event *event)
{
    (void)queue;
    (void)blocking;
    (void)count;
    (void)list;
    (void)event;
    memcpy(to, mem->data + offset, bytes);
    return CL_SUCCESS;
}

cl_int clEnqueueWriteBuffer(cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t offset,
                            size_t bytes, const void *from, cl_uint count, const cl_event *list,
                            cl_event *event)
{
    (void)queue;
    (void)blocking;
    (void)count;
    (void)list;
    (void)event;
    memcpy(mem->data + offset, from, bytes);
    return CL_SUCCESS;
}

/* ---- Programs and kernels ------------------------------------------------------------------ */

cl_program clCreateProgramWithSource(cl_context context, cl_uint count, const char **texts,
                                     const size_t *lengths, cl_int *code)
{
    (void)context;
    (void)count;
    (void)lengths;
    cl_program program = calloc(1, sizeof *program);
    if (program) {
        program->references = 1;
        program->source = copy(texts[0]);
    }
    return made(program, code);
}

cl_int clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices,
                      const char *options, void(CL_CALLBACK *notify)(cl_program, void *),
                      void *user)
{
    (void)count;
    (void)devices;
    (void)notify;
    (void)user;
    free(program->options);
    program->options = copy(options ? options : "");
    return CL_SUCCESS;
}

cl_int clReleaseProgram(cl_program program)
{
    if (--program->references == 0) {
        free(program->source);
        free(program->options);
        free(program);
    }
    return CL_SUCCESS;
}

cl_int clGetProgramInfo(cl_program program, cl_program_info what, size_t room, void *to,
                        size_t *needed)
{
    (void)program;
    const cl_uint none = 0;
    return what == CL_PROGRAM_NUM_DEVICES ? answer(&none, sizeof none, room, to, needed)
                                          : CL_INVALID_VALUE;
}

cl_int clGetProgramBuildInfo(cl_program program, cl_device_id id, cl_program_build_info what,
                             size_t room, void *to, size_t *needed)
{
    (void)program;
    (void)id;
    (void)what;
    return answer_text("", room, to, needed);
}

cl_kernel clCreateKernel(cl_program program, const char *name, cl_int *code)
{
    cl_kernel kernel = calloc(1, sizeof *kernel);
    if (kernel) {
        kernel->references = 1;
        kernel->program = program;
        kernel->name = copy(name);
        program->references++;
    }
    return made(kernel, code);
}

cl_int clRetainKernel(cl_kernel kernel)
{
    kernel->references++;
    return CL_SUCCESS;
}

cl_int clReleaseKernel(cl_kernel kernel)
{
    if (--kernel->references == 0) {
        clReleaseProgram(kernel->program);
        free(kernel->name);
        free(kernel);
    }
    return CL_SUCCESS;
}

cl_int clGetKernelInfo(cl_kernel kernel, cl_kernel_info what, size_t room, void *to, size_t *needed)
{
    return what == CL_KERNEL_PROGRAM
               ? answer(&kernel->program, sizeof kernel->program, room, to, needed)
               : CL_INVALID_VALUE;
}

cl_int clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id id, cl_kernel_work_group_info what,
                                size_t room, void *to, size_t *needed)
{
    (void)kernel;
    (void)id;
    (void)what;
    (void)room;
    (void)to;
    (void)needed;
    return CL_INVALID_VALUE;
}

cl_int clSetKernelArg(cl_kernel kernel, cl_uint index, size_t bytes, const void *value)
{
    (void)kernel;
    (void)index;
    (void)bytes;
    (void)value;
    return CL_SUCCESS;
}

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
                              const size_t *offset, const size_t *global, const size_t *local,
                              cl_uint count, const cl_event *list, cl_event *event)
{
    (void)queue;
    (void)offset;
    (void)global;
    (void)count;
    (void)list;
    (void)event;
    size_t of_group[3] = {1, 1, 1};
    for (cl_uint i = 0; local && i < dimensions; i++) {
        of_group[i] = local[i];
    }
    if (!kernel->launched) {
        kernel->launched = true;
        on_launch(kernel->program->source, kernel->program->options, kernel->name, of_group);
    }
    return CL_SUCCESS;
}

/* A library brings kernels of its own, which are its concern. */
CLBlastStatusCode CLBlastSgemm(const CLBlastLayout layout, const CLBlastTranspose a_transpose,
                               const CLBlastTranspose b_transpose, const size_t m, const size_t n,
                               const size_t k, const float alpha, const cl_mem a_buffer,
                               const size_t a_offset, const size_t a_ld, const cl_mem b_buffer,
                               const size_t b_offset, const size_t b_ld, const float beta,
                               cl_mem c_buffer, const size_t c_offset, const size_t c_ld,
                               cl_command_queue *queue, cl_event *event)
{
    (void)layout, (void)a_transpose, (void)b_transpose, (void)m, (void)n, (void)k, (void)alpha;
    (void)a_buffer, (void)a_offset, (void)a_ld, (void)b_buffer, (void)b_offset, (void)b_ld;
    (void)beta, (void)c_buffer, (void)c_offset, (void)c_ld, (void)queue, (void)event;
    return CLBlastSuccess;
}
