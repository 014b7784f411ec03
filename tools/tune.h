/* What `clattn tune` finds out about one case, and how it is told. */
#ifndef TOOLS_TUNE_H
#define TOOLS_TUNE_H

#include "case_list.h"
#include "check.h"
#include "workload.h"

#include <cjson/cJSON.h>

enum { TUNE_PARAMS_BYTES = sizeof((struct test_case *)0)->params };

typedef struct tune_row {
    char line[1024];        /* the case as it was written, with its op */
    char title[160];        /* for people */
    char kernel[160];       /* that was tuned: "attention/wide f32 d64" */
    char skipped[512];      /* why nothing was; "" = it was */
    int sets, tried, wrong; /* that there are; that were compiled; that computed wrongly */
    char built_in[TUNE_PARAMS_BYTES]; /* what the device gets without tuning */
    char best[TUNE_PARAMS_BYTES];
    double built_in_ms, best_ms; /* best of several comparisons, which take turns */
    double gain;                 /* built_in_ms / best_ms - 1, the least of several comparisons */
    bool better;                 /* by enough */
    bool stored;                 /* that, or that the built-in ones are best */
    bool found;                  /* in the cache directory, afterwards */
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

/* Whether the kernel computes small cases of the case's kind rightly with its forced parameters.
 * If not: writes the case that shows it, and in what it fell short. */
bool tune_verify(const session *s, const struct test_case *c, char *line, size_t line_bytes,
                 struct check_result *result);

/* Keeps a row's best parameters, or, if they are not better, the built-in ones. */
bool tune_store(const session *s, const struct test_case *c, const tune_row *row, reason *why);

void tune_print(const tune_row *row);
bool tune_print_json(const tune_row *rows, size_t count, const clattn_device_facts *facts);

#endif /* TOOLS_TUNE_H */
