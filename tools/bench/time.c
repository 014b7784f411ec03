/* Times one case. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES_MAX = 20000, RUNS_MIN = 3 };

typedef struct sampler {
    double *ms;
    int count;
} sampler;

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static timing summary(sampler *s)
{
    if (s->count == 0) {
        return (timing){0, -1, -1};
    }
    qsort(s->ms, (size_t)s->count, sizeof *s->ms, by_size);
    const int half = s->count / 2;
    const double median = s->count % 2 ? s->ms[half] : (s->ms[half - 1] + s->ms[half]) / 2;
    return (timing){s->count, s->ms[0], median};
}

/* What the device says passed between two markers; negative if it does not say. */
static double run_device(const workload *w, cl_command_queue queue)
{
    cl_event around[2] = {NULL, NULL};
    cl_ulong start = 0, end = 0;
    const bool ran = clEnqueueMarkerWithWaitList(queue, 0, NULL, &around[0]) == CL_SUCCESS &&
                     workload_run(w, queue) == CLATTN_OK &&
                     clEnqueueMarkerWithWaitList(queue, 0, NULL, &around[1]) == CL_SUCCESS;
    const bool told = clFinish(queue) == CL_SUCCESS && ran &&
                      clGetEventProfilingInfo(around[0], CL_PROFILING_COMMAND_END, sizeof start,
                                              &start, NULL) == CL_SUCCESS &&
                      clGetEventProfilingInfo(around[1], CL_PROFILING_COMMAND_END, sizeof end, &end,
                                              NULL) == CL_SUCCESS;
    for (int i = 0; i < 2; i++) {
        if (around[i]) {
            clReleaseEvent(around[i]);
        }
    }
    return told && end > start ? (double)(end - start) * 1e-6 : -1;
}

/* The two ways take turns, so that both see the same moments of a busy machine. */
static bool sample(const workload *w, const session *s, cl_command_queue profiling,
                   const bench_limits *limits, sampler *wall, sampler *device)
{
    const double end = now_ms() + limits->seconds * 1e3;
    const int most = limits->repeat && limits->repeat < SAMPLES_MAX ? limits->repeat : SAMPLES_MAX;
    while (wall->count < most && (limits->repeat || wall->count < RUNS_MIN || now_ms() < end)) {
        const double ms = workload_time(w, s->queue);
        if (ms < 0) {
            return false;
        }
        wall->ms[wall->count++] = ms;
        const double between = profiling ? run_device(w, profiling) : -1;
        if (between >= 0) {
            device->ms[device->count++] = between;
        }
    }
    return true;
}

static bool time_workload(bench_row *row, const workload *w, const session *s,
                          cl_command_queue profiling, const bench_limits *limits)
{
    double *room = malloc(2 * SAMPLES_MAX * sizeof *room);
    if (!room) {
        fail("out of memory");
        return false;
    }
    sampler wall = {room, 0}, device = {room + SAMPLES_MAX, 0};
    const double first = workload_time(w, s->queue);
    row->first_ms = w->create_ms + first;
    /* Once more: memory touched and processor woken. */
    const bool done = first >= 0 && workload_time(w, s->queue) >= 0 &&
                      sample(w, s, profiling, limits, &wall, &device);
    row->wall = summary(&wall);
    row->device = summary(&device);
    free(room);
    return done;
}

bool bench_case(bench_row *row, const session *s, cl_command_queue profiling,
                const struct test_case *c, const char *kernel, const bench_limits *limits)
{
    workload w;
    reason why;
    workload_title(c, row->title, sizeof row->title);
    snprintf(row->kernel, sizeof row->kernel, "%s", kernel ? kernel : "");
    row->wall = row->device = (timing){0, -1, -1};
    row->before_ms = -1;
    row->skipped[0] = '\0';
    if (!workload_open(&w, s, c, kernel, &why)) {
        snprintf(row->skipped, sizeof row->skipped, "%s", why.text);
        return true;
    }
    snprintf(row->kernel, sizeof row->kernel, "%s", workload_kernel(&w));
    row->create_ms = w.create_ms;
    row->flops = w.flops;
    row->bytes = w.bytes;
    const bool done = time_workload(row, &w, s, profiling, limits);
    workload_close(&w);
    return done;
}

bench_share bench_share_of(const bench_row *row, const roofline *ceilings)
{
    const double seconds = row->wall.best_ms * 1e-3;
    const double compute = row->flops / (ceilings->gflops * 1e9);
    const double memory = row->bytes / (ceilings->gbytes * 1e9);
    const bool by_memory = memory > compute;
    if (seconds <= 0) {
        return (bench_share){by_memory, 0, 0};
    }
    return (bench_share){by_memory, (by_memory ? row->bytes : row->flops) / seconds * 1e-9,
                         100 * (by_memory ? memory : compute) / seconds};
}
