/* Threads and processes: contexts and ops may be shared, each thread has a queue and an
 * error text of its own, and a cache directory may be filled by many at once.
 *
 * Threads only note what went wrong; the test's own thread judges it. */
#include "support/attention.h"
#include "support/fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, RUNS = 20, OUT_FLOATS = BATCH * N_Q * HEADS * VALUE_DIM };

struct worker {
    int number;
    pthread_barrier_t *start;
    clattn_op *shared;
    clattn_context *context;
    clattn_attention_args args;
    float out[OUT_FLOATS];
    float expected[OUT_FLOATS];
    char failure[512]; /* "" = all was well */
};

static void note(struct worker *worker, const char *what)
{
    if (!worker->failure[0]) {
        snprintf(worker->failure, sizeof worker->failure, "thread %d: %s: %s", worker->number, what,
                 clattn_error());
    }
}

static void in_threads(struct worker workers[THREADS], void *(*work)(void *worker))
{
    pthread_t threads[THREADS];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        workers[i].number = i;
        workers[i].start = &start;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    pthread_barrier_destroy(&start);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_msg(workers[i].failure[0] == '\0', "%s", workers[i].failure);
    }
}

/* Inputs of each thread's own and what one thread alone makes of them. */
static void prepare(struct worker workers[THREADS], clattn_op *op)
{
    for (int i = 0; i < THREADS; i++) {
        clattn_attention_args *args = &workers[i].args;
        *args = plain_args();
        args->q = tensor_random(100 + (unsigned)i, BATCH, N_Q, HEADS, HEAD_DIM);
        attention_run(op, args);
        tensor_read(&args->out, workers[i].expected, OUT_FLOATS);
        workers[i].shared = op;
        workers[i].context = fixture.context;
    }
}

static bool run_and_compare(struct worker *worker, const clattn_op *op, cl_command_queue queue)
{
    const float zeros[OUT_FLOATS] = {0};
    const cl_mem out = worker->args.out.mem;
    clEnqueueWriteBuffer(queue, out, CL_FALSE, 0, sizeof zeros, zeros, 0, NULL, NULL);
    if (clattn_attention_run(op, queue, &worker->args, NULL) != CLATTN_OK) {
        note(worker, "run");
        return false;
    }
    clEnqueueReadBuffer(queue, out, CL_TRUE, 0, sizeof worker->out, worker->out, 0, NULL, NULL);
    if (memcmp(worker->out, worker->expected, sizeof worker->out) != 0) {
        note(worker, "another result");
        return false;
    }
    return true;
}

static void *run_shared(void *user)
{
    struct worker *worker = user;
    const clattn_context *context = worker->context;
    cl_int code;
    const cl_command_queue queue =
        clCreateCommandQueue(clattn_context_cl(context), clattn_context_device(context), 0, &code);
    pthread_barrier_wait(worker->start);
    for (int i = 0; i < RUNS && run_and_compare(worker, worker->shared, queue); i++) {
    }
    clReleaseCommandQueue(queue);
    return NULL;
}

START_TEST(one_op_serves_many_queues_at_once)
{
    static struct worker workers[THREADS];
    clattn_op *op = attention_make(plain_desc());
    prepare(workers, op);
    in_threads(workers, run_shared);
    clattn_op_destroy(op);
}
END_TEST

/* Creates the op, uses it and destroys it, over and over. */
static void *create_same(void *user)
{
    struct worker *worker = user;
    const clattn_context *context = worker->context;
    const clattn_attention_desc desc = plain_desc();
    cl_int code;
    const cl_command_queue queue =
        clCreateCommandQueue(clattn_context_cl(context), clattn_context_device(context), 0, &code);
    pthread_barrier_wait(worker->start);
    for (int i = 0; i < 3 && !worker->failure[0]; i++) {
        clattn_op *op = NULL;
        if (clattn_attention_create(worker->context, &desc, &op) != CLATTN_OK) {
            note(worker, "create");
        } else {
            run_and_compare(worker, op, queue);
            clattn_op_destroy(op);
        }
    }
    clReleaseCommandQueue(queue);
    return NULL;
}

START_TEST(the_same_op_is_created_by_many_at_once)
{
    static struct worker workers[THREADS];
    clattn_op *op = attention_make(plain_desc());
    prepare(workers, op);
    clattn_op_destroy(op);
    /* A new context, in which nothing is compiled yet. */
    const clattn_context_desc desc = {.context = clattn_context_cl(fixture.context),
                                      .device = clattn_context_device(fixture.context),
                                      .log = log_append,
                                      .user = &fixture.log};
    clattn_context *fresh = NULL;
    assert_ok(clattn_context_create(&desc, &fresh));
    for (int i = 0; i < THREADS; i++) {
        workers[i].context = fresh;
    }
    in_threads(workers, create_same);
    clattn_context_destroy(fresh);
}
END_TEST

static void *create_different(void *user)
{
    struct worker *worker = user;
    pthread_barrier_wait(worker->start);
    for (int32_t i = 0; i < 2; i++) {
        const clattn_attention_desc attention = {
            .head_dim = 1 + worker->number, .query_heads = 1, .causal = i, .kernel = "row"};
        const clattn_project_desc project = {
            .in_dim = 1 + worker->number, .out_dim = 1 + i, .kernel = i ? "plain" : NULL};
        clattn_op *a = NULL, *p = NULL;
        if (clattn_attention_create(worker->context, &attention, &a) != CLATTN_OK ||
            clattn_project_create(worker->context, &project, &p) != CLATTN_OK) {
            note(worker, "create");
        }
        char dim[32];
        snprintf(dim, sizeof dim, "f32 d%d", 1 + worker->number);
        if (!strstr(clattn_op_kernel(a), dim)) {
            note(worker, "another kernel");
        }
        clattn_op_destroy(p);
        clattn_op_destroy(a);
    }
    return NULL;
}

START_TEST(different_ops_are_created_by_many_at_once)
{
    static struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i].context = fixture.context;
    }
    in_threads(workers, create_different);
}
END_TEST

static void *fail_by_number(void *user)
{
    struct worker *worker = user;
    char expected[32];
    snprintf(expected, sizeof expected, "head_dim is -%d,", worker->number + 1);
    const clattn_attention_desc desc = {.head_dim = -(worker->number + 1), .query_heads = 1};
    for (int i = 0; i < 200; i++) {
        clattn_op *op = NULL;
        pthread_barrier_wait(worker->start);
        clattn_attention_create(worker->context, &desc, &op);
        pthread_barrier_wait(worker->start);
        if (!strstr(clattn_error(), expected)) {
            note(worker, "another's error text");
        }
    }
    return NULL;
}

START_TEST(each_thread_reads_its_own_error_text)
{
    static struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i].context = fixture.context;
    }
    in_threads(workers, fail_by_number);
}
END_TEST

/* ---- One cache directory ---------------------------------------------------- */

static const clattn_project_desc cached = {.in_dim = 7, .out_dim = 3, .kernel = "plain"};

/* Makes the op in a context of its own that uses the directory. */
static bool fill_cache(void)
{
    const clattn_context_desc desc = {.cache_dir = fixture.directory};
    clattn_context *context = NULL;
    clattn_op *op = NULL;
    const bool made = clattn_context_create(&desc, &context) == CLATTN_OK &&
                      clattn_project_create(context, &cached, &op) == CLATTN_OK;
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    return made;
}

static void *fill_cache_repeatedly(void *user)
{
    struct worker *worker = user;
    for (int i = 0; i < 5; i++) {
        pthread_barrier_wait(worker->start);
        if (worker->number == 0) { /* so that others have something to write again */
            char name[PATH_TEXT_BYTES], path[2 * PATH_TEXT_BYTES];
            if (directory_count(fixture.directory, ".bin", name) > 0) {
                snprintf(path, sizeof path, "%s/%s", fixture.directory, name);
                remove(path);
            }
        }
        if (!fill_cache()) {
            note(worker, "create");
        }
    }
    return NULL;
}

/* One whole entry, nothing half-written beside it, and a context that trusts it. */
static void assert_cache_is_whole(void)
{
    fill_cache();
    ck_assert_int_eq(directory_count(fixture.directory, ".bin", NULL), 1);
    ck_assert_int_eq(directory_count(fixture.directory, "", NULL), 1);
    const clattn_context_desc desc = {
        .cache_dir = fixture.directory, .log = log_append, .user = &fixture.log};
    clattn_context *context = NULL;
    clattn_op *op = NULL;
    fixture.log = (struct log){0};
    assert_ok(clattn_context_create(&desc, &context));
    assert_ok(clattn_project_create(context, &cached, &op));
    assert_lacks(fixture.log.text, "cache:");
    clattn_op_destroy(op);
    clattn_context_destroy(context);
}

START_TEST(threads_with_their_own_contexts_fill_one_cache)
{
    static struct worker workers[THREADS];
    in_threads(workers, fill_cache_repeatedly);
    assert_cache_is_whole();
}
END_TEST

START_TEST(processes_fill_one_cache)
{
    enum { PROCESSES = 4 };
    pid_t children[PROCESSES];
    fflush(NULL);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork(); /* before this process has touched OpenCL */
        if (children[i] == 0) {
            _exit(fill_cache() ? 0 : 1);
        }
        ck_assert_int_gt(children[i], 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int state = 0;
        ck_assert_int_eq(waitpid(children[i], &state, 0), children[i]);
        ck_assert(WIFEXITED(state));
        ck_assert_int_eq(WEXITSTATUS(state), 0);
    }
    assert_cache_is_whole();
}
END_TEST

static void close_all(void)
{
    tensors_release();
    fixture_close();
}

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *sharing = suite_group(suite, "sharing", fixture_open, close_all);
    tcase_add_test(sharing, one_op_serves_many_queues_at_once);
    tcase_add_test(sharing, the_same_op_is_created_by_many_at_once);
    tcase_add_test(sharing, different_ops_are_created_by_many_at_once);
    tcase_add_test(sharing, each_thread_reads_its_own_error_text);
    TCase *cache = suite_group(suite, "cache", fixture_open_directory, fixture_close_directory);
    tcase_add_test(cache, threads_with_their_own_contexts_fill_one_cache);
    tcase_add_test(cache, processes_fill_one_cache);
    return suite_run_on_device(suite);
}
