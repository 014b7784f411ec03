/* The fastest of the kernels that can serve one case. */
#include "tune.h"

#include <stdio.h>
#include <string.h>

/* Calls of so few rows are another matter than those of many: clattn_tune_choose. */
enum { FEW_ROWS = 6, MOST_KERNELS = 16 };

typedef struct kernel_list {
    char names[MOST_KERNELS][64];
    int count;
} kernel_list;

static void add_kernel(void *user, const char *kernel, const char *refusal)
{
    kernel_list *list = user;
    if (!refusal && list->count < MOST_KERNELS) {
        snprintf(list->names[list->count++], sizeof list->names[0], "%s", kernel);
    }
}

static void name_of(const workload *w, char name[64])
{
    const char *kernel = workload_kernel(w);
    snprintf(name, 64, "%.*s", (int)strcspn(kernel, " "), kernel);
}

/* Whether calls as that of the case are those of few rows. */
static bool is_few(const workload *w)
{
    return strcmp(workload_kernel(w), clattn_op_kernel(w->op)) != 0 ||
           (int64_t)w->c.batch * w->c.rows <= FEW_ROWS;
}

/* Whether choosing the kernel has that effect: one made for few rows does not serve many, and
 * weights that were packed for another are not kept twice. */
static bool may_be_chosen(const tune_job *job, const tune_row *row, const workload *w,
                          const char *kernel)
{
    reason why;
    workload free;
    char taken[64];
    if (clattn_tune_choose(w->op, row->few) != CLATTN_OK ||
        !workload_twin(&free, w, job->measured, "", "", &why)) {
        return false;
    }
    name_of(&free, taken);
    workload_close(&free);
    return strcmp(taken, kernel) == 0;
}

/* One more kernel; one that is not to be had, may not be chosen or computes wrongly is passed over.
 * False after a line. */
static bool try_kernel(const tune_job *job, tune_row *row, const workload *first, workload *best,
                       const char *kernel)
{
    char line[1024];
    struct check_result result;
    reason why;
    workload w;
    if (!workload_twin(&w, first, job->measured, kernel, "", &why)) {
        return true;
    }
    if (!may_be_chosen(job, row, &w, kernel)) {
        workload_close(&w);
        return true;
    }
    row->kernels++;
    bool faster = false, done = true;
    if (tune_verify(job->measured, &w.c, line, sizeof line, &result)) {
        done = tune_is_faster(best->op ? best : first, &w, job->measured->queue, &faster);
    } else {
        tune_report_wrong(job, kernel, line, &result);
        row->wrong++;
    }
    if (faster) {
        workload_close(best);
        *best = w;
        snprintf(row->fastest, sizeof row->fastest, "%s", kernel);
    } else {
        workload_close(&w);
    }
    return done;
}

static bool try_all(const tune_job *job, tune_row *row, const workload *first,
                    const kernel_list *list)
{
    workload best = {.op = NULL};
    tune_gain gain = {.least = 0};
    bool done = true;
    for (int i = 0; i < list->count && done; i++) {
        if (strcmp(list->names[i], row->usual) != 0) {
            done = try_kernel(job, row, first, &best, list->names[i]);
        }
    }
    if (done && best.op) {
        done = tune_confirm(first, &best, job->measured->queue, &gain);
    }
    workload_close(&best);
    row->kernel_gain = gain.least;
    row->usual_ms = gain.ms[0];
    row->fastest_ms = gain.ms[1];
    row->chosen = done && gain.enough;
    return done;
}

bool tune_kernels(const tune_job *job, tune_row *row)
{
    kernel_list list = {.count = 0};
    reason why;
    workload first;
    if (job->c->kernel[0] || !workload_open(&first, job->measured, job->c, NULL, &why)) {
        return true; /* the search for parameters says why */
    }
    bool done = true;
    if (first.kind->variants) {
        first.kind->variants(&first, job->measured->context, add_kernel, &list);
        name_of(&first, row->usual);
        snprintf(row->fastest, sizeof row->fastest, "%s", row->usual);
        row->few = is_few(&first);
        row->kernels = 1;
        done = try_all(job, row, &first, &list);
        clattn_tune_clear(job->measured->context); /* what was chosen was a question */
    }
    workload_close(&first);
    return done;
}

bool tune_store_kernel(const session *s, const struct test_case *c, const tune_row *row,
                       reason *why)
{
    workload w;
    struct test_case forced = *c;
    snprintf(forced.kernel, sizeof forced.kernel, "%s", row->chosen ? row->fastest : row->usual);
    if (!workload_describe(&w, &forced, why)) {
        return false;
    }
    const bool kept = w.kind->create(&w, s->context, forced.kernel) == CLATTN_OK &&
                      clattn_tune_choose(w.op, row->few) == CLATTN_OK;
    if (!kept) {
        refuse(why, "%s", clattn_error());
    }
    workload_close(&w);
    return kept;
}
