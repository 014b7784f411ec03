#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture fixture;

/* LLVM, of which drivers are made, takes the place of the sanitizer's signal stack; and
 * the leak checker mistakes what precedes a driver's thread-local memory for its size. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "use_sigaltstack=0:intercept_tls_get_addr=0"; }

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

void log_append(void *user, const char *text)
{
    struct log *log = user;
    pthread_mutex_lock(&log_lock);
    const size_t used = strlen(log->text);
    snprintf(log->text + used, sizeof log->text - used, "%s\n", text);
    log->messages++;
    pthread_mutex_unlock(&log_lock);
}

cl_command_queue queue_make(const clattn_context *context)
{
    cl_int code;
    const cl_command_queue queue =
        clCreateCommandQueue(clattn_context_cl(context), clattn_context_device(context), 0, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    return queue;
}

void fixture_open_directory(void)
{
    memset(&fixture, 0, sizeof fixture);
    directory_make(fixture.directory);
}

void fixture_close_directory(void) { directory_remove(fixture.directory); }

static void open_context(const char *cache)
{
    fixture_open_directory();
    const clattn_context_desc desc = {.cache_dir = cache, .log = log_append, .user = &fixture.log};
    assert_ok(clattn_context_create(&desc, &fixture.context));
    fixture.queue = queue_make(fixture.context);
}

void fixture_open(void)
{
    char cache[PATH_TEXT_BYTES];
    const bool there = clattn_default_cache_dir(cache, sizeof cache - sizeof "/tests");
    open_context(there ? strcat(cache, "/tests") : NULL);
}

void fixture_open_without_cache(void) { open_context(NULL); }

void fixture_close(void)
{
    clReleaseCommandQueue(fixture.queue);
    clattn_context_destroy(fixture.context);
    fixture_close_directory();
}

TCase *suite_group(Suite *suite, const char *name, void (*setup)(void), void (*teardown)(void))
{
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, 600);
    if (setup || teardown) {
        tcase_add_checked_fixture(tests, setup, teardown);
    }
    suite_add_tcase(suite, tests);
    return tests;
}

int suite_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* In a child: drivers do not survive a fork, and each test is one.  A driver that
 * crashes is a device, so that the tests show it. */
static bool there_is_no_device(void)
{
    enum { NONE = 78 };
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        size_t count = 0;
        _exit(clattn_device_list(NULL, 0, &count) == CLATTN_OK && count == 0 ? NONE : 0);
    }
    int state = 0;
    return child > 0 && waitpid(child, &state, 0) == child && WIFEXITED(state) &&
           WEXITSTATUS(state) == NONE;
}

int suite_run_on_device(Suite *suite)
{
    enum { SKIPPED = 77 };
    if (there_is_no_device()) {
        srunner_free(srunner_create(suite));
        fprintf(stderr, "SKIPPED: there is no OpenCL device\n");
        return SKIPPED;
    }
    return suite_run(suite);
}
