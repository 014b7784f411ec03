/* clattn check: every kernel that fits this device, on every case, against the
 * double-precision reference. */
#include "check.h"
#include "commands.h"
#include "message.h"
#include "progress.h"
#include "report.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct check_options {
    common_options common;
    bool smoke, full;
    const char *op, *line, *kernel, *type;
    int32_t random, params;
    bool params_all;
    int64_t seed;
} check_options;

static const char *parse_seed(const char *text, void *target)
{
    return read_integer(text, 0, INT64_MAX, target) ? NULL : "a whole number, not negative";
}

static const char *parse_type_name(const char *text, void *target)
{
    *(const char **)target = text;
    return !strcmp(text, "f32") || !strcmp(text, "f16") || !strcmp(text, "bf16")
               ? NULL
               : "f32, f16 or bf16";
}

static const option_row rows[] = {
    {NULL, NULL, NULL, 0, "Which cases"},
    {"smoke", NULL, NULL, offsetof(check_options, smoke), "one case of each kind only"},
    {"full", NULL, NULL, offsetof(check_options, full), "also the large cases"},
    {"op", "NAME", parse_text, offsetof(check_options, op),
     "cases of one operation, such as attention"},
    {"case", "LINE", parse_text, offsetof(check_options, line),
     "this case alone, as a failure prints it"},
    {"kernel", "NAME", parse_text, offsetof(check_options, kernel), "one kernel alone"},
    {"type", "TYPE", parse_type_name, offsetof(check_options, type),
     "every case with this storage type (f32, f16, bf16) instead of its own"},
    {"random", "N", parse_count, offsetof(check_options, random),
     "N random cases instead (of each operation)"},
    {"params-all", NULL, NULL, offsetof(check_options, params_all),
     "every set of parameters that a kernel can be tuned to, instead"},
    {"params", "N", parse_count, offsetof(check_options, params),
     "N sets of each kernel instead, each on one case: first those that differ\n"
     "from the built-in one in one value, then random ones"},
    {"seed", "N", parse_seed, offsetof(check_options, seed),
     "where random cases and sets begin (default 1)"},
};

static const command_line line = {
    .usage = "clattn check [options]",
    .about =
        "Runs every kernel that fits the device on every case and compares the results with a\n"
        "reference in double precision.  A failing case prints the command that repeats it.",
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .examples =
        "  clattn check\n"
        "  clattn check --full --device nvidia\n"
        "  clattn check --op attention --random 100 --seed 7\n"
        "  clattn check --params 20 --kernel wide\n"
        "  clattn check --op attention --case \"--nq 33 --nk 65 --causal\" --kernel tiled\n",
};

/* ---- Running ---------------------------------------------------------------------------- */

typedef struct tally {
    char kernel[32];
    int counts[3]; /* by check_outcome */
    double worst;
} tally;

enum { MAX_TALLIES = 64 };

typedef struct run {
    const check_options *options;
    struct check check;
    bool show; /* progress */
    int done, total;
    int counts[3];
    tally tallies[MAX_TALLIES];
    cJSON *failures;
    const char *text; /* of the case at work */
    const struct test_case *c;
} run;

static void show_progress(const run *r)
{
    progress_show(r->show, r->total ? (double)r->done / r->total : 0, "%d/%d cases", r->done,
                  r->total);
}

/* An op made of others is counted apart from the kernel it runs with. */
static tally *tally_of(run *r, const char *kernel)
{
    char name[32];
    const char *op = !strcmp(r->c->op, "mha")     ? "mha + "
                     : !strcmp(r->c->op, "luong") ? "luong + "
                                                  : "";
    snprintf(name, sizeof name, "%s%.*s", op, (int)strcspn(kernel, " "), kernel);
    for (int i = 0; i < MAX_TALLIES; i++) {
        tally *t = &r->tallies[i];
        if (!t->kernel[0])
            snprintf(t->kernel, sizeof t->kernel, "%s", name);
        if (!strcmp(t->kernel, name))
            return t;
    }
    return &r->tallies[MAX_TALLIES - 1];
}

static void report_failure(run *r, const char *kernel, const struct check_result *result)
{
    progress_end(r->show);
    fprintf(stderr, "FAILED %s: %s\n  clattn check --op %s --case \"%s\" --kernel %s\n", kernel,
            result->why, r->c->op, r->text, kernel);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "op", r->c->op);
    cJSON_AddStringToObject(json, "case", r->text);
    cJSON_AddStringToObject(json, "kernel", kernel);
    cJSON_AddStringToObject(json, "why", result->why);
    cJSON_AddItemToArray(r->failures, json);
}

static bool wanted(const char *wanted, const char *kernel)
{
    const char *slash = strchr(kernel, '/');
    return !wanted || !strcmp(wanted, kernel) || (slash && !strcmp(wanted, slash + 1));
}

static void run_variant(void *user, const char *kernel)
{
    run *r = user;
    if (!wanted(r->options->kernel, kernel) ||
        !wanted(r->c->kernel[0] ? r->c->kernel : NULL, kernel))
        return;
    struct check_result result;
    check_run(&r->check, r->c, kernel, &result);
    tally *t = tally_of(r, kernel);
    t->counts[result.outcome]++;
    r->counts[result.outcome]++;
    if (result.worst > t->worst)
        t->worst = result.worst;
    if (result.outcome == CHECK_FAILED)
        report_failure(r, kernel, &result);
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
    if (r->options->kernel && !c.kernel[0]) {
        snprintf(c.kernel, sizeof c.kernel, "%s", r->options->kernel);
    }
    check_variants(&r->check, &c, run_variant, r);
    r->done++;
    show_progress(r);
    return true;
}

/* ---- Which cases --------------------------------------------------------------------------- */

static bool is_of_op(const char *text, const char *op)
{
    return !op || (!strncmp(text, op, strlen(op)) && strchr(" \t", text[strlen(op)]));
}

/* Runs the lines of a case file, or only counts them. */
static bool each_line(run *r, const char *file, bool count)
{
    char text[1024];
    while (*file) {
        const size_t length = strcspn(file, "\n");
        snprintf(text, sizeof text, "%.*s", (int)length, file);
        file += length + (file[length] == '\n');
        if (text[0] == '#' || text[strspn(text, " \t\r")] == '\0' ||
            !is_of_op(text, r->options->op))
            continue;
        r->total += count;
        if (!count && !run_case(r, text))
            return false;
    }
    return true;
}

static bool run_files(run *r)
{
    const char *tiers[] = {"smoke", r->options->smoke ? NULL : "ci",
                           r->options->full ? "full" : NULL};
    for (int count = 1; count >= 0; count--) {
        for (int i = 0; i < 3; i++) {
            if (tiers[i] && !each_line(r, check_cases(tiers[i]), count))
                return false;
        }
    }
    return true;
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

static void print_table(const run *r, const char *device)
{
    printf("%s\n%-24s %7s %7s %8s   %s\n", device, "kernel", "passed", "failed", "skipped",
           "worst error, of what is allowed");
    for (int i = 0; i < MAX_TALLIES && r->tallies[i].kernel[0]; i++) {
        const tally *t = &r->tallies[i];
        printf("%-24s %7d %7d %8d   %.0f%%\n", t->kernel, t->counts[CHECK_PASSED],
               t->counts[CHECK_FAILED], t->counts[CHECK_SKIPPED], 100 * t->worst);
    }
    if (r->options->random || r->options->params)
        printf("random %s from seed %lld\n", r->options->random ? "cases" : "sets of parameters",
               (long long)r->options->seed);
    printf("%d passed, %d failed, %d skipped\n", r->counts[CHECK_PASSED], r->counts[CHECK_FAILED],
           r->counts[CHECK_SKIPPED]);
}

static bool print_json(run *r, const clattn_device_facts *facts)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "device", facts->name);
    cJSON_AddStringToObject(root, "platform", facts->platform_version);
    cJSON_AddStringToObject(root, "driver", facts->driver);
    cJSON_AddNumberToObject(root, "passed", r->counts[CHECK_PASSED]);
    cJSON_AddNumberToObject(root, "failed", r->counts[CHECK_FAILED]);
    cJSON_AddNumberToObject(root, "skipped", r->counts[CHECK_SKIPPED]);
    cJSON *kernels = cJSON_AddArrayToObject(root, "kernels");
    for (int i = 0; i < MAX_TALLIES && r->tallies[i].kernel[0]; i++) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "kernel", r->tallies[i].kernel);
        cJSON_AddNumberToObject(json, "passed", r->tallies[i].counts[CHECK_PASSED]);
        cJSON_AddNumberToObject(json, "failed", r->tallies[i].counts[CHECK_FAILED]);
        cJSON_AddNumberToObject(json, "skipped", r->tallies[i].counts[CHECK_SKIPPED]);
        cJSON_AddNumberToObject(json, "worst", r->tallies[i].worst);
        cJSON_AddItemToArray(kernels, json);
    }
    cJSON_AddItemToObject(root, "failures", r->failures);
    r->failures = NULL;
    return report_print(root);
}

static int finish(run *r, const session *s)
{
    progress_end(r->show);
    if (r->counts[CHECK_PASSED] + r->counts[CHECK_FAILED] == 0)
        return fail("no case ran: no kernel or case has that name, or none fits this device");
    if (r->options->common.json) {
        if (!print_json(r, s->facts))
            return EXIT_FAILED;
    } else {
        print_table(r, s->facts->name);
    }
    return r->counts[CHECK_FAILED] ? EXIT_FAILED : EXIT_DONE;
}

static bool sensible(const check_options *o)
{
    if ((o->line != NULL) + (o->random > 0) + (o->params > 0) + o->params_all > 1) {
        wrong_usage("--case, --random, --params and --params-all exclude each other");
        return false;
    }
    return true;
}

static bool known_op(const char *op)
{
    char names[256];
    if (op && !check_op_named(op)) {
        wrong_usage("--op: there is no operation '%s' (%s)", op,
                    check_op_names(names, sizeof names));
        return false;
    }
    return true;
}

int cmd_check(int argc, char **argv)
{
    check_options options = {.seed = 1};
    int status;
    cl_device_id device;
    session s;
    if (!options_parse(&line, argc, argv, &options, &status))
        return status;
    if (!sensible(&options) || !known_op(options.op))
        return EXIT_USAGE;
    /* Hundreds of special kernels are not worth keeping in the user's cache. */
    if (!session_find(&options.common, &device) || !session_open(&s, &options.common, device, ""))
        return EXIT_FAILED;
    run *r = calloc(1, sizeof *r);
    if (!r || !(r->failures = cJSON_CreateArray())) {
        free(r);
        session_close(&s);
        return fail("out of memory");
    }
    r->options = &options;
    r->check = (struct check){s.context, s.queue};
    r->show = progress_wanted(&options.common);
    const bool ran = options.line                           ? run_case(r, options.line)
                     : options.random                       ? run_random(r)
                     : options.params || options.params_all ? run_params(r)
                                                            : run_files(r);
    status = ran ? finish(r, &s) : EXIT_FAILED;
    cJSON_Delete(r->failures);
    free(r);
    session_close(&s);
    return status;
}
