#include "options.h"
#include "check/check.h"
#include "shared/message.h"

#include <string.h>

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

static const char *parse_seconds(const char *text, void *target)
{
    int64_t seconds;
    if (!read_integer(text, 0, 1000000, &seconds))
        return "a whole number from 0 to 1000000";
    *(int32_t *)target = (int32_t)seconds;
    return NULL;
}

static const option_row rows[] = {
    {NULL, NULL, NULL, 0, "Which cases"},
    {"smoke", NULL, NULL, offsetof(check_options, smoke), "one case of each kind only"},
    {"full", NULL, NULL, offsetof(check_options, full),
     "also the large cases; a report to send with a new device"},
    {"seconds", "N", parse_seconds, offsetof(check_options, seconds),
     "with --full: after so long, run only what is needed of every kind\n"
     "(default 75; 0 = everything)"},
    {"op", "NAME", parse_text, offsetof(check_options, op),
     "cases of one operation, such as attention"},
    {"case", "LINE", parse_text, offsetof(check_options, line),
     "this case alone, as a failure prints it"},
    {"cases", "FILE", parse_text, offsetof(check_options, cases),
     "the cases in a file, a line each; - reads them from stdin"},
    {"kernel", "NAMES", parse_text, offsetof(check_options, kernel),
     "these kernels alone: 'tiled', 'attention/row,block/norm'"},
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
    {NULL, NULL, NULL, 0, "Results"},
    {"coverage", NULL, NULL, offsetof(check_options, coverage),
     "also tells how many programs the cases compile for each kernel, and which\n"
     "of their options never come together"},
    {"cache-dir", "DIR", parse_text, offsetof(check_options, cache_dir),
     "keeps compiled programs there for another time (default: nowhere)"},
    {"report", "FILE.json", parse_text, offsetof(check_options, report),
     "also as a file (with --full: clattn-check-DEVICE.json)"},
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

static bool sensible(const check_options *o)
{
    const usage_rule wrong[] = {
        {(o->line != NULL) + (o->cases != NULL) + (o->random > 0) + (o->params > 0) +
                 o->params_all >
             1,
         "--case, --cases, --random, --params and --params-all exclude each other"},
        {o->smoke && o->full, "--smoke and --full exclude each other"},
        {o->coverage && o->common.json, "--coverage prints a table: not with --json"},
        {o->seconds >= 0 && !o->full, "--seconds is for --full"},
        {o->full && (o->line || o->cases || o->random || o->params || o->params_all),
         "--full is for the cases that are built in: not with --case, --cases, --random or "
         "--params"},
    };
    return options_make_sense(wrong, sizeof wrong / sizeof wrong[0]);
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

bool check_options_parse(int argc, char **argv, check_options *options, int *status)
{
    if (!options_parse(&line, argc, argv, options, status))
        return false;
    *status = EXIT_USAGE;
    return sensible(options) && known_op(options->op);
}
