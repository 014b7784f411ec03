/* Which programs the cases compile, and which of their options come together in one: what
 * `clattn check --coverage` tells.  Faults hide where two options meet, so every two values that
 * can meet should; more programs than that takes cost time and show little. */
#ifndef TOOLS_CHECK_COVERAGE_H
#define TOOLS_CHECK_COVERAGE_H

#include <stdbool.h>

enum { COVERAGE_MOST = 30 }; /* programs of one kernel */

typedef struct coverage coverage;

/* NULL without memory. */
coverage *coverage_new(void);
void coverage_free(coverage *c);

/* The programs that the log tells of from here on belong to this case, with its op's name. */
void coverage_case(coverage *c, const char *line);

/* Log of a context: keeps the lines about programs. */
void coverage_log(void *user, const char *text);

/* Looks for the pairs that no case has: a case made of two, one for each of the values, is given to
 * try, which makes its op with that kernel.  What then compiles fits, and is told. */
void coverage_search(coverage *c, void (*try)(void *user, const char *line, const char *kernel),
                     void *user);

/* A line for each kernel, then what is missing.  False if a pair that fits is, or a kernel has too
 * many programs. */
bool coverage_print(const coverage *c);

#endif /* TOOLS_CHECK_COVERAGE_H */
