/* For suites about GGUF files: one that is built in memory, and opened. */
#ifndef UNIT_MODELS_FILES_PARSED_H
#define UNIT_MODELS_FILES_PARSED_H

#include "models/files/gguf_types.h" /* before Check, whose fail() is a macro */

#include "support/built_gguf.h"
#include "support/fixture.h"

#include <stdio.h>
#include <stdlib.h>

extern built b;
extern clattn_gguf *file;

/* Opens what was built. */
void parse(void);
void close_file(void);

/* Whether the first bytes of what was built are a file. */
bool parses(size_t bytes);

#define assert_broken(words)                                                                       \
    do {                                                                                           \
        ck_assert(!parses(b.bytes));                                                               \
        assert_contains(clattn_error(), words);                                                    \
    } while (0)

#endif /* UNIT_MODELS_FILES_PARSED_H */
