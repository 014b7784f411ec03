/* clattn bench: how long each case takes on this device, and how near that comes to what the
 * device can do. */
#include "bench.h"
#include "check/check.h"
#include "commands.h"
#include "shared/case_list.h"
#include "shared/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench_options {
    common_options common;
    case_choice choice;
    const char *kernel, *against, *cache_dir;
    float seconds;
    int32_t repeat;
} bench_options;

static const char *parse_seconds(const char *text, void *target)
{
    const char *expected = parse_float(text, target);
    return !expected && *(float *)target >= 0 && *(float *)target <= 3600
               ? NULL
               : "seconds, from 0 to 3600";
}

static const option_row cases_row = CASE_CHOICE_WORD(bench_options, choice);

static const option_row rows[] = {
    {NULL, NULL, NULL, 0, "Which cases"},
    CASE_CHOICE_ROWS(bench_options, choice),
    {"kernel", "NAME", parse_text, offsetof(bench_options, kernel),
     "this kernel instead of the best that fits; 'all' = every one, in turn"},
    {NULL, NULL, NULL, 0, "How long"},
    {"seconds", "X", parse_seconds, offsetof(bench_options, seconds),
     "time for each case (default 0.5)"},
    {"repeat", "N", parse_count, offsetof(bench_options, repeat),
     "N runs of each case instead, whatever they take"},
    {NULL, NULL, NULL, 0, "Beside"},
    {"against", "FILE", parse_text, offsetof(bench_options, against),
     "what an earlier --json wrote: adds the change, new time / old time"},
    {"cache-dir", "DIR", parse_text, offsetof(bench_options, cache_dir),
     "compiled programs are here (default: the user's cache directory)"},
};

static const command_line line = {
    .usage = "clattn bench [CASES] [options]",
    .about =
        "Times operations on the device: the cases in the file CASES (one a line, as\n"
        "'clattn check' prints them), or a set of its own.\n"
        "first: making the operation, with compiling, and its first run; best, median: from\n"
        "enqueue to finish; device: the best by the device's own clock; roof: the share of what\n"
        "the device can do at most, by multiply-adds or by reading memory, whichever bounds\n"
        "the case.  Both ceilings are measured in the same run; a case served from a cache can\n"
        "pass that of memory.",
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .examples = "  clattn bench\n"
                "  clattn bench --json > before.json ... clattn bench --against before.json\n"
                "  clattn bench --case \"attention --heads 8 --nq 512 --nk 512 --head-dim 64\" "
                "--kernel all\n",
    .word = &cases_row,
};

/* ---- Running ---------------------------------------------------------------------------- */

enum { ROWS_MAX = 4096 };

typedef struct bench {
    const bench_options *options;
    const session *session;
    cl_command_queue profiling; /* NULL where the device cannot tell times */
    bench_limits limits;
    roofline ceilings;
    case_list cases;
    cJSON *before; /* of --against */
    bool show;     /* progress */
    bench_row *rows;
    size_t count;
    const chosen_case *at; /* the case at work */
    bool failed;
} bench;

static void time_kernel(void *user, const char *kernel)
{
    bench *b = user;
    if (b->failed) {
        return;
    }
    bench_row *longer =
        b->count < ROWS_MAX ? realloc(b->rows, (b->count + 1) * sizeof *longer) : NULL;
    if (!longer) {
        progress_end(b->show);
        fail(b->count < ROWS_MAX ? "out of memory" : "too many cases");
        b->failed = true;
        return;
    }
    b->rows = longer;
    bench_row *row = &b->rows[b->count++];
    *row = (bench_row){0};
    snprintf(row->line, sizeof row->line, "%s", b->at->line);
    b->failed = !bench_case(row, b->session, b->profiling, &b->at->c, kernel, &b->limits);
}

static bool run_cases(bench *b)
{
    for (size_t i = 0; i < b->cases.count && !b->failed; i++) {
        char title[160];
        b->at = &b->cases.items[i];
        workload_title(&b->at->c, title, sizeof title);
        progress_show(b->show, (double)i / (double)b->cases.count, "%zu/%zu %s", i, b->cases.count,
                      title);
        if (b->options->kernel && strcmp(b->options->kernel, "all") == 0) {
            const struct check check = {b->session->context, b->session->queue};
            check_variants(&check, &b->at->c, time_kernel, b);
        } else {
            time_kernel(b, b->options->kernel);
        }
    }
    return !b->failed;
}

/* Ceilings before and after: the machine may have been busier at one of the two. */
static bool measure_ceilings(bench *b)
{
    reason why;
    progress_show(b->show, 0, "measuring the device's ceilings");
    if (roofline_measure(b->session, b->limits.seconds, b->options->choice.smoke, &b->ceilings,
                         &why)) {
        return true;
    }
    progress_end(b->show);
    fail("%s", why.text);
    return false;
}

static int finish(bench *b)
{
    const clattn_device_facts *facts = b->session->facts;
    progress_end(b->show);
    size_t skipped = 0;
    while (skipped < b->count && b->rows[skipped].skipped[0]) {
        skipped++;
    }
    if (skipped == b->count) {
        return fail("nothing could be timed: %s", b->rows[0].skipped);
    }
    bench_compare(b->rows, b->count, b->before);
    if (!b->options->common.json) {
        bench_print(b->rows, b->count, facts, &b->ceilings);
        return EXIT_DONE;
    }
    return bench_print_json(b->rows, b->count, facts, &b->ceilings) ? EXIT_DONE : EXIT_FAILED;
}

int cmd_bench(int argc, char **argv)
{
    bench_options options = {.seconds = 0.5f};
    int status;
    cl_device_id device;
    session s;
    cl_int code;
    if (!options_parse(&line, argc, argv, &options, &status)) {
        return status;
    }
    if (!case_choice_sensible(&options.choice)) {
        return EXIT_USAGE;
    }
    bench b = {.options = &options,
               .limits = {options.seconds, options.repeat},
               .show = progress_wanted(&options.common)};
    /* A file that is none is told at once, not after minutes. */
    if (options.against && !(b.before = bench_before(options.against))) {
        return EXIT_FAILED;
    }
    if (!case_list_read(&b.cases, &options.choice, "bench") ||
        !session_find(&options.common, &device) ||
        !session_open(&s, &options.common, device, options.cache_dir)) {
        case_list_free(&b.cases);
        cJSON_Delete(b.before);
        return EXIT_FAILED;
    }
    b.session = &s;
    b.profiling = clCreateCommandQueue(clattn_context_cl(s.context), device,
                                       CL_QUEUE_PROFILING_ENABLE, &code);
    const bool ran = measure_ceilings(&b) && run_cases(&b) && measure_ceilings(&b);
    status = ran ? finish(&b) : EXIT_FAILED;
    if (b.profiling) {
        clReleaseCommandQueue(b.profiling);
    }
    free(b.rows);
    case_list_free(&b.cases);
    cJSON_Delete(b.before);
    session_close(&s);
    return status;
}
