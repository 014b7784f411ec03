/* What `clattn bench` measures, and how it is told. */
#ifndef TOOLS_BENCH_H
#define TOOLS_BENCH_H

#include "roofline.h"
#include "shared/workload.h"

#include <cjson/cJSON.h>

typedef struct timing {
    int runs;
    double best_ms, median_ms; /* negative = not to be had */
} timing;

typedef struct bench_row {
    char line[1024];   /* the case as it was written, with its op */
    char title[160];   /* for people */
    char kernel[160];  /* that ran, or was asked for */
    char skipped[512]; /* why nothing ran; "" = it ran */
    double create_ms;  /* making the op, which compiles it or loads it from the cache */
    double first_ms;   /* that and the first run: what a new user waits for */
    timing wall;       /* enqueue to finish */
    timing device;     /* between two markers around the run's commands */
    double flops, bytes;
    double before_ms; /* best_ms of an earlier run; negative = none */
} bench_row;

typedef struct bench_limits {
    double seconds; /* per case, both timings together */
    int32_t repeat; /* runs of each timing instead; 0 = by seconds */
} bench_limits;

/* Times a case with one kernel (NULL = the best that fits).  profiling is a second queue on the
 * device, or NULL.  A case that has no kernel or no room here is a row that says so; false after
 * a line if a run failed. */
bool bench_case(bench_row *row, const session *s, cl_command_queue profiling,
                const struct test_case *c, const char *kernel, const bench_limits *limits);

/* Which ceiling bounds a row, and how near its best wall time comes. */
typedef struct bench_share {
    bool memory;
    double rate;    /* GFLOP/s, or GB/s if memory */
    double percent; /* of the ceiling; above 100 where a cache served */
} bench_share;

bench_share bench_share_of(const bench_row *row, const roofline *ceilings);

/* What an earlier --json wrote; NULL after a line.  cJSON_Delete() frees it. */
cJSON *bench_before(const char *path);

/* Fills before_ms; without an earlier run, it stays as it is. */
void bench_compare(bench_row *rows, size_t count, const cJSON *before);

void bench_print(const bench_row *rows, size_t count, const clattn_device_facts *facts,
                 const roofline *ceilings);
bool bench_print_json(const bench_row *rows, size_t count, const clattn_device_facts *facts,
                      const roofline *ceilings);

#endif /* TOOLS_BENCH_H */
