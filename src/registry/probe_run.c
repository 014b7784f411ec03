#include "probe.h"
#include "runtime/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Lanes ------------------------------------------------------------------------ */

enum { TEAMS = 2, ANSWERS = 17 }; /* as in probe_lanes.cl */

static float own(int team, int lane) { return (float)(64 * team + lane); }

/* Over the lanes whose numbers differ from this one's in bits low to end alone. */
static float sum(int team, int lane, int low, int end)
{
    float total = 0;
    for (int other = 0; other < end; other++) {
        total += other % low ? 0 : own(team, (lane & ~(end - low)) | other);
    }
    return total;
}

static const char *const answer_names[ANSWERS] = {
    "the lane's number",        "the sub-group's number",  "a value of each lane",
    "a value of the last lane", "a sum over all lanes",    "a sum over 4 lanes",
    "a maximum over all lanes", "a maximum over 4 lanes",  "any of no lane",
    "any of one lane",          "any of all lanes",        "exchange with lane ^ 1",
    "exchange with lane ^ 2",   "exchange with lane ^ 4",  "exchange with lane ^ 8",
    "exchange with lane ^ 16",  "exchange with lane ^ 32",
};

static float answer(int size, int team, int lane, int which)
{
    const float simple[] = {
        (float)lane,
        (float)team,
        own(team, (5 * lane + 3) % size),
        own(team, size - 1),
        sum(team, lane, 1, size),
        sum(team, lane, 2, 8),
        -own(team, 0),
        own(team, lane | 3),
        0,
        team == 1,
        1,
    };
    const int first_exchange = sizeof simple / sizeof *simple;
    if (which < first_exchange) {
        return simple[which];
    }
    const int mask = 1 << (which - first_exchange);
    return mask < size ? own(team, lane ^ mask) : 0;
}

static bool answers_right(const float *answers, int size, char reason[CLATTN__FACT_BYTES])
{
    for (int item = 0; item < TEAMS * size; item++) {
        for (int which = 0; which < ANSWERS; which++) {
            const float got = answers[item * ANSWERS + which];
            const float expected = answer(size, item / size, item % size, which);
            if (got != expected) {
                snprintf(reason, CLATTN__FACT_BYTES, "%s is %g in lane %d, must be %g",
                         answer_names[which], (double)got, item % size, (double)expected);
                return false;
            }
        }
    }
    return true;
}

/* ---- Running ------------------------------------------------------------------------ */

/* A call failed.  Want of memory passes; anything else is the kernel's doing. */
static void fail(struct clattn__answer *answer, cl_int code, const char *call)
{
    const bool memory = code == CL_OUT_OF_HOST_MEMORY || code == CL_MEM_OBJECT_ALLOCATION_FAILURE;
    answer->state = memory ? CLATTN__UNKNOWN : CLATTN__WRONG;
    snprintf(answer->reason, sizeof answer->reason, "%s failed: %s (%d)", call,
             clattn__opencl_name(code), (int)code);
}

bool clattn__probe_launch(struct clattn__programs *programs, cl_kernel kernel, size_t items,
                          void *data, size_t bytes, struct clattn__answer *answer)
{
    cl_int code;
    const char *call = "clCreateBuffer";
    const cl_mem buffer = clCreateBuffer(
        programs->device->cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, bytes, data, &code);
    if (code == CL_SUCCESS) {
        call = "clSetKernelArg";
        code = clSetKernelArg(kernel, 0, sizeof buffer, &buffer);
    }
    if (code == CL_SUCCESS) {
        call = "clEnqueueNDRangeKernel";
        code = clEnqueueNDRangeKernel(programs->device->queue, kernel, 1, NULL, &items, &items, 0,
                                      NULL, NULL);
    }
    if (code == CL_SUCCESS) {
        call = "clEnqueueReadBuffer";
        code = clEnqueueReadBuffer(programs->device->queue, buffer, CL_TRUE, 0, bytes, data, 0,
                                   NULL, NULL);
    }
    if (buffer) {
        clReleaseMemObject(buffer);
    }
    if (code != CL_SUCCESS) {
        fail(answer, code, call);
    }
    return code == CL_SUCCESS;
}

void clattn__lanes_answer(struct clattn__programs *programs, cl_kernel kernel,
                          struct clattn__answer *answer)
{
    const int size = (int)answer->probe->subgroup;
    const size_t items = TEAMS * (size_t)size, bytes = items * ANSWERS * sizeof(float);
    float answers[TEAMS * 64 * ANSWERS];
    memset(answers, 0xff, bytes); /* NaN: what is not written is wrong */
    if (clattn__probe_launch(programs, kernel, items, answers, bytes, answer)) {
        answer->state =
            answers_right(answers, size, answer->reason) ? CLATTN__RIGHT : CLATTN__WRONG;
    }
}

/* The engines' headers say themselves which lanes they need. */
static void options_of(const struct clattn__probe *probe, char options[128])
{
    if (probe->engine) {
        snprintf(options, 128, "-cl-std=CL1.2 -DENGINE=%d -DTYPE=%d -DEMULATED=%d -DPAIRS=%d",
                 probe->engine, probe->type, probe->emulated, probe->pairs);
    } else {
        snprintf(options, 128, "-cl-std=CL1.2 -DLANES_BY=%d -DSUBGROUP=%u", probe->lanes,
                 (unsigned)probe->subgroup);
    }
}

bool clattn__answer_begin(const struct clattn__programs *programs,
                          const struct clattn__probe *probe, struct clattn__answer *answer)
{
    char file[64], options[128], asked[160], *source;
    *answer = (struct clattn__answer){.probe = probe};
    snprintf(file, sizeof file, "%s.cl", probe->file);
    if (clattn__source(programs->kernel_dir, file, &source) != CLATTN_OK) {
        return false;
    }
    options_of(probe, options);
    snprintf(asked, sizeof asked, "%s%s", options, probe->subnormals ? " subnormals" : "");
    clattn__program_key(&programs->device->facts, source, asked, answer->key);
    free(source);
    return true;
}

void clattn__probe_run(struct clattn__programs *programs, struct clattn__answer *answer)
{
    char file[64], options[128];
    cl_kernel kernel;
    snprintf(file, sizeof file, "%s.cl", answer->probe->file);
    options_of(answer->probe, options);
    const clattn_status status =
        clattn__kernel_create(programs, file, answer->probe->file, options, &kernel);
    if (status == CLATTN_OK) {
        answer->probe->answer(programs, kernel, answer);
        clReleaseKernel(kernel);
        return;
    }
    answer->state = status == CLATTN_ERR_BUILD ? CLATTN__WRONG : CLATTN__UNKNOWN;
    snprintf(answer->reason, sizeof answer->reason, "%.*s", (int)strcspn(clattn_error(), "\r\n"),
             clattn_error());
}
