/* What the suites of probe.c share.  Clues are made up here, and so are most of the programs that
 * answer, so that every outcome shows on any device. */
#ifndef TEST_PROBING_H
#define TEST_PROBING_H

#include "registry/context.h"
#include "support/fixture.h"

enum { LONG_MS = 60000, SHORT_MS = 300 };

#define SAYS_RIGHT "echo clattn-probe right $1"
#define NO_PROGRAM "/no/such/clattn-probe"

extern const struct clattn__clues nvidia, hopper, intel;

/* A new context for which program has answered, or this process where it did not. */
clattn_context *probe(const struct clattn__clues *clues, const char *program, int silence_ms);

/* The path of a program that runs the shell's answer for each probe that it tries; its name is $1.
 */
const char *program(const char *answer);

/* How many probes the programs have tried so far; how many files are remembered, and are left of
 * what began. */
int tried(void);
int records(void);
int marks(void);

/* What is believed, with a reason if that is nothing, and no mark is left.  Closes the context. */
void assert_lanes(clattn_context *context, clattn_lanes lanes, uint32_t sizes);
void assert_refusal(clattn_context *context, const char *words);

/* Writes a kernel that gives what lanes.h would, computed without lanes, but value in one place of
 * one lane; place -1 = nowhere. */
void write_kernel(int place, const char *value);

#endif
