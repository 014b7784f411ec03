/* Command line options as a table: one row says how an option is read, where it
 * is stored and what --help tells about it. */
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What every command understands; the first member of each command's options. */
typedef struct common_options {
    const char *device; /* NULL = the library's choice */
    bool json;
    bool quiet;
    bool verbose;
    void (*log)(void *user, const char *text); /* a command's own reader of the library's log */
    void *log_user;
} common_options;

/* Reads a whole value into *target.  NULL if it could, else what it expects:
 * "a whole number from 1 to 2147483647". */
typedef const char *option_parser(const char *text, void *target);

typedef struct option_row {
    const char *name;     /* without "--", or "-n" with it; NULL = a heading of --help */
    const char *value;    /* what --help calls the value; NULL = a flag, whose target is a bool */
    option_parser *parse; /* NULL for a flag */
    size_t target;        /* offset in the command's options */
    const char *help;     /* may have several lines */
} option_row;

typedef struct command_line {
    const char *usage;
    const char *about;
    const option_row *rows;
    size_t row_count;
    const char *examples;   /* may be NULL */
    const option_row *word; /* how a word that is no option is read; NULL = there is none */
    bool many_words;        /* it may come more than once */
} command_line;

/* Reads argv[1..] into options.  True: go on.  False: leave with *status, after
 * --help or --version, or after a line naming the option that is wrong. */
bool options_parse(const command_line *line, int argc, char **argv, void *options, int *status);

/* What makes no sense together, and the line that says so. */
typedef struct usage_rule {
    bool holds;
    const char *what;
} usage_rule;

/* True if none holds; else false after the line of the first. */
bool options_make_sense(const usage_rule *wrong, size_t count);

/* What is given more than once. */
enum { TEXT_LIST_MAX = 256 };
typedef struct text_list {
    const char *items[TEXT_LIST_MAX];
    int count;
} text_list;

/* Parsers for rows, target in parentheses. */
option_parser parse_text;  /* (const char *) kept as given, not empty */
option_parser parse_list;  /* (text_list) one more of them, which may be empty */
option_parser parse_count; /* (int32_t) 1.. */
option_parser parse_float; /* (float) finite, and not so small that it becomes 0 */

/* Pieces to make parsers of: the whole text, nothing around it. */
bool read_integer(const char *text, int64_t low, int64_t high, int64_t *out);
bool read_choice(const char *text, const char *const *names, int *index); /* names end with NULL */

/* For main: "clattn 0.1.0". */
void print_version(void);

#endif /* TOOLS_OPTIONS_H */
