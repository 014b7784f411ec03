#include "probe.h"

#include "runtime/child.h"

#include <stdio.h>
#include <string.h>

/* ---- What becomes of the facts ---------------------------------------------------------- */

/* Adds "name: reason" to what was said before.  What an engine does not keep is no reason to have
 * none. */
static void refuse(struct clattn__prober *prober, const struct clattn__probe *probe,
                   const char *reason)
{
    char *text = probe->engine ? prober->engine_reason : prober->lanes_reason;
    const size_t used = strlen(text);
    if (!probe->subnormals) {
        snprintf(text + used, CLATTN__FACT_BYTES - used, "%s%s: %s", used ? "; " : "", probe->name,
                 reason);
    }
    clattn__log(prober->device, "probe: %s: %s", probe->name, reason);
}

/* Of the probes of an engine, each must be right, and so must its lanes. */
static void believe_engine(struct clattn__prober *prober, const struct clattn__probe *probe,
                           const struct clattn__answer *answers)
{
    clattn_device_facts *facts = &prober->device->facts;
    bool right = true;
    for (; answers->probe; answers++) {
        right = right && (answers->probe->engine != probe->engine || answers->probe->subnormals ||
                          answers->state == CLATTN__RIGHT);
    }
    if (facts->lanes != probe->lanes || !(facts->subgroup_sizes & probe->subgroup)) {
        refuse(prober, probe, "its sub-groups are not right");
    } else if (right && !facts->engine) {
        facts->engine = probe->engine;
    }
}

static void believe(struct clattn__prober *prober, const struct clattn__probe *probe,
                    const struct clattn__answer *answers)
{
    clattn_device_facts *facts = &prober->device->facts;
    if (probe->subnormals) {
        facts->engine_subnormals = facts->engine_subnormals || facts->engine == probe->engine;
    } else if (probe->engine) {
        believe_engine(prober, probe, answers);
    } else {
        facts->lanes = probe->lanes;
        facts->subgroup_sizes |= probe->subgroup;
    }
}

/* A reason stays only where nothing was right. */
static void finish_reasons(struct clattn__prober *prober)
{
    clattn_device_facts *facts = &prober->device->facts;
    if (facts->lanes) {
        prober->lanes_reason[0] = '\0';
    } else if (!prober->lanes_reason[0]) {
        snprintf(prober->lanes_reason, CLATTN__FACT_BYTES,
                 "the device has no cl_intel_subgroups, and is no GPU of NVIDIA or AMD");
    }
    if (facts->engine) {
        prober->engine_reason[0] = '\0';
    } else if (!prober->engine_reason[0]) {
        snprintf(prober->engine_reason, CLATTN__FACT_BYTES, "%s",
                 facts->type & CL_DEVICE_TYPE_GPU
                     ? "no matrix instructions are known for this device"
                     : "no GPU");
    }
    facts->lanes_reason = prober->lanes_reason;
    facts->engine_reason = prober->engine_reason;
}

/* ---- In a process of its own -------------------------------------------------------- */

enum { LEADING_ARGUMENTS = 3 };

/* clattn-probe INDEX KERNEL_DIR NAME KEY NAME KEY ...: the device's place in the list, where
 * sources are ("": embedded), and what is to be tried.  A key says which program on which device
 * with which versions is meant: a clattn-probe of another version refuses. */
static void write_arguments(const struct clattn__prober *prober, const char *program,
                            char index[16], const struct clattn__answer *answers,
                            const char *argv[LEADING_ARGUMENTS + 2 * CLATTN__MAX_PROBES + 1])
{
    snprintf(index, 16, "%zu", clattn__device_index(prober->device->id));
    *argv++ = program;
    *argv++ = index;
    *argv++ = prober->programs->kernel_dir ? prober->programs->kernel_dir : "";
    for (; answers->probe; answers++) {
        if (answers->state == CLATTN__PENDING) {
            *argv++ = answers->probe->name;
            *argv++ = answers->key;
        }
    }
    *argv = NULL;
}

static struct clattn__answer *pending(struct clattn__answer *answers, const char *name)
{
    for (; answers->probe; answers++) {
        if (answers->state == CLATTN__PENDING && (!name || !strcmp(name, answers->probe->name))) {
            return answers;
        }
    }
    return NULL;
}

/* Takes the answers in a program's output; the probe it tried last and did not answer, or NULL. */
static struct clattn__answer *read_output(const struct clattn__prober *prober, char *output,
                                          struct clattn__answer *answers)
{
    struct clattn__answer *tried = NULL;
    for (char *line = output, *end; (end = strchr(line, '\n')); line = end + 1) {
        char word[16], name[64];
        int reason = 0;
        *end = '\0';
        struct clattn__answer *answer =
            sscanf(line, CLATTN__PROBE_SAYS " %15s %63s %n", word, name, &reason) == 2
                ? pending(answers, name)
                : NULL;
        if (answer && !strcmp(word, CLATTN__PROBE_TRIES)) {
            tried = answer;
        } else if (answer && answer == tried && clattn__answer_read(answer, word, line + reason)) {
            clattn__record_write(prober->programs, answer);
            tried = NULL;
        }
    }
    return tried;
}

static void blame(const struct clattn__child *child, struct clattn__answer *answer)
{
    static const char *const ends[] = {
        [CLATTN__EXITED] = "the driver ended the process (exit status %d)",
        [CLATTN__KILLED] = "the driver crashed (signal %d)",
        [CLATTN__SILENT] = "the driver gave no answer in time",
    };
    answer->state = CLATTN__WRONG;
    snprintf(answer->reason, sizeof answer->reason, ends[child->end], child->code);
}

/* Starts the program until it has tried everything: it goes on behind the one that ended it.  What
 * it did not try stays pending. */
static void ask_program(const struct clattn__prober *prober, int silence_ms,
                        struct clattn__answer *answers)
{
    const char *program = prober->probe_program ? prober->probe_program : CLATTN__PROBE_PROGRAM;
    struct clattn__answer *tried = answers;
    if (!clattn__child_possible(program)) {
        clattn__log(prober->device, "probe: '%s' is not there: this process tries", program);
        return;
    }
    while (tried && pending(answers, NULL)) {
        const char *argv[LEADING_ARGUMENTS + 2 * CLATTN__MAX_PROBES + 1];
        char index[16];
        struct clattn__child child;
        write_arguments(prober, program, index, answers, argv);
        clattn__child_run(argv, silence_ms, &child);
        tried = read_output(prober, child.output, answers);
        if (tried) {
            blame(&child, tried);
            clattn__record_write(prober->programs, tried);
        }
    }
    if (pending(answers, NULL)) {
        clattn__log(prober->device, "probe: '%s' did not try everything: this process does",
                    program);
    }
}

/* ---- In this process ------------------------------------------------------------------ */

static void try_here(struct clattn__programs *programs, struct clattn__answer *answer)
{
    clattn__mark_set(programs, answer);
    clattn__probe_run(programs, answer);
    clattn__record_write(programs, answer);
    clattn__mark_remove(programs, answer);
}

/* ---- All of them ----------------------------------------------------------------------- */

/* Ends with an answer without a probe. */
static void plausible_ones(struct clattn__prober *prober, const struct clattn__clues *clues,
                           struct clattn__answer answers[CLATTN__MAX_PROBES + 1])
{
    for (const struct clattn__probe *probe = clattn__probes; probe->name; probe++) {
        char reason[CLATTN__FACT_BYTES];
        switch (probe->plausible(probe, clues, reason)) {
        case CLATTN__ANOTHERS: break;
        case CLATTN__LACKING: refuse(prober, probe, reason); break;
        case CLATTN__WORTH_TRYING:
            if (clattn__answer_begin(prober->programs, probe, answers)) {
                clattn__record_read(prober->programs, answers++);
            } else {
                refuse(prober, probe, "its source is not in kernel_dir");
            }
            break;
        }
    }
    answers->probe = NULL;
}

void clattn__probe(struct clattn__prober *prober, const struct clattn__clues *clues, int silence_ms)
{
    struct clattn__answer answers[CLATTN__MAX_PROBES + 1];
    plausible_ones(prober, clues, answers);
    if (pending(answers, NULL)) {
        ask_program(prober, silence_ms, answers);
    }
    for (struct clattn__answer *answer; (answer = pending(answers, NULL));) {
        try_here(prober->programs, answer);
    }
    for (const struct clattn__answer *answer = answers; answer->probe; answer++) {
        if (answer->state == CLATTN__RIGHT) {
            believe(prober, answer->probe, answers);
        } else {
            refuse(prober, answer->probe, answer->reason);
        }
    }
    finish_reasons(prober);
}

void clattn__probe_device(struct clattn__prober *prober)
{
    struct clattn__clues clues;
    prober->device->facts.fp16 = clattn__advertises(prober->device->id, "cl_khr_fp16") &&
                                 clattn__half_works(prober->programs);
    clattn__clues(prober->device, &clues);
    clattn__probe(prober, &clues, CLATTN__PROBE_SILENCE_MS);
}
