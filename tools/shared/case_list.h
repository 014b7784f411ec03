/* Which cases a command works on: one, those of a file, or a set of its own. */
#ifndef TOOLS_CASE_LIST_H
#define TOOLS_CASE_LIST_H

#include "check/case.h"
#include "options.h"

typedef struct case_choice {
    const char *file, *line, *op;
    bool smoke;
} case_choice;

/* The rows that choose, for a member of that type in a command's options. */
#define CASE_CHOICE_ROWS(options, member)                                                          \
    {"smoke", NULL, NULL, offsetof(options, member.smoke),                                         \
     "small ones only: does it work, not how fast"},                                               \
        {"op", "NAME", parse_text, offsetof(options, member.op),                                   \
         "cases of one operation, such as attention"},                                             \
    {                                                                                              \
        "case", "LINE", parse_text, offsetof(options, member.line), "this case alone"              \
    }

#define CASE_CHOICE_WORD(options, member)                                                          \
    {                                                                                              \
        "CASES", "FILE", parse_text, offsetof(options, member.file), NULL                          \
    }

typedef struct chosen_case {
    char line[1024];
    struct test_case c;
} chosen_case;

typedef struct case_list {
    chosen_case *items;
    size_t count;
} case_list;

/* False after a line: choices that exclude each other, an op that does not exist. */
bool case_choice_sensible(const case_choice *choice);

/* own: the file of tests/cases that is meant where no other is chosen.  False after a line, also if
 * no case is left; the caller frees. */
bool case_list_read(case_list *list, const case_choice *choice, const char *own);
void case_list_free(case_list *list);

#endif /* TOOLS_CASE_LIST_H */
