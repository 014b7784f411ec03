/* Which programs the library would compile on a GPU that is not here.
 *
 *   programs TARGET FOLDER [KERNEL] < CASES
 *
 * Every kernel that fits each case (tests/check/case.h), or KERNEL alone, is made and run on a
 * pretended device (driver.h); for the line "probe", what is tried before the device is believed to
 * have sub-groups and an engine.  A line for each program, words apart by tabs:
 *
 *   program CASE KERNEL FUNCTION LOCAL OPTIONS FILE    FILE in FOLDER holds its source
 *   made CASE KERNEL LABEL                             of those before it; the label is for people
 *   refused CASE KERNEL REASON                         the kernel does not fit */
#include "check/check.h"
#include "targets.h"

#include "ops/families.h"
#include "registry/context.h"
#include "registry/variant.h"

#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 1024 };

static const char *folder;
static char now[LINE_BYTES]; /* the case, a tab, the kernel; "" = none */
static int files;

static void write_program(const char *source, const char *options, const char *function,
                          const size_t local[3])
{
    char path[4096];
    if (!now[0]) {
        return;
    }
    snprintf(path, sizeof path, "%s/%d.cl", folder, files++);
    FILE *file = fopen(path, "w");
    if (!file || fputs(source, file) < 0 || fclose(file) != 0) {
        fprintf(stderr, "programs: could not write '%s'\n", path);
        return;
    }
    printf("program\t%s\t%s\t%zu,%zu,%zu\t%s\t%s\n", now, function, local[0], local[1], local[2],
           options, path);
}

/* Its kernels are the library's concern. */
static bool computed_by_library(const char *kernel)
{
    for (const struct clattn__family *const *f = clattn__families; *f; f++) {
        for (const struct clattn__variant *v = (*f)->variants; v->name; v++) {
            if (v->library && !strcmp(v->name, kernel)) {
                return true;
            }
        }
    }
    return false;
}

struct asked {
    struct check check;
    struct test_case c;
    const char *line, *kernel; /* kernel NULL = all */
    int kernels;               /* that the line is about */
};

static void visit(void *user, const char *kernel)
{
    struct asked *asked = user;
    const char *own = asked->c.kernel;
    struct check_result result;
    if (computed_by_library(kernel) || (own[0] && strcmp(own, kernel))) {
        return;
    }
    asked->kernels++;
    if (asked->kernel && strcmp(asked->kernel, kernel)) {
        return;
    }
    snprintf(now, sizeof now, "%s\t%s", asked->line, kernel);
    check_run(&asked->check, &asked->c, kernel, &result);
    if (result.outcome == CHECK_SKIPPED) {
        printf("refused\t%s\t%s\n", now, result.why);
    } else {
        printf("made\t%s\t%s\n", now, result.kernel);
    }
    now[0] = '\0';
}

/* Those whose answers would make the facts what they are; what an engine keeps is asked of its own
 * program. */
static void run_probes(const struct asked *asked)
{
    clattn_context *context = asked->check.context;
    const clattn_device_facts *facts = &context->device.facts;
    for (const struct clattn__probe *p = clattn__probes; p->name; p++) {
        struct clattn__answer answer;
        if (p->lanes == facts->lanes && p->subgroup & facts->subgroup_sizes &&
            (!p->engine || p->engine == facts->engine) && !p->subnormals && !asked->kernel &&
            clattn__answer_begin(&context->programs, p, &answer)) {
            snprintf(now, sizeof now, "probe\t%s", p->file);
            clattn__probe_run(&context->programs, &answer);
            printf("made\t%s\t%s\n", now, p->name);
            now[0] = '\0';
        }
    }
}

static bool read_cases(struct asked *asked)
{
    char line[LINE_BYTES / 2], why[200];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (!line[0] || line[0] == '#') {
            continue;
        }
        if (!strcmp(line, "probe")) {
            run_probes(asked);
            continue;
        }
        if (!case_parse(line, NULL, &asked->c, why, sizeof why)) {
            fprintf(stderr, "programs: '%s': %s\n", line, why);
            return false;
        }
        asked->line = line;
        asked->kernels = 0;
        check_variants(&asked->check, &asked->c, visit, asked);
        if (!asked->kernels) {
            fprintf(stderr, "programs: '%s' is about no kernel\n", line);
            return false;
        }
    }
    return true;
}

/* Instead of what the probes found: nothing was computed for them. */
static void add_probed(clattn_device_facts *facts, const clattn_device_facts *probed)
{
    facts->fp16 = probed->fp16;
    facts->lanes = probed->lanes;
    facts->subgroup_sizes = probed->subgroup_sizes;
    facts->engine = probed->engine;
    facts->engine_subnormals = probed->engine_subnormals;
    facts->lanes_reason = facts->engine_reason = "";
}

int main(int argc, char **argv)
{
    const struct offline_target *target = offline_targets;
    while (target->name && (argc < 3 || strcmp(target->name, argv[1]))) {
        target++;
    }
    if (!target->name) {
        fprintf(stderr, "usage: programs TARGET FOLDER [KERNEL] < CASES\n");
        return 2;
    }
    struct asked asked = {.kernel = argc > 3 ? argv[3] : NULL};
    folder = argv[2];
    offline_pretend(&target->device, write_program);
    clattn_context *context;
    if (clattn_context_create(NULL, &context) != CLATTN_OK) {
        fprintf(stderr, "programs: %s\n", clattn_error());
        return 1;
    }
    add_probed(&context->device.facts, &target->probed);
    asked.check.context = context;
    asked.check.queue = context->device.queue;
    const bool read = read_cases(&asked);
    clattn_context_destroy(context);
    return read ? 0 : 1;
}
