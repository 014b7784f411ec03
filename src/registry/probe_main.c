/* clattn-probe: tries probes for the library in a process of its own, because a compiler may crash,
 * exit or hang over what a probe gives it.  How it is called and what it says:
 * src/registry/probe.c. */
#include "context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longer than the library waits: for the case that nobody waits any more. */
enum { LIFE_S = 300, MAX_DEVICES = 64 };

/* The library's end of the pipe; what drivers print is no answer. */
static FILE *answers;

static bool take_output(void)
{
    const int copy = dup(1);
    answers = copy < 0 ? NULL : fdopen(copy, "w");
    return answers && dup2(2, 1) == 1;
}

static const struct clattn__probe *named(const char *name)
{
    const struct clattn__probe *probe = clattn__probes;
    while (probe->name && strcmp(probe->name, name)) {
        probe++;
    }
    return probe->name ? probe : NULL;
}

/* Whether the key is that of the probe on this device, by this library. */
static bool is_meant(const clattn_context *context, const char *name, const char *key,
                     struct clattn__answer *answer)
{
    const struct clattn__probe *probe = named(name);
    return probe && clattn__answer_begin(&context->programs, probe, answer) &&
           !strcmp(answer->key, key);
}

/* The device of that key: it is where the library saw it, or somewhere else. */
static clattn_context *open_device(const char *index, const char *kernel_dir, const char *name,
                                   const char *key)
{
    cl_device_id devices[MAX_DEVICES];
    size_t count = 0;
    clattn_device_list(devices, MAX_DEVICES, &count);
    count = count < MAX_DEVICES ? count : MAX_DEVICES;
    const size_t first = strtoul(index, NULL, 10);
    for (size_t i = 0; i < count; i++) {
        struct clattn__answer answer;
        clattn_context *context;
        const clattn_context_desc desc = {.device = devices[(first + i) % count],
                                          .kernel_dir = kernel_dir};
        if (clattn__context_open(&desc, NULL, &context) == CLATTN_OK) {
            if (is_meant(context, name, key, &answer)) {
                return context;
            }
            clattn_context_destroy(context);
        }
    }
    return NULL;
}

static void say(const char *word, const struct clattn__answer *answer)
{
    fprintf(answers, CLATTN__PROBE_SAYS " %s %s %s\n", word, answer->probe->name, answer->reason);
    fflush(answers);
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc % 2 == 0) {
        fprintf(stderr, "clattn-probe is started by the clattn library.\n"
                        "usage: clattn-probe INDEX KERNEL_DIR PROBE KEY [PROBE KEY]...\n");
        return 2;
    }
    alarm(LIFE_S);
    clattn_context *context =
        take_output() ? open_device(argv[1], argv[2], argv[3], argv[4]) : NULL;
    for (int i = 3; context && i < argc; i += 2) {
        struct clattn__answer answer;
        if (is_meant(context, argv[i], argv[i + 1], &answer)) {
            say(CLATTN__PROBE_TRIES, &answer);
            clattn__probe_run(&context->programs, &answer);
            say(clattn__answer_word(&answer), &answer);
        }
    }
    _exit(context ? 0 : 1); /* without the drivers' last words, in which some crash */
}
