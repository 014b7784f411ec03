/* What most tests need: a context on the device under test, a queue on it, what the
 * library logged, and a directory.  One per test, made before it and gone after it. */
#ifndef SUPPORT_FIXTURE_H
#define SUPPORT_FIXTURE_H

#include "assertions.h"
#include "files.h"

/* What a context's log callback was given; several threads may log. */
struct log {
    char text[1 << 18];
    int messages;
};

void log_append(void *log, const char *text);

struct fixture {
    char directory[PATH_TEXT_BYTES];
    clattn_context *context;
    cl_command_queue queue;
    struct log log;
};

extern struct fixture fixture;

/* For tcase_add_checked_fixture.  The context finds the programs that an earlier test compiled. */
void fixture_open(void);
void fixture_close(void);

/* For tests that must compile, or leave something in the cache that the next would find. */
void fixture_open_without_cache(void);

/* The directory alone, for tests that make contexts of their own. */
void fixture_open_directory(void);
void fixture_close_directory(void);

cl_command_queue queue_make(const clattn_context *context);

/* A group of tests with what runs before and after each; NULL = nothing.  Compiling
 * may take a driver long, so the time limit is far above Check's. */
TCase *suite_group(Suite *suite, const char *name, void (*setup)(void), void (*teardown)(void));

/* Runs every test of a suite: main returns it.  77, which meson calls a skipped
 * test, where there is no OpenCL device at all. */
int suite_run(Suite *suite);
int suite_run_on_device(Suite *suite);

#endif /* SUPPORT_FIXTURE_H */
