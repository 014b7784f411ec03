/* clattn tune: the fastest parameters of the kernels that serve some cases on this device. */
#include "tune.h"
#include "commands.h"
#include "shared/progress.h"
#include "shared/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tune_options {
    common_options common;
    case_choice choice;
    const char *kernel, *cache_dir;
    float budget;
    bool dry_run, list, reset;
} tune_options;

static const char *parse_budget(const char *text, void *target)
{
    const char *expected = parse_float(text, target);
    return !expected && *(float *)target > 0 && *(float *)target <= 86400
               ? NULL
               : "seconds, more than 0, at most 86400";
}

static const option_row cases_row = CASE_CHOICE_WORD(tune_options, choice);

static const option_row rows[] = {
    {NULL, NULL, NULL, 0, "Which cases"},
    CASE_CHOICE_ROWS(tune_options, choice),
    {"kernel", "NAME", parse_text, offsetof(tune_options, kernel),
     "this kernel instead of the one that runs"},
    {NULL, NULL, NULL, 0, "How"},
    {"budget", "SECONDS", parse_budget, offsetof(tune_options, budget),
     "time for each case (default 60); more finds more"},
    {"dry-run", NULL, NULL, offsetof(tune_options, dry_run), "measure, store nothing"},
    {"cache-dir", "DIR", parse_text, offsetof(tune_options, cache_dir),
     "store here (default: the user's cache directory)"},
    {NULL, NULL, NULL, 0, "Instead"},
    {"list", NULL, NULL, offsetof(tune_options, list), "what is stored for the device"},
    {"reset", NULL, NULL, offsetof(tune_options, reset), "delete that"},
};

static const command_line line = {
    .usage = "clattn tune [CASES] [options]",
    .about =
        "Looks for the parameters (tile sizes and the like) with which kernels are fastest on the\n"
        "device, for the cases in the file CASES (one a line, as 'clattn check' prints them), or\n"
        "a set of its own.  Each candidate is compiled, compared with the double-precision\n"
        "reference, and timed in turns with the best so far.  The best is stored if it beats the\n"
        "built-in ones by more than 3% in each of several comparisons.  Programs that name the\n"
        "same cache directory use it for every call of that kind, whatever its number of rows.\n"
        "For projections, the kernels that can serve are compared first, in the same way, and the\n"
        "fastest is chosen for sizes like these, for few rows (up to 6) or for many.",
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .examples = "  clattn tune\n"
                "  clattn tune --case \"attention --heads 8 --nq 512 --nk 512 --head-dim 96\"\n"
                "  clattn tune --list\n",
    .word = &cases_row,
};

/* ---- What is stored ------------------------------------------------------------------------- */

typedef struct listing {
    cJSON *json;    /* NULL = none is wanted */
    bool print;     /* lines */
    tune_row *rows; /* whose kernels are looked for */
    size_t row_count;
    int count;
} listing;

static void list_one(void *user, const char *kernel, const char *params)
{
    listing *list = user;
    list->count++;
    for (size_t i = 0; i < list->row_count; i++) {
        tune_row *row = &list->rows[i];
        row->found = row->found || strcmp(row->kernel, kernel) == 0;
    }
    if (list->print) {
        printf("%s: %s\n", kernel, params);
    }
    if (list->json) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "kernel", kernel);
        cJSON_AddStringToObject(json, "params", params);
        cJSON_AddItemToArray(list->json, json);
    }
}

/* As a program that starts now would find it. */
static bool list_stored(const tune_options *o, cl_device_id device, listing *list)
{
    session s;
    if (!session_open(&s, &o->common, device, o->cache_dir)) {
        return false;
    }
    const bool done = clattn_tune_list(s.context, list_one, list) == CLATTN_OK;
    if (!done) {
        fail("%s", clattn_error());
    }
    session_close(&s);
    return done;
}

static int show_stored(const tune_options *o, cl_device_id device)
{
    cJSON *root = o->common.json ? cJSON_CreateObject() : NULL;
    listing list = {.json = root ? cJSON_AddArrayToObject(root, "stored") : NULL,
                    .print = !root && !o->common.quiet};
    bool done = list_stored(o, device, &list);
    if (done && list.print && list.count == 0) {
        printf("nothing is stored for this device\n");
    }
    if (root && done) {
        done = report_print(root);
    } else {
        cJSON_Delete(root);
    }
    return done ? EXIT_DONE : EXIT_FAILED;
}

static int reset(const tune_options *o, cl_device_id device)
{
    session s;
    listing before = {.count = 0}, after = {.count = 0};
    if (!list_stored(o, device, &before) || !session_open(&s, &o->common, device, o->cache_dir)) {
        return EXIT_FAILED;
    }
    clattn_tune_clear(s.context);
    session_close(&s);
    if (!list_stored(o, device, &after)) {
        return EXIT_FAILED;
    }
    if (after.count) {
        return fail("the file could not be deleted (--verbose says where it is)");
    }
    if (!o->common.quiet && !o->common.json) {
        printf("%d deleted\n", before.count);
    }
    return EXIT_DONE;
}

/* ---- Tuning ------------------------------------------------------------------------------------
 */

typedef struct tuner {
    const tune_options *options;
    cl_device_id device;
    session kept;
    case_list cases;
    tune_row *rows; /* one for each case */
    bool show;
} tuner;

static bool store(tuner *t, const struct test_case *c, tune_row *row)
{
    reason why;
    if (t->options->dry_run) {
        return true;
    }
    const bool searched = !row->skipped[0];
    if ((row->kernels > 1 && !tune_store_kernel(&t->kept, c, row, &why)) ||
        (searched && !tune_store(&t->kept, c, row, &why))) {
        progress_end(t->show);
        fail("%s: %s", searched ? row->kernel : row->fastest, why.text);
        return false;
    }
    row->stored = searched;
    return true;
}

/* The kernel first, then its parameters. */
static bool measure(const tune_job *job, struct test_case *c, tune_row *row)
{
    if (!tune_kernels(job, row)) {
        return false;
    }
    if (row->chosen) {
        snprintf(c->kernel, sizeof c->kernel, "%s", row->fastest);
    }
    return tune_case(job, row);
}

/* Compiles in a context of its own, without a cache: a hundred candidates are not worth keeping. */
static bool tune_one(tuner *t, size_t number)
{
    const chosen_case *chosen = &t->cases.items[number];
    tune_row *row = &t->rows[number];
    struct test_case c = chosen->c;
    session measured;
    if (t->options->kernel) {
        snprintf(c.kernel, sizeof c.kernel, "%s", t->options->kernel);
    }
    snprintf(row->line, sizeof row->line, "%s", chosen->line);
    if (!session_open(&measured, &t->options->common, t->device, "")) {
        return false;
    }
    const tune_job job = {.kept = &t->kept,
                          .measured = &measured,
                          .c = &c,
                          .seconds = t->options->budget,
                          .show = t->show,
                          .number = number,
                          .total = t->cases.count};
    const bool done = measure(&job, &c, row) && store(t, &c, row);
    session_close(&measured);
    progress_end(t->show);
    if (done && !t->options->common.json && !t->options->common.quiet) {
        tune_print(row);
        fflush(stdout);
    }
    return done;
}

/* Another case of the same kind, which came later, has the last word. */
static bool is_last(const tuner *t, size_t i)
{
    for (size_t later = i + 1; later < t->cases.count; later++) {
        if (t->rows[later].stored && strcmp(t->rows[later].kernel, t->rows[i].kernel) == 0) {
            return false;
        }
    }
    return true;
}

/* Storing is what was asked for, and the library takes a failure lightly. */
static bool check_stored(tuner *t)
{
    listing list = {.rows = t->rows, .row_count = t->cases.count};
    if (t->options->dry_run) {
        return true;
    }
    if (!list_stored(t->options, t->device, &list)) {
        return false;
    }
    for (size_t i = 0; i < t->cases.count; i++) {
        const tune_row *row = &t->rows[i];
        if (row->stored && row->better && !row->found && is_last(t, i)) {
            fail("the cache directory did not keep %s (--verbose says why)", row->kernel);
            return false;
        }
    }
    return true;
}

static int tune(tuner *t)
{
    size_t skipped = 0;
    for (size_t i = 0; i < t->cases.count; i++) {
        if (!tune_one(t, i)) {
            return EXIT_FAILED;
        }
        skipped += t->rows[i].skipped[0] && t->rows[i].kernels < 2;
    }
    if (t->options->common.json && !tune_print_json(t->rows, t->cases.count, t->kept.facts)) {
        return EXIT_FAILED;
    }
    if (skipped == t->cases.count) {
        return fail("nothing could be tuned: %s", t->rows[0].skipped);
    }
    return check_stored(t) ? EXIT_DONE : EXIT_FAILED;
}

static int tune_cases(const tune_options *o, cl_device_id device)
{
    tuner t = {.options = o, .device = device, .show = progress_wanted(&o->common)};
    int status = EXIT_FAILED;
    if (!case_list_read(&t.cases, &o->choice, "tune")) {
        return EXIT_FAILED;
    }
    t.rows = calloc(t.cases.count, sizeof *t.rows);
    if (!t.rows) {
        fail("out of memory");
    } else if (session_open(&t.kept, &o->common, device, o->cache_dir)) {
        status = tune(&t);
        session_close(&t.kept);
    }
    free(t.rows);
    case_list_free(&t.cases);
    return status;
}

/* --list and --reset work on what is there, without cases. */
static bool sensible(const tune_options *o)
{
    const case_choice *choice = &o->choice;
    const bool cases = choice->file || choice->line || choice->op || choice->smoke || o->kernel;
    if (o->list + o->reset + (cases || o->dry_run) > 1) {
        wrong_usage("--list and --reset take no cases, and exclude each other and --dry-run");
        return false;
    }
    return case_choice_sensible(choice);
}

int cmd_tune(int argc, char **argv)
{
    tune_options options = {.budget = 60};
    int status;
    cl_device_id device;
    if (!options_parse(&line, argc, argv, &options, &status)) {
        return status;
    }
    if (!sensible(&options)) {
        return EXIT_USAGE;
    }
    if (!session_find(&options.common, &device)) {
        return EXIT_FAILED;
    }
    return options.list    ? show_stored(&options, device)
           : options.reset ? reset(&options, device)
                           : tune_cases(&options, device);
}
