/* clattn bench: how long each case takes on this device, and how near that comes to what the
 * device can do. */
#include "bench.h"
#include "check.h"
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct bench_options {
    common_options common;
    const char *cases, *line, *op, *kernel, *against, *cache_dir;
    bool smoke;
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

static const option_row cases_row = {"CASES", "FILE", parse_text, offsetof(bench_options, cases),
                                     NULL};

static const option_row rows[] = {
    {NULL, NULL, NULL, 0, "Which cases"},
    {"smoke", NULL, NULL, offsetof(bench_options, smoke),
     "small ones only: does it work, not how fast"},
    {"op", "NAME", parse_text, offsetof(bench_options, op),
     "cases of one operation, such as attention"},
    {"case", "LINE", parse_text, offsetof(bench_options, line), "this case alone"},
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
    bool show; /* progress */
    int done, total;
    bench_row *rows;
    size_t count;
    const char *line; /* of the case at work */
    struct test_case c;
    bool failed;
} bench;

static void show_progress(const bench *b, const char *what)
{
    enum { WIDTH = 24 };
    if (!b->show) {
        return;
    }
    const int bar = b->total ? b->done * WIDTH / b->total : 0;
    fprintf(stderr, "\r\033[K[%.*s%.*s] %d/%d %.60s", bar, "########################", WIDTH - bar,
            "                        ", b->done, b->total, what);
    fflush(stderr);
}

static void end_progress(const bench *b)
{
    if (b->show) {
        fputs("\r\033[K", stderr);
    }
}

static void time_kernel(void *user, const char *kernel)
{
    bench *b = user;
    if (b->failed) {
        return;
    }
    bench_row *longer =
        b->count < ROWS_MAX ? realloc(b->rows, (b->count + 1) * sizeof *longer) : NULL;
    if (!longer) {
        end_progress(b);
        fail(b->count < ROWS_MAX ? "out of memory" : "too many cases");
        b->failed = true;
        return;
    }
    b->rows = longer;
    bench_row *row = &b->rows[b->count++];
    *row = (bench_row){0};
    snprintf(row->line, sizeof row->line, "%s", b->line);
    b->failed = !bench_case(row, b->session, b->profiling, &b->c, kernel, &b->limits);
}

/* False after a line. */
static bool run_case(bench *b, const char *text)
{
    char why[256], title[160];
    if (!case_parse(text, b->options->op, &b->c, why, sizeof why)) {
        end_progress(b);
        fail("%s: %s", b->options->cases ? b->options->cases : "--case", why);
        return false;
    }
    if (b->options->op && strcmp(b->options->op, b->c.op) != 0) {
        return true;
    }
    b->line = text;
    workload_title(&b->c, title, sizeof title);
    show_progress(b, title);
    if (b->options->kernel && strcmp(b->options->kernel, "all") == 0) {
        const struct check check = {b->session->context, b->session->queue};
        check_variants(&check, &b->c, time_kernel, b);
    } else {
        time_kernel(b, b->options->kernel);
    }
    b->done++;
    return !b->failed;
}

/* Runs the lines of a case file, or only counts them. */
static bool each_line(bench *b, const char *file, bool count)
{
    char text[1024];
    while (*file) {
        const size_t length = strcspn(file, "\n");
        const size_t words = strcspn(file, "#\r\n");
        snprintf(text, sizeof text, "%.*s", (int)words, file);
        file += length + (file[length] == '\n');
        if (text[strspn(text, " \t")] == '\0') {
            continue;
        }
        b->total += count;
        if (!count && !run_case(b, text)) {
            return false;
        }
    }
    return true;
}

/* The text of a case file; the caller frees. */
static char *read_cases(const char *path)
{
    enum { MOST = 1 << 20 };
    FILE *file = fopen(path, "rb");
    char *text = file ? calloc(1, MOST) : NULL;
    const bool read = text && fread(text, 1, MOST - 1, file) < MOST - 1 && !ferror(file);
    if (!read) {
        fail("%s: %s", path, file && text && !ferror(file) ? "too long" : strerror(errno));
        free(text);
        text = NULL;
    }
    if (file) {
        fclose(file);
    }
    return text;
}

static bool run_cases(bench *b)
{
    const bench_options *o = b->options;
    if (o->line) {
        b->total = 1;
        return run_case(b, o->line);
    }
    char *own = o->cases ? read_cases(o->cases) : NULL;
    if (o->cases && !own) {
        return false;
    }
    const char *text = own ? own : check_cases(o->smoke ? "smoke" : "bench");
    each_line(b, text, true);
    const bool done = each_line(b, text, false);
    free(own);
    return done;
}

/* Ceilings before and after: the machine may have been busier at one of the two. */
static bool measure_ceilings(bench *b)
{
    reason why;
    show_progress(b, "measuring the device's ceilings");
    if (roofline_measure(b->session, b->limits.seconds, b->options->smoke, &b->ceilings, &why)) {
        return true;
    }
    end_progress(b);
    fail("%s", why.text);
    return false;
}

static int finish(bench *b)
{
    const clattn_device_facts *facts = b->session->facts;
    end_progress(b);
    if (b->count == 0) {
        return fail("no case ran: there is none of that name");
    }
    size_t skipped = 0;
    while (skipped < b->count && b->rows[skipped].skipped[0]) {
        skipped++;
    }
    if (skipped == b->count) {
        return fail("nothing could be timed: %s", b->rows[0].skipped);
    }
    if (b->options->against && !bench_compare(b->rows, b->count, b->options->against)) {
        return EXIT_FAILED;
    }
    if (!b->options->common.json) {
        bench_print(b->rows, b->count, facts, &b->ceilings);
        return EXIT_DONE;
    }
    return bench_print_json(b->rows, b->count, facts, &b->ceilings) ? EXIT_DONE : EXIT_FAILED;
}

static bool sensible(const bench_options *o)
{
    if ((o->cases != NULL) + (o->line != NULL) + o->smoke > 1) {
        wrong_usage("CASES, --case and --smoke exclude each other");
        return false;
    }
    if (o->op && !check_op_named(o->op)) {
        char names[256];
        wrong_usage("--op: there is no operation '%s' (%s)", o->op,
                    check_op_names(names, sizeof names));
        return false;
    }
    return true;
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
    if (!sensible(&options)) {
        return EXIT_USAGE;
    }
    if (!session_find(&options.common, &device) ||
        !session_open(&s, &options.common, device, options.cache_dir)) {
        return EXIT_FAILED;
    }
    bench b = {.options = &options,
               .session = &s,
               .profiling = clCreateCommandQueue(clattn_context_cl(s.context), device,
                                                 CL_QUEUE_PROFILING_ENABLE, &code),
               .limits = {options.seconds, options.repeat},
               .show = !options.common.quiet && isatty(STDERR_FILENO)};
    const bool ran = measure_ceilings(&b) && run_cases(&b) && measure_ceilings(&b);
    status = ran ? finish(&b) : EXIT_FAILED;
    if (b.profiling) {
        clReleaseCommandQueue(b.profiling);
    }
    free(b.rows);
    session_close(&s);
    return status;
}
