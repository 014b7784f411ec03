#include "options.h"
#include "message.h"

#include <clattn/clattn.h>

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const option_row common_rows[] = {
    {NULL, NULL, NULL, 0, "Everywhere"},
    {"device", "N|TEXT", parse_text, offsetof(common_options, device),
     "a device by its number in 'clattn info', or by a part of its name\n"
     "(default: CLATTN_DEVICE, else the first GPU, else the first device)"},
    {"json", NULL, NULL, offsetof(common_options, json), "results as JSON on stdout"},
    {"quiet", NULL, NULL, offsetof(common_options, quiet), "no summary, no progress"},
    {"verbose", NULL, NULL, offsetof(common_options, verbose),
     "the library's log (kernel choices, build logs) on stderr"},
    {"help", NULL, NULL, 0, "this text"},
    {"version", NULL, NULL, 0, "version of the program"},
};
enum { COMMON_ROWS = sizeof common_rows / sizeof common_rows[0], MAX_ROWS = 96 };

/* ---- Values --------------------------------------------------------------- */

const char *parse_text(const char *text, void *target)
{
    *(const char **)target = text;
    return *text ? NULL : "a value that is not empty";
}

const char *parse_list(const char *text, void *target)
{
    text_list *list = target;
    if (list->count == TEXT_LIST_MAX) {
        return "no more of them";
    }
    list->items[list->count++] = text;
    return NULL;
}

bool read_integer(const char *text, int64_t low, int64_t high, int64_t *out)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (isspace((unsigned char)*text) || end == text || *end || errno) {
        return false;
    }
    *out = value;
    return value >= low && value <= high;
}

bool read_choice(const char *text, const char *const *names, int *index)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

const char *parse_count(const char *text, void *target)
{
    int64_t value;
    if (!read_integer(text, 1, INT32_MAX, &value)) {
        return "a whole number from 1 to 2147483647";
    }
    *(int32_t *)target = (int32_t)value;
    return NULL;
}

const char *parse_float(const char *text, void *target)
{
    char *end;
    const double value = strtod(text, &end);
    if (isspace((unsigned char)*text) || end == text || *end || !isfinite(value)) {
        return "a finite number";
    }
    if (fabs(value) > FLT_MAX || (value != 0 && (float)value == 0)) {
        return "a number that a 32-bit float can hold";
    }
    *(float *)target = (float)value;
    return NULL;
}

/* ---- Help ----------------------------------------------------------------- */

static bool is_short(const option_row *row) { return row->name[0] == '-'; }

/* What stands before the name. */
static const char *dashes(const option_row *row) { return is_short(row) ? "" : "--"; }

static void print_rows(const option_row *rows, size_t count)
{
    enum { INDENT = 28 };
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].name) {
            printf("\n%s:\n", rows[i].help);
            continue;
        }
        const int used = printf("  %s%s%s%s", dashes(&rows[i]), rows[i].name,
                                rows[i].value ? " " : "", rows[i].value ? rows[i].value : "");
        if (used > INDENT - 2) {
            printf("\n%*s", INDENT, "");
        } else {
            printf("%*s", INDENT - used, "");
        }
        for (const char *c = rows[i].help; *c; c++) {
            putchar(*c);
            if (*c == '\n') {
                printf("%*s", INDENT, "");
            }
        }
        putchar('\n');
    }
}

static void print_help(const command_line *line)
{
    printf("Usage: %s\n\n%s\n", line->usage, line->about);
    print_rows(line->rows, line->row_count);
    print_rows(common_rows, COMMON_ROWS);
    printf("\nExit: 0 done, 1 failed, 2 wrong usage.\n");
    if (line->examples) {
        printf("\nExamples:\n%s", line->examples);
    }
}

void print_version(void)
{
    const int version = clattn_version();
    printf("clattn %d.%d.%d\n", version / 10000, version / 100 % 100, version % 100);
}

/* ---- Parsing -------------------------------------------------------------- */

/* The rows of the command and the common ones, headings left out, and the same for getopt: long
 * options, whose code is 256 + the row's number, and the letters of those that have only one. */
static void join_rows(const command_line *line, const option_row **rows, struct option *options,
                      char *letters)
{
    int count = 0;
    /* "-": words in their order, without moving them; ":": tell a missing value apart. */
    letters += sprintf(letters, "-:");
    for (size_t i = 0; i < line->row_count + COMMON_ROWS && count < MAX_ROWS; i++) {
        const option_row *row =
            i < line->row_count ? &line->rows[i] : &common_rows[i - line->row_count];
        if (!row->name) {
            continue;
        }
        if (is_short(row)) {
            letters += sprintf(letters, "%s%s", row->name + 1, row->value ? ":" : "");
        } else {
            *options++ = (struct option){row->name, row->value ? required_argument : no_argument,
                                         NULL, 256 + count};
        }
        rows[count++] = row;
    }
    rows[count] = NULL;
    *options = (struct option){0};
}

/* The row of what getopt found; NULL = none. */
static const option_row *row_of(int code, const option_row *const *rows)
{
    if (code >= 256) {
        return rows[code - 256];
    }
    while (*rows && !(is_short(*rows) && (*rows)->name[1] == code)) {
        rows++;
    }
    return *rows;
}

/* The option itself as typed, whether its value followed in the same word or the next. */
static const char *typed_word(char **argv, bool value_in_next_word)
{
    return argv[optind - (value_in_next_word ? 2 : 1)];
}

static int explain(int code, char **argv, const option_row *const *rows)
{
    const char *word = argv[optind - 1];
    const int length = (int)strcspn(word, "=");
    if (optopt > 0 && optopt < 256) {
        return code == ':' ? wrong_usage("option '-%c' needs a value", optopt)
                           : wrong_usage("unknown option '-%c'", optopt);
    }
    if (code == ':') {
        return wrong_usage("option '%.*s' needs a value", length, word);
    }
    if (optopt >= 256) { /* known, so it was a flag with "=value" */
        return wrong_usage("option '--%s' takes no value", rows[optopt - 256]->name);
    }
    return wrong_usage("unknown option '%.*s'", length, word);
}

/* getopt accepts unique prefixes; a later option would make them ambiguous, so they are
 * refused, and so is "--q --k": the second is not the first one's value.  A value of several
 * words may begin so: --case "--nq 33". */
static int check_words(const option_row *row, char **argv)
{
    const bool separate = row->value && optarg == argv[optind - 1];
    const char *word = typed_word(argv, separate);
    const size_t length = strcspn(word, "=");
    if (is_short(row)) {
        return EXIT_DONE;
    }
    if (length < 2 || length - 2 != strlen(row->name)) {
        return wrong_usage("unknown option '%.*s' (is '--%s' meant?)", (int)length, word,
                           row->name);
    }
    if (separate && strncmp(optarg, "--", 2) == 0 && !strchr(optarg, ' ')) {
        return wrong_usage("option '--%s' needs a value", row->name);
    }
    return EXIT_DONE;
}

static int store_word(const command_line *line, void *options, const char *word, bool *taken)
{
    const option_row *row = line->word;
    if (!row || (*taken && !line->many_words)) {
        return wrong_usage("unexpected argument '%s'", word);
    }
    *taken = true;
    const char *expected = row->parse(word, (char *)options + row->target);
    if (expected) {
        return wrong_usage("%s '%s': expected %s", row->name, word, expected);
    }
    return EXIT_DONE;
}

static int store(const option_row *row, void *options)
{
    char *target = (char *)options + row->target;
    if (!row->value) {
        *(bool *)(void *)target = true;
        return EXIT_DONE;
    }
    const char *expected = row->parse(optarg, target);
    if (expected) {
        return wrong_usage("%s%s '%s': expected %s", dashes(row), row->name, optarg, expected);
    }
    return EXIT_DONE;
}

bool options_parse(const command_line *line, int argc, char **argv, void *options, int *status)
{
    const option_row *rows[MAX_ROWS + 1];
    struct option table[MAX_ROWS + 1];
    char letters[2 * MAX_ROWS + 3];
    join_rows(line, rows, table, letters);
    opterr = 0;
    optind = 1;
    *status = EXIT_DONE;
    bool word_taken = false;
    int code;
    while (*status == EXIT_DONE && (code = getopt_long(argc, argv, letters, table, NULL)) != -1) {
        const option_row *row = row_of(code, rows);
        if (code == 1) {
            *status = store_word(line, options, optarg, &word_taken);
        } else if (!row) {
            *status = explain(code, argv, rows);
        } else {
            *status = check_words(row, argv);
            if (*status != EXIT_DONE) {
                break;
            }
            if (strcmp(row->name, "help") == 0) {
                print_help(line);
                return false;
            }
            if (strcmp(row->name, "version") == 0) {
                print_version();
                return false;
            }
            *status = store(row, options);
        }
    }
    for (; *status == EXIT_DONE && optind < argc; optind++) { /* what stands after "--" */
        *status = store_word(line, options, argv[optind], &word_taken);
    }
    return *status == EXIT_DONE;
}

bool options_make_sense(const usage_rule *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (wrong[i].holds) {
            wrong_usage("%s", wrong[i].what);
            return false;
        }
    }
    return true;
}
