/* The search for a kernel's fastest parameters on one case. */
#include "shared/progress.h"
#include "tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Candidates -------------------------------------------------------------------------- */

typedef struct set {
    char params[TUNE_PARAMS_BYTES];
    bool tried, wrong;
} set;

typedef struct set_list {
    set *items; /* the one in use first */
    size_t count;
    int built_in;
    bool out_of_memory;
} set_list;

static void add_set(void *user, const clattn_candidate *candidate)
{
    set_list *list = user;
    set *longer = realloc(list->items, (list->count + 1) * sizeof *longer);
    if (!longer) {
        list->out_of_memory = true;
        return;
    }
    list->items = longer;
    list->built_in = candidate->built_in ? (int)list->count : list->built_in;
    set *item = &longer[list->count++];
    *item = (set){.tried = false};
    snprintf(item->params, sizeof item->params, "%s", candidate->params);
}

/* ---- The walk ------------------------------------------------------------------------------ */

typedef struct search {
    const tune_job *job;
    tune_row *row;
    set_list sets;
    char kernel[64]; /* "attention/wide" */
    workload first;  /* with the operands that all share */
    workload best;   /* the fastest so far; its op is NULL before there is one */
    double started;
} search;

static bool time_is_up(const search *s) { return now_ms() - s->started > s->job->seconds * 1e3; }

static void tell(const search *s)
{
    const tune_job *job = s->job;
    const double by_time = (now_ms() - s->started) / (job->seconds * 1e3);
    const double by_sets = (double)s->row->tried / (double)s->sets.count;
    const double share = by_time > by_sets ? by_time : by_sets;
    progress_show(job->show, ((double)job->number + share) / (double)job->total,
                  "%zu/%zu %s: %d of %zu, best %s", job->number, job->total, s->row->kernel,
                  s->row->tried, s->sets.count, s->row->best);
}

/* One more candidate: compiled, verified, timed, and perhaps the new best.  One that is not to be
 * had or computes wrongly is passed over; false after a line. */
static bool try_set(search *s, set *candidate)
{
    const session *on = s->job->measured;
    char line[1024];
    struct check_result result;
    reason why;
    workload w;
    candidate->tried = true;
    s->row->tried++;
    if (!workload_twin(&w, &s->first, on, s->kernel, candidate->params, &why)) {
        return true;
    }
    if (!tune_verify(on, &w.c, line, sizeof line, &result)) {
        tune_report_wrong(s->job, s->kernel, line, &result);
        s->row->wrong++;
        candidate->wrong = true;
        workload_close(&w);
        return true;
    }
    bool faster = true;
    const bool done = !s->best.op || tune_is_faster(&s->best, &w, on->queue, &faster);
    if (!done || !faster) {
        workload_close(&w);
        return done;
    }
    workload_close(&s->best);
    s->best = w;
    snprintf(s->row->best, sizeof s->row->best, "%s", candidate->params);
    return true;
}

/* The nearest to the best so far: first those that differ from it in one value, which is a walk
 * along one parameter at a time; when it finds no better place, those that differ in two, and so
 * on, until the time is up. */
static set *next_set(const search *s)
{
    set *nearest = NULL;
    int least = 0;
    for (size_t i = 0; i < s->sets.count; i++) {
        set *candidate = &s->sets.items[i];
        const int distance = check_params_distance(candidate->params, s->row->best);
        if (!candidate->tried && (!nearest || distance < least)) {
            nearest = candidate;
            least = distance;
        }
    }
    return nearest;
}

static bool walk(search *s)
{
    set *const start[] = {&s->sets.items[0], &s->sets.items[s->sets.built_in]};
    for (int i = 0; i < 2; i++) { /* the one in use, and the built-in one */
        if (!start[i]->tried && !try_set(s, start[i])) {
            return false;
        }
    }
    for (set *next = next_set(s); next && !time_is_up(s); next = next_set(s)) {
        tell(s);
        if (!try_set(s, next)) {
            return false;
        }
    }
    return true;
}

static bool skip(tune_row *row, const char *why)
{
    snprintf(row->skipped, sizeof row->skipped, "%s", why);
    return true;
}

/* The best against the built-in one. */
static bool confirm(search *s)
{
    tune_row *row = s->row;
    workload built_in;
    reason why;
    tune_gain gain;
    if (!workload_twin(&built_in, &s->first, s->job->measured, s->kernel, row->built_in, &why)) {
        return skip(row, why.text);
    }
    const bool done = tune_confirm(&built_in, &s->best, s->job->measured->queue, &gain);
    workload_close(&built_in);
    row->gain = gain.least;
    row->built_in_ms = gain.ms[0];
    row->best_ms = gain.ms[1];
    if (strcmp(row->best, row->built_in) == 0) { /* what differed was luck */
        row->gain = 0;
        row->best_ms = row->built_in_ms;
    } else {
        row->better = done && (gain.enough || s->sets.items[s->sets.built_in].wrong);
    }
    return done;
}

/* ---- One case ------------------------------------------------------------------------------ */

static bool list_sets(search *s, reason *why)
{
    const workload *w = &s->first;
    if (!w->kind->candidates) {
        return refuse(why, "a layer is tuned by cases of its attention and its projections");
    }
    snprintf(s->row->kernel, sizeof s->row->kernel, "%s", workload_kernel(w));
    snprintf(s->kernel, sizeof s->kernel, "%.*s", (int)strcspn(s->row->kernel, " "),
             s->row->kernel);
    if (w->kind->candidates(w, s->job->kept->context, s->kernel, add_set, &s->sets) != CLATTN_OK) {
        return refuse(why, "%s", clattn_error());
    }
    s->row->sets = (int)s->sets.count;
    if (s->sets.out_of_memory) {
        return refuse(why, "out of memory");
    }
    return s->sets.count > 1 || refuse(why, "%s has no other parameters here", s->kernel);
}

static bool search_sets(search *s)
{
    snprintf(s->row->built_in, sizeof s->row->built_in, "%s",
             s->sets.items[s->sets.built_in].params);
    tell(s);
    if (!walk(s)) {
        return false;
    }
    if (!s->best.op) {
        return skip(s->row, "no set of parameters computes rightly");
    }
    return confirm(s);
}

bool tune_case(const tune_job *job, tune_row *row)
{
    search s = {.job = job, .row = row, .started = now_ms()};
    struct test_case c = *job->c;
    reason why;
    c.params[0] = '\0';
    workload_title(&c, row->title, sizeof row->title);
    if (!workload_open(&s.first, job->measured, &c, NULL, &why)) {
        return skip(row, why.text);
    }
    const bool done = list_sets(&s, &why) ? search_sets(&s) : skip(row, why.text);
    free(s.sets.items);
    workload_close(&s.best);
    workload_close(&s.first);
    return done;
}

bool tune_store(const session *s, const struct test_case *c, const tune_row *row, reason *why)
{
    workload w;
    struct test_case forced = *c;
    snprintf(forced.kernel, sizeof forced.kernel, "%.*s", (int)strcspn(row->kernel, " "),
             row->kernel);
    snprintf(forced.params, sizeof forced.params, "%s", row->better ? row->best : row->built_in);
    if (!workload_describe(&w, &forced, why)) {
        return false;
    }
    const bool kept = w.kind->create(&w, s->context, forced.kernel) == CLATTN_OK &&
                      clattn_tune_keep(w.op) == CLATTN_OK;
    if (!kept) {
        refuse(why, "%s", clattn_error());
    }
    workload_close(&w);
    return kept;
}
