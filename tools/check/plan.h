/* Which cases `clattn check` runs, in which order, with which kernels. */
#ifndef TOOLS_CHECK_PLAN_H
#define TOOLS_CHECK_PLAN_H

#include <stdbool.h>

typedef enum check_kernels {
    KERNELS_ALL,
    KERNELS_CHOSEN, /* the one that the library chooses */
    KERNELS_OTHERS  /* all but that one */
} check_kernels;

typedef struct check_job {
    char *text; /* a case's line */
    check_kernels kernels;
    bool needed;     /* however late it is, if only on the chosen kernel */
    char chosen[32]; /* KERNELS_OTHERS: the kernel not to run again; the plan's user fills it in */
    struct check_job *others; /* KERNELS_CHOSEN: the job for the other kernels */
} check_job;

typedef struct check_plan {
    check_job *jobs;
    int count;
} check_plan;

/* The cases of one operation, or with op NULL of all.
 * full: of each kind of case first one, all kernels, and every large case with the kernel chosen
 * for it.  That much is needed; then comes the rest, a case of each kind in turn.
 * Else every kernel on each case of smoke, and of ci unless smoke.  False without memory. */
bool check_plan_make(check_plan *plan, bool smoke, bool full, const char *op);
void check_plan_free(check_plan *plan);

#endif /* TOOLS_CHECK_PLAN_H */
