#include "session.h"
#include "message.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* user: the common options, which outlive the session. */
static void pass_log_on(void *user, const char *text)
{
    const common_options *common = user;
    if (common->verbose)
        fprintf(stderr, "%s\n", text);
    if (common->log)
        common->log(common->log_user, text);
}

bool session_find(const common_options *common, cl_device_id *device)
{
    size_t count = 0;
    if (clattn_device_list(NULL, 0, &count) == CLATTN_OK && count == 0) {
        fail("no OpenCL device is here (Debian's pocl-opencl-icd makes one of the processor)");
        return false;
    }
    if (clattn_device_find(common->device, device) == CLATTN_OK) {
        return true;
    }
    if (common->device) {
        fail("--device '%s': %s", common->device, clattn_error());
    } else {
        fail("choosing a device: %s", clattn_error());
    }
    return false;
}

/* clattn-probe beside this program: where both were built, or installed, or moved to.  "" where it
 * is not, so that the library looks where it was installed. */
static void find_probe_program(char *path, size_t bytes)
{
    static const char *const places[] = {"clattn-probe", "../libexec/clattn-probe",
                                         "../src/clattn-probe"};
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        snprintf(path, bytes, "%.*s%s", (int)(slash + 1 - self), self, places[i]);
        if (access(path, X_OK) == 0) {
            return;
        }
    }
    path[0] = '\0';
}

bool session_open(session *s, const common_options *common, cl_device_id device,
                  const char *cache_dir)
{
    char directory[4096], probe_program[4200];
    *s = (session){0};
    if (!cache_dir && clattn_default_cache_dir(directory, sizeof directory)) {
        cache_dir = directory;
    }
    find_probe_program(probe_program, sizeof probe_program);
    const clattn_context_desc desc = {.device = device,
                                      .cache_dir = cache_dir,
                                      .probe_program = probe_program,
                                      .log = common->verbose || common->log ? pass_log_on : NULL,
                                      .user = (void *)common};
    if (clattn_context_create(&desc, &s->context) != CLATTN_OK) {
        fail("opening the device: %s", clattn_error());
        return false;
    }
    s->facts = clattn_context_facts(s->context);
    cl_int code;
    s->queue = clCreateCommandQueue(clattn_context_cl(s->context), device, 0, &code);
    if (code == CL_SUCCESS) {
        return true;
    }
    fail("%s: clCreateCommandQueue gave OpenCL error %d", s->facts->name, code);
    session_close(s);
    return false;
}

void session_close(session *s)
{
    if (s->queue) {
        clReleaseCommandQueue(s->queue);
    }
    clattn_context_destroy(s->context);
    *s = (session){0};
}

cl_mem session_memory(const session *s, size_t bytes, const void *data, reason *why)
{
    cl_int code;
    const cl_mem_flags flags = CL_MEM_READ_WRITE | (data && bytes ? CL_MEM_COPY_HOST_PTR : 0);
    cl_mem mem = clCreateBuffer(clattn_context_cl(s->context), flags, bytes ? bytes : 1,
                                data && bytes ? (void *)(uintptr_t)data : NULL, &code);
    if (code == CL_SUCCESS) {
        return mem;
    }
    refuse(why, "no room for %zu bytes on %s (OpenCL error %d)", bytes, s->facts->name, code);
    return NULL;
}

cl_mem session_buffer(const session *s, size_t bytes, const void *data, const char *what)
{
    reason why;
    cl_mem mem = session_memory(s, bytes, data, &why);
    if (!mem) {
        fail("%s: %s", what, why.text);
    }
    return mem;
}

bool session_read(const session *s, cl_mem mem, size_t bytes, void *to, const char *what)
{
    cl_int code = clFinish(s->queue);
    if (code == CL_SUCCESS && bytes) {
        code = clEnqueueReadBuffer(s->queue, mem, CL_TRUE, 0, bytes, to, 0, NULL, NULL);
    }
    if (code == CL_SUCCESS) {
        return true;
    }
    fail("%s: reading the result gave OpenCL error %d", what, code);
    return false;
}

double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}
