#include "child.h"

#include "platform.h"

#include <string.h>

#ifdef _WIN32

/* Everything is tried in the process itself there. */
bool clattn__child_possible(const char *program)
{
    (void)program;
    return false;
}

void clattn__child_run(const char *const argv[], int silence_ms, struct clattn__child *child)
{
    (void)argv, (void)silence_ms;
    memset(child, 0, sizeof *child);
}

#else

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

bool clattn__child_possible(const char *program) { return access(program, X_OK) == 0; }

/* Its signals are as in a new program: the host may have blocked or ignored some. */
static bool set_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    return posix_spawnattr_setsigmask(attributes, &none) == 0 &&
           posix_spawnattr_setsigdefault(attributes, &all) == 0 &&
           posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) ==
               0;
}

static bool set_files(posix_spawn_file_actions_t *actions, int output)
{
    return posix_spawn_file_actions_adddup2(actions, output, 1) == 0 &&
           posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0) == 0 &&
           posix_spawn_file_actions_addopen(actions, 2, "/dev/null", O_WRONLY, 0) == 0;
}

static bool spawn(const char *const argv[], int output, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    bool done = false;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return false;
    }
    if (posix_spawnattr_init(&attributes) == 0) {
        done =
            set_signals(&attributes) && set_files(&actions, output) &&
            posix_spawn(child, argv[0], &actions, &attributes, (char *const *)argv, environ) == 0;
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return done;
}

/* Reads until the end of the output; false after silence. */
static bool listen_to(int input, int silence_ms, struct clattn__child *child)
{
    size_t used = 0;
    double heard = clattn__now_ms();
    for (;;) {
        char rest[512];
        const bool full = used == sizeof child->output - 1;
        const double left = heard + silence_ms - clattn__now_ms();
        struct pollfd poll_input = {.fd = input, .events = POLLIN};
        const int ready = left > 0 ? poll(&poll_input, 1, (int)left + 1) : 0;
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return false;
        }
        const ssize_t got = read(input, full ? rest : child->output + used,
                                 full ? sizeof rest : sizeof child->output - 1 - used);
        if (got <= 0) {
            return true;
        }
        heard = full ? heard : clattn__now_ms(); /* nor may it talk for ever */
        used += full ? 0 : (size_t)got;
    }
}

/* False if it goes on. */
static bool has_ended(pid_t pid, int flags, int *state)
{
    pid_t got;
    do {
        got = waitpid(pid, state, flags);
    } while (got < 0 && errno == EINTR);
    return got != 0; /* a failure: the host waits for every child, or for none, and has its state */
}

static void end(pid_t pid, bool heard, int silence_ms, struct clattn__child *child)
{
    const struct timespec moment = {.tv_nsec = 2000000};
    const double last = clattn__now_ms() + silence_ms;
    int state = 0;
    bool ended = has_ended(pid, WNOHANG, &state);
    while (heard && !ended && clattn__now_ms() < last) {
        nanosleep(&moment, NULL); /* it closed its output: the end is near */
        ended = has_ended(pid, WNOHANG, &state);
    }
    if (!ended) {
        kill(pid, SIGKILL);
        has_ended(pid, 0, &state);
        child->end = CLATTN__SILENT;
    } else if (WIFSIGNALED(state)) {
        child->end = CLATTN__KILLED;
        child->code = WTERMSIG(state);
    } else {
        child->end = CLATTN__EXITED;
        child->code = WEXITSTATUS(state);
    }
}

void clattn__child_run(const char *const argv[], int silence_ms, struct clattn__child *child)
{
    int ends[2];
    pid_t pid;
    memset(child, 0, sizeof *child);
    if (pipe(ends) != 0) {
        return;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    const bool started = spawn(argv, ends[1], &pid);
    close(ends[1]);
    if (started) {
        end(pid, listen_to(ends[0], silence_ms, child), silence_ms, child);
    }
    close(ends[0]);
}

#endif
