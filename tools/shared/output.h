/* Output files, all or none: each is written beside its place under another name, and
 * only when all are complete are they renamed.  An interrupt removes what was written. */
#ifndef TOOLS_OUTPUT_H
#define TOOLS_OUTPUT_H

#include "message.h"

#include <stdio.h>

enum { OUTPUT_MAX = 8 };

typedef struct output {
    const char *path; /* as the user gave it */
    char *target;     /* with links followed */
    char *temporary;  /* NULL until begun */
    FILE *file;
} output;

typedef struct output_set {
    output items[OUTPUT_MAX];
    int count;
} output_set;

/* Before any work is done: can a file be put there, and is it not already asked for? */
bool output_add(output_set *set, const char *path, reason *why);

/* The file to write an added path to. */
FILE *output_begin(output_set *set, const char *path, reason *why);

/* Its end: everything written is on its way to the disk, or the reason why not. */
bool output_end(output_set *set, const char *path, reason *why);

/* Renames all; on failure none of them is left. */
bool output_commit(output_set *set, reason *why);

/* Removes what was not committed, and frees. */
void output_free(output_set *set);

#endif /* TOOLS_OUTPUT_H */
