/* What `clattn tune` finds out about one case, and how it is told. */
#ifndef TOOLS_TUNE_H
#define TOOLS_TUNE_H

#include "check/check.h"
#include "shared/case_list.h"
#include "shared/workload.h"

#include <cjson/cJSON.h>

enum { TUNE_PARAMS_BYTES = sizeof((struct test_case *)0)->params };

typedef struct tune_row {
    char line[1024];                  /* the case as it was written, with its op */
    char title[160];                  /* for people */
    char kernel[160];                 /* that was tuned: "attention/wide f32 d64" */
    char skipped[512];                /* why nothing was; "" = it was */
    int sets, tried;                  /* that there are; that were compiled */
    int wrong;                        /* sets and kernels that computed wrongly */
    char built_in[TUNE_PARAMS_BYTES]; /* what the device gets without tuning */
    char best[TUNE_PARAMS_BYTES];
    double built_in_ms, best_ms; /* best of several comparisons, which take turns */
    double gain;                 /* built_in_ms / best_ms - 1, the least of several comparisons */
    bool better;                 /* by enough */
    int kernels;                 /* that can serve the case and were compared; 0 = none were */
    char usual[64], fastest[64];
    double usual_ms, fastest_ms, kernel_gain; /* as those of parameters */
    bool few;                                 /* it is a case of few rows */
    bool chosen;                              /* fastest is another than usual, and by enough */
    bool stored;                              /* that, or that the built-in ones are best */
    bool found;                               /* in the cache directory, afterwards */
} tune_row;

typedef struct tune_job {
    const session *kept;     /* knows what was kept */
    const session *measured; /* compiles candidates, in memory only */
    const struct test_case *c;
    double seconds;
    bool show; /* progress, of so many cases */
    size_t number, total;
} tune_job;

/* Searches the parameters of the kernel that the case forces, else of the one that runs it.  A
 * case that cannot be tuned is a row that says so; false after a line if the search broke off. */
bool tune_case(const tune_job *job, tune_row *row);

/* Compares the kernels that can serve the case as it is, unless it forces one or the kind of its op
 * has no choice; false after a line if that broke off. */
bool tune_kernels(const tune_job *job, tune_row *row);

/* Whether the second is faster than the first, twice: on a busy machine a walk that trusts one
 * comparison drifts away.  False after a line. */
bool tune_is_faster(const workload *best, const workload *w, cl_command_queue queue, bool *faster);

/* What the second gains over the first, compared several times: luck does not come back. */
typedef struct tune_gain {
    double ms[2]; /* best of each */
    double least; /* ms[0] / ms[1] - 1, of any comparison */
    bool enough;
} tune_gain;

bool tune_confirm(const workload *usual, const workload *best, cl_command_queue queue,
                  tune_gain *gain);

/* Whether the kernel computes small cases of the case's kind rightly with its forced parameters.
 * If not: writes the case that shows it, and in what it fell short. */
bool tune_verify(const session *s, const struct test_case *c, char *line, size_t line_bytes,
                 struct check_result *result);

/* Tells at once what is wrong with a kernel; the search goes on without it. */
void tune_report_wrong(const tune_job *job, const char *kernel, const char *line,
                       const struct check_result *result);

/* Chooses a row's fastest kernel for its class, or, if it gains too little, forgets what was. */
bool tune_store_kernel(const session *s, const struct test_case *c, const tune_row *row,
                       reason *why);

/* Keeps a row's best parameters, or, if they are not better, the built-in ones. */
bool tune_store(const session *s, const struct test_case *c, const tune_row *row, reason *why);

void tune_print(const tune_row *row);
bool tune_print_json(const tune_row *rows, size_t count, const clattn_device_facts *facts);

#endif /* TOOLS_TUNE_H */
