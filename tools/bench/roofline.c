#include "roofline.h"
#include "roofline_source.h"

#include <stdio.h>

/* A microkernel with its launch. */
typedef struct probe {
    const session *session;
    cl_program program;
    cl_kernel kernel;
    cl_mem in, out;
    int width, chains;
    size_t global, local;
} probe;

enum { RUNS_MIN = 3, READ_CHAINS = 8 };

static bool is_cpu(const session *s) { return (s->facts->type & CL_DEVICE_TYPE_CPU) != 0; }

/* ---- Making ----------------------------------------------------------------------------- */

static void probe_close(probe *p)
{
    if (p->kernel) {
        clReleaseKernel(p->kernel);
    }
    if (p->program) {
        clReleaseProgram(p->program);
    }
    if (p->in) {
        clReleaseMemObject(p->in);
    }
    if (p->out) {
        clReleaseMemObject(p->out);
    }
    *p = (probe){0};
}

static bool probe_open(probe *p, const session *s, const char *name, reason *why)
{
    char options[64];
    cl_int code;
    const cl_context context = clattn_context_cl(s->context);
    cl_device_id device = clattn_context_device(s->context);
    snprintf(options, sizeof options, "-DWIDTH=%d -DCHAINS=%d", p->width, p->chains);
    p->session = s;
    p->program = clCreateProgramWithSource(context, 1, (const char *[]){roofline_source[0].text},
                                           NULL, &code);
    if (code == CL_SUCCESS) {
        code = clBuildProgram(p->program, 1, &device, options, NULL, NULL);
    }
    if (code == CL_SUCCESS) {
        p->kernel = clCreateKernel(p->program, name, &code);
    }
    if (code == CL_SUCCESS) {
        p->out = clCreateBuffer(context, CL_MEM_READ_WRITE,
                                p->global * (size_t)p->width * sizeof(float), NULL, &code);
    }
    return code == CL_SUCCESS || refuse(why, "%s: OpenCL error %d", name, code);
}

/* Milliseconds of one launch; negative after an error. */
static double launch(const probe *p, reason *why)
{
    const double start = now_ms();
    cl_int code = clEnqueueNDRangeKernel(p->session->queue, p->kernel, 1, NULL, &p->global,
                                         &p->local, 0, NULL, NULL);
    if (code == CL_SUCCESS) {
        code = clFinish(p->session->queue);
    }
    if (code != CL_SUCCESS) {
        refuse(why, "measuring the device's ceilings: OpenCL error %d", code);
        return -1;
    }
    return now_ms() - start;
}

static double best_launch(const probe *p, double seconds, reason *why)
{
    const double end = now_ms() + seconds * 1e3;
    double best = 0;
    for (int n = 0; n < RUNS_MIN || now_ms() < end; n++) {
        const double ms = launch(p, why);
        if (ms < 0) {
            return -1;
        }
        best = n == 0 || ms < best ? ms : best;
    }
    return best;
}

/* ---- Multiply and add ------------------------------------------------------------------- */

static bool set_rounds(const probe *p, cl_int rounds, reason *why)
{
    const float factor = 0.999f, addend = 0.001f;
    const bool set = clSetKernelArg(p->kernel, 0, sizeof rounds, &rounds) == CL_SUCCESS &&
                     clSetKernelArg(p->kernel, 1, sizeof factor, &factor) == CL_SUCCESS &&
                     clSetKernelArg(p->kernel, 2, sizeof addend, &addend) == CL_SUCCESS &&
                     clSetKernelArg(p->kernel, 3, sizeof p->out, &p->out) == CL_SUCCESS;
    return set || refuse(why, "the arguments of roofline_fma were refused");
}

/* Launches long enough that starting them counts for nothing, short enough to find a quiet moment.
 */
static bool calibrate(const probe *p, cl_int *rounds, reason *why)
{
    for (*rounds = 256; *rounds < 1 << 24; *rounds *= 2) {
        if (!set_rounds(p, *rounds, why) || launch(p, why) < 0) {
            return false;
        }
        const double ms = launch(p, why);
        if (ms < 0 || ms > 4) {
            return ms >= 0;
        }
    }
    return true;
}

static bool measure_fma(const session *s, double seconds, roofline *best, reason *why)
{
    const clattn_device_facts *facts = s->facts;
    const size_t units = (size_t)facts->compute_units, group = facts->max_work_group;
    probe p = {.width = facts->vector_width,
               /* 32 registers of 4 or 16 floats (NEON, AVX-512), 16 of 8 (AVX2). */
               .chains = facts->vector_width == 8   ? 12
                         : facts->vector_width == 1 ? 16
                                                    : 24,
               .global = is_cpu(s) ? units * 4 : units * 2048,
               .local = is_cpu(s)     ? 1
                        : group < 256 ? group
                                      : 256};
    cl_int rounds;
    p.global -= p.global % p.local;
    double ms = -1;
    if (probe_open(&p, s, "roofline_fma", why) && calibrate(&p, &rounds, why)) {
        ms = best_launch(&p, seconds, why);
    }
    if (ms > 0) {
        const double gflops = 2.0 * p.width * p.chains * rounds * (double)p.global / (ms * 1e6);
        best->gflops = gflops > best->gflops ? gflops : best->gflops;
    }
    probe_close(&p);
    return ms > 0;
}

/* ---- Read ------------------------------------------------------------------------------- */

/* Much larger than any cache: 512 MB, or a quarter of a small device's memory. */
static uint64_t bytes_to_read(const session *s, bool small)
{
    uint64_t bytes = (uint64_t)512 << 20;
    if (small) {
        bytes >>= 4;
    }
    if (bytes > s->facts->global_bytes / 4) {
        bytes = s->facts->global_bytes / 4;
    }
    return bytes < s->facts->max_alloc_bytes ? bytes : s->facts->max_alloc_bytes;
}

/* Written once: memory that never was may be one page of zeros, read from the cache. */
static bool fill(probe *p, uint64_t bytes, reason *why)
{
    cl_int code;
    const float one = 1;
    p->in = clCreateBuffer(clattn_context_cl(p->session->context), CL_MEM_READ_WRITE, (size_t)bytes,
                           NULL, &code);
    if (code == CL_SUCCESS) {
        code = clEnqueueFillBuffer(p->session->queue, p->in, &one, sizeof one, 0, (size_t)bytes, 0,
                                   NULL, NULL);
    }
    return code == CL_SUCCESS || refuse(why, "no room for %llu bytes to read: OpenCL error %d",
                                        (unsigned long long)bytes, code);
}

static bool set_walk(const probe *p, cl_long count, reason *why)
{
    const cl_long apart = is_cpu(p->session) ? count : 1;
    const cl_long step = is_cpu(p->session) ? 1 : (cl_long)p->global;
    const bool set = clSetKernelArg(p->kernel, 0, sizeof p->in, &p->in) == CL_SUCCESS &&
                     clSetKernelArg(p->kernel, 1, sizeof count, &count) == CL_SUCCESS &&
                     clSetKernelArg(p->kernel, 2, sizeof apart, &apart) == CL_SUCCESS &&
                     clSetKernelArg(p->kernel, 3, sizeof step, &step) == CL_SUCCESS &&
                     clSetKernelArg(p->kernel, 4, sizeof p->out, &p->out) == CL_SUCCESS;
    return set || refuse(why, "the arguments of roofline_read were refused");
}

static bool measure_read(const session *s, double seconds, bool small, roofline *best, reason *why)
{
    const clattn_device_facts *facts = s->facts;
    const size_t units = (size_t)facts->compute_units, group = facts->max_work_group;
    probe p = {.width = facts->vector_width == 1 ? 4 : facts->vector_width,
               .chains = READ_CHAINS,
               .global = is_cpu(s) ? units * 8 : units * 2048,
               .local = is_cpu(s)     ? 1
                        : group < 256 ? group
                                      : 256};
    p.global -= p.global % p.local;
    const uint64_t vector = (uint64_t)p.width * sizeof(float);
    const uint64_t count = bytes_to_read(s, small) / vector / p.global / READ_CHAINS * READ_CHAINS;
    const uint64_t bytes = count * p.global * vector;
    double ms = -1;
    if (count == 0) {
        return refuse(why, "the device has too little memory to measure how fast it reads");
    }
    if (probe_open(&p, s, "roofline_read", why) && fill(&p, bytes, why) &&
        set_walk(&p, (cl_long)count, why)) {
        ms = best_launch(&p, seconds, why);
    }
    if (ms > 0) {
        const double gbytes = (double)bytes / (ms * 1e6);
        best->gbytes = gbytes > best->gbytes ? gbytes : best->gbytes;
    }
    probe_close(&p);
    return ms > 0;
}

bool roofline_measure(const session *s, double seconds, bool small, roofline *best, reason *why)
{
    return measure_fma(s, seconds, best, why) && measure_read(s, seconds, small, best, why);
}
