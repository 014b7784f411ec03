/* clattn check: every kernel that fits this device, on every case, against the
 * double-precision reference. */
#include "commands.h"
#include "coverage.h"
#include "options.h"
#include "plan.h"
#include "report.h"
#include "shared/message.h"
#include "shared/progress.h"
#include "shared/report.h"
#include "shared/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Running ---------------------------------------------------------------------------- */

typedef struct run {
    const check_options *options;
    struct check check;
    bool show; /* progress */
    int done, total;
    check_report report;
    const char *text; /* of the case at work */
    const struct test_case *c;
    check_job *job;     /* NULL: every kernel */
    bool late;          /* what is needed all the same gets the chosen kernel alone */
    coverage *coverage; /* NULL = nobody asks */
    bool uncovered;
} run;

static void show_progress(const run *r)
{
    progress_show(r->show, r->total ? (double)r->done / r->total : 0, "%d/%d cases", r->done,
                  r->total);
}

/* The kernel's name in what is told: an op made of others is counted apart from what it runs. */
static void name_of(const run *r, const char *kernel, char name[32])
{
    const char *op = !strcmp(r->c->op, "mha")     ? "mha + "
                     : !strcmp(r->c->op, "luong") ? "luong + "
                                                  : "";
    snprintf(name, 32, "%s%.*s", op, (int)strcspn(kernel, " "), kernel);
}

static void report_failure(run *r, const char *kernel, const struct check_result *result)
{
    progress_end(r->show);
    fprintf(stderr, "FAILED %s: %s\n  clattn check --op %s --case \"%s\" --kernel %s\n", kernel,
            result->why, r->c->op, r->text, kernel);
    check_report_failure(&r->report, r->c->op, r->text, kernel, result->why);
}

static bool is_name(const char *text, size_t length, const char *name)
{
    return strlen(name) == length && !strncmp(text, name, length);
}

/* wanted: names with commas between them, as "attention/tiled" or "tiled"; NULL = all. */
static bool wanted(const char *wanted, const char *kernel)
{
    const char *slash = strchr(kernel, '/');
    for (const char *at = wanted; at && *at; at += strspn(at, ",")) {
        const size_t length = strcspn(at, ",");
        if (is_name(at, length, kernel) || (slash && is_name(at, length, slash + 1)))
            return true;
        at += length;
    }
    return !wanted;
}

/* One name alone forces kernels that are taken only when named. */
static bool forces(const check_options *options)
{
    return options->kernel && !strchr(options->kernel, ',');
}

/* kernel "": the one that the library chooses, whose name is then known. */
static void run_kernel(run *r, const char *kernel)
{
    struct check_result result;
    char name[32];
    if (r->options->common.verbose) /* the last line before a crash */
        note("%s --case \"%s\" --kernel %s", r->c->op, r->text, kernel[0] ? kernel : "(chosen)");
    const double before = now_ms();
    check_run(&r->check, r->c, kernel, &result);
    name_of(r, strchr(kernel, '/') || !result.kernel[0] ? kernel : result.kernel, name);
    if (r->job && r->job->others)
        snprintf(r->job->others->chosen, sizeof r->job->others->chosen, "%s", name);
    check_report_add(&r->report, name[0] ? name : r->c->op, &result, (now_ms() - before) / 1e3);
    if (result.outcome == CHECK_FAILED)
        report_failure(r, name, &result);
}

static void run_variant(void *user, const char *kernel)
{
    run *r = user;
    char name[32];
    name_of(r, kernel, name);
    if (wanted(r->options->kernel, kernel) &&
        wanted(r->c->kernel[0] ? r->c->kernel : NULL, kernel) &&
        (!r->job || strcmp(r->job->chosen, name)))
        run_kernel(r, kernel);
}

/* False after a line if the text is not a case. */
static bool run_case(run *r, const char *line)
{
    char why[256], text[1100];
    struct test_case c;
    snprintf(text, sizeof text, "%s%s%s", line, r->options->type ? " --type " : "",
             r->options->type ? r->options->type : "");
    if (!case_parse(text, r->options->op, &c, why, sizeof why)) {
        fail("--case: %s", why);
        return false;
    }
    const char *rest = text + strspn(text, " \t");
    r->text = rest[0] == '-' ? rest : rest + strcspn(rest, " \t");
    r->text += strspn(r->text, " \t");
    r->c = &c;
    if (r->coverage) {
        char whole[1200];
        snprintf(whole, sizeof whole, "%s %s", c.op, r->text);
        coverage_case(r->coverage, whole);
    }
    if (forces(r->options) && !c.kernel[0])
        snprintf(c.kernel, sizeof c.kernel, "%s", r->options->kernel);
    if (r->job && (r->late || r->job->kernels == KERNELS_CHOSEN) && !r->options->kernel)
        run_kernel(r, c.kernel);
    else
        check_variants(&r->check, &c, run_variant, r);
    r->done++;
    show_progress(r);
    return true;
}

/* ---- Which cases --------------------------------------------------------------------------- */

static bool in_time(const run *r, double began)
{
    return !r->options->full || !r->options->seconds ||
           now_ms() - began < 1e3 * r->options->seconds;
}

static bool run_plan(run *r)
{
    check_plan plan;
    const double began = now_ms();
    bool done = check_plan_make(&plan, r->options->smoke, r->options->full, r->options->op);
    if (!done)
        fail("out of memory");
    r->total = plan.count;
    for (int i = 0; i < plan.count && done; i++) {
        r->job = &plan.jobs[i];
        r->late = !in_time(r, began);
        r->report.chosen_alone += r->late && r->job->needed && r->job->kernels == KERNELS_ALL;
        if (r->job->needed || !r->late)
            done = run_case(r, r->job->text);
        else if (r->job->kernels == KERNELS_OTHERS)
            r->report.large_left++;
        else
            r->report.cases_left++;
    }
    r->report.seconds = (now_ms() - began) / 1e3;
    check_plan_free(&plan);
    return done;
}

static bool run_random(run *r)
{
    for (int o = 0; check_ops[o]; o++)
        r->total +=
            !r->options->op || !strcmp(check_ops[o]->name, r->options->op) ? r->options->random : 0;
    for (int o = 0; check_ops[o]; o++) {
        if (r->options->op && strcmp(check_ops[o]->name, r->options->op))
            continue;
        for (int32_t n = 0; n < r->options->random; n++) {
            char text[1024];
            check_random_line(check_ops[o]->name, (uint64_t)(r->options->seed + n), text,
                              sizeof text);
            if (!run_case(r, text))
                return false;
        }
    }
    return true;
}

/* One line without its end; false at the end of the file. */
static bool read_line(FILE *file, char *text, int bytes)
{
    if (!fgets(text, bytes, file))
        return false;
    text[strcspn(text, "\r\n")] = '\0';
    return true;
}

static bool run_cases(run *r)
{
    const char *path = r->options->cases;
    FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
    char text[1024];
    bool done = file;
    if (!file)
        fail("--cases '%s': %s", path, strerror(errno));
    while (done && read_line(file, text, sizeof text)) {
        if (text[strspn(text, " \t")] && text[0] != '#')
            done = run_case(r, text);
    }
    if (file && file != stdin)
        fclose(file);
    return done;
}

static bool count_line(void *user, const char *text)
{
    (void)text;
    ((run *)user)->total++;
    return true;
}

static bool run_line(void *user, const char *text) { return run_case(user, text); }

static bool run_params(run *r)
{
    const check_options *o = r->options;
    bool (*const passes[])(void *user, const char *text) = {count_line, run_line};
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; check_ops[i]; i++) {
            if ((!o->op || !strcmp(check_ops[i]->name, o->op)) &&
                !check_params_lines(&r->check, check_ops[i]->name, o->params, (uint64_t)o->seed,
                                    passes[pass], r))
                return false;
        }
    }
    return true;
}

/* ---- What is told ---------------------------------------------------------------------------- */

/* Where the report goes; NULL = nowhere. */
static const char *report_path(const run *r, char *path, size_t bytes)
{
    if (r->options->report || !r->options->full)
        return r->options->report;
    check_report_path(r->report.facts, path, bytes);
    return path;
}

static int finish(run *r, output_set *files, const char *path)
{
    reason why;
    const int *counts = r->report.counts;
    progress_end(r->show);
    if (counts[CHECK_PASSED] + counts[CHECK_FAILED] == 0)
        return fail("no case ran: no kernel or case has that name, or none fits this device");
    if (r->options->common.json) {
        if (!report_print(check_report_json(&r->report)))
            return EXIT_FAILED;
    } else {
        check_report_print(&r->report);
    }
    if (path && !check_report_write(&r->report, files, path, &why))
        return fail("--report '%s': %s", path, why.text);
    if (path)
        note("the report is in '%s'", path);
    return counts[CHECK_FAILED] || r->uncovered ? EXIT_FAILED : EXIT_DONE;
}

/* What the options ask for; false after a line. */
static bool run_wanted(run *r)
{
    const check_options *o = r->options;
    return o->line                      ? run_case(r, o->line)
           : o->cases                   ? run_cases(r)
           : o->random                  ? run_random(r)
           : o->params || o->params_all ? run_params(r)
                                        : run_plan(r);
}

/* A case that the search for pairs made: whether it is right is no matter here. */
static void try_line(void *user, const char *text, const char *kernel)
{
    const run *r = user;
    struct check_result result;
    struct test_case c;
    char why[256];
    if (case_parse(text, NULL, &c, why, sizeof why))
        check_run(&r->check, &c, kernel, &result);
}

static int tell_coverage(run *r)
{
    coverage_search(r->coverage, try_line, r);
    return coverage_print(r->coverage) ? EXIT_DONE : EXIT_FAILED;
}

/* Everything but the session. */
static int run_session(run *r)
{
    char default_path[512];
    output_set files = {.count = 0};
    reason why;
    const char *path = report_path(r, default_path, sizeof default_path);
    int status = EXIT_FAILED;
    if (path && !output_add(&files, path, &why))
        fail("--report '%s': %s", path, why.text);
    else if (run_wanted(r)) {
        if (r->coverage)
            r->uncovered = tell_coverage(r) != EXIT_DONE;
        status = finish(r, &files, path);
    }
    output_free(&files);
    return status;
}

static void free_run(run *r)
{
    if (r) {
        cJSON_Delete(r->report.failures);
        coverage_free(r->coverage);
    }
    free(r);
}

int cmd_check(int argc, char **argv)
{
    enum { DEFAULT_SECONDS = 75 };
    check_options options = {.seed = 1, .seconds = -1};
    int status;
    cl_device_id device;
    session s;
    if (!check_options_parse(argc, argv, &options, &status))
        return status;
    options.seconds = options.seconds < 0 ? DEFAULT_SECONDS : options.seconds;
    run *r = calloc(1, sizeof *r);
    if (!r || !(r->report.failures = cJSON_CreateArray()) ||
        (options.coverage && !(r->coverage = coverage_new()))) {
        free_run(r);
        return fail("out of memory");
    }
    options.common.log = options.coverage ? coverage_log : NULL;
    options.common.log_user = r->coverage;
    /* Hundreds of special kernels are not worth keeping in the user's cache. */
    if (!session_find(&options.common, &device) ||
        !session_open(&s, &options.common, device, options.cache_dir ? options.cache_dir : "")) {
        free_run(r);
        return EXIT_FAILED;
    }
    r->options = &options;
    r->check = (struct check){s.context, s.queue};
    r->show = progress_wanted(&options.common);
    r->report.facts = s.facts;
    r->report.full = options.full;
    r->report.command = options.full ? "check --full" : "check";
    r->report.random = options.random                         ? "cases"
                       : options.params || options.params_all ? "sets of parameters"
                                                              : NULL;
    r->report.seed = options.seed;
    status = run_session(r);
    session_close(&s);
    free_run(r);
    return status;
}
