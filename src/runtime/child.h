/* A program run beside this one, and what it says. */
#ifndef CLATTN_CHILD_H
#define CLATTN_CHILD_H

#include <stdbool.h>
#include <stddef.h>

struct clattn__child {
    enum { CLATTN__NOT_STARTED, CLATTN__EXITED, CLATTN__KILLED, CLATTN__SILENT } end;
    int code;          /* exit status, or the signal that killed it */
    char output[8192]; /* of its standard output, as much as fits */
};

/* Whether this system can run the program. */
bool clattn__child_possible(const char *program);

/* Runs argv[0] with these arguments until NULL, without input, and waits.  One that says nothing
 * for silence_ms is killed: CLATTN__SILENT. */
void clattn__child_run(const char *const argv[], int silence_ms, struct clattn__child *child);

#endif /* CLATTN_CHILD_H */
