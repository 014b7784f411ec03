/* What `clattn check` tells: per kernel and in all, as a table and as JSON. */
#ifndef TOOLS_CHECK_REPORT_H
#define TOOLS_CHECK_REPORT_H

#include "check/check.h"
#include "shared/message.h"
#include "shared/output.h"

#include <cjson/cJSON.h>

typedef struct tally {
    char kernel[32];
    int counts[3]; /* by check_outcome */
    double worst, seconds;
    char skipped[200]; /* why, the first time */
} tally;

enum { CHECK_TALLIES = 96 };

typedef struct check_report {
    const char *command; /* "check --full" */
    const clattn_device_facts *facts;
    bool full;
    tally tallies[CHECK_TALLIES]; /* until a name is empty */
    int counts[3];
    double seconds;
    /* For want of time: cases left out; cases, and large ones, that ran on the chosen kernel. */
    int cases_left, chosen_alone, large_left;
    const char *random; /* what begins at seed, or NULL */
    long long seed;
    cJSON *failures; /* array */
} check_report;

/* Counts one result for the kernel of that name; the first of a name makes its row. */
void check_report_add(check_report *report, const char *kernel, const struct check_result *result,
                      double seconds);

void check_report_failure(check_report *report, const char *op, const char *line,
                          const char *kernel, const char *why);

void check_report_print(const check_report *report);

/* The same for programs, and more of it.  NULL without memory. */
cJSON *check_report_json(const check_report *report);

/* Where --full puts it: "clattn-check-NVIDIA-H100.json". */
void check_report_path(const clattn_device_facts *facts, char *path, size_t bytes);

/* Writes it to the file that was added to the set. */
bool check_report_write(const check_report *report, output_set *files, const char *path,
                        reason *why);

#endif /* TOOLS_CHECK_REPORT_H */
