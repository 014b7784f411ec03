#include "plan.h"

#include "check/check.h"

#include <stdlib.h>
#include <string.h>

/* A case in a file.  Kinds are what the comments of ci.txt set apart. */
typedef struct found {
    const char *text;
    size_t length;
    int round; /* the how manieth of its kind, from 0 */
} found;

typedef struct tier {
    found *cases;
    int count;
} tier;

static bool is_of_op(const char *text, const char *op)
{
    return !op || (!strncmp(text, op, strlen(op)) && strchr(" \t", text[strlen(op)]));
}

static bool add(tier *t, const found *one)
{
    found *grown = realloc(t->cases, (size_t)(t->count + 1) * sizeof *grown);
    if (grown) {
        t->cases = grown;
        t->cases[t->count++] = *one;
    }
    return grown;
}

/* False without memory. */
static bool read_tier(tier *t, const char *name, const char *op)
{
    bool done = true;
    int round = 0;
    const char *before = "";
    for (const char *line = check_cases(name), *next; done && *line; line = next) {
        const size_t length = strcspn(line, "\n"), word = strcspn(line, " \t\n");
        next = line + length + (line[length] == '\n');
        if (line[0] == '#') {
            before = "";
        } else if (line[strspn(line, " \t\r")] != '\n' && is_of_op(line, op)) {
            round = strncmp(before, line, word + 1) ? 0 : round + 1;
            before = line;
            done = add(t, &(found){line, length, round});
        }
    }
    return done;
}

/* A copy of its own; without memory *done becomes false. */
static check_job *add_job(check_plan *plan, const found *one, check_kernels kernels, bool needed,
                          bool *done)
{
    check_job *job = &plan->jobs[plan->count];
    *job = (check_job){.text = malloc(one->length + 1), .kernels = kernels, .needed = needed};
    if (!job->text) {
        *done = false;
        return job;
    }
    memcpy(job->text, one->text, one->length);
    job->text[one->length] = '\0';
    plan->count++;
    return job;
}

static bool plan_all(check_plan *plan, const tier *t, bool needed)
{
    bool done = true;
    for (int i = 0; i < t->count && done; i++) {
        add_job(plan, &t->cases[i], KERNELS_ALL, needed, &done);
    }
    return done;
}

/* The cases of one round; *more: there are later ones. */
static bool plan_round(check_plan *plan, const tier *t, int round, bool needed, bool *more)
{
    bool done = true;
    *more = false;
    for (int i = 0; i < t->count && done; i++) {
        *more = *more || t->cases[i].round > round;
        if (t->cases[i].round == round) {
            add_job(plan, &t->cases[i], KERNELS_ALL, needed, &done);
        }
    }
    return done;
}

static bool plan_full(check_plan *plan, const tier *ci, const tier *large)
{
    bool more, done = plan_round(plan, ci, 0, true, &more), named = false;
    check_job *first = &plan->jobs[plan->count];
    for (int i = 0; i < large->count && done; i++) {
        check_job *job = add_job(plan, &large->cases[i], KERNELS_CHOSEN, true, &done);
        const bool names_kernel = done && strstr(job->text, "--kernel");
        job->needed = !names_kernel || !named; /* those that name one are of one kind */
        named = named || names_kernel;
    }
    for (int round = 1; more && done; round++) {
        done = plan_round(plan, ci, round, false, &more);
    }
    for (int i = 0; i < large->count && done; i++) {
        if (strstr(first[i].text, "--kernel")) {
            continue; /* it is chosen: there are no others */
        }
        first[i].others = add_job(plan, &large->cases[i], KERNELS_OTHERS, false, &done);
    }
    return done;
}

bool check_plan_make(check_plan *plan, bool smoke, bool full, const char *op)
{
    tier tiers[3] = {{NULL, 0}};
    *plan = (check_plan){0};
    bool done = read_tier(&tiers[0], "smoke", op) && (smoke || read_tier(&tiers[1], "ci", op)) &&
                (!full || read_tier(&tiers[2], "full", op));
    if (done) {
        const int most = tiers[0].count + tiers[1].count + 2 * tiers[2].count;
        plan->jobs = calloc((size_t)most + 1, sizeof *plan->jobs);
        done = plan->jobs && plan_all(plan, &tiers[0], true) &&
               (full ? plan_full(plan, &tiers[1], &tiers[2]) : plan_all(plan, &tiers[1], true));
    }
    for (int i = 0; i < 3; i++) {
        free(tiers[i].cases);
    }
    return done;
}

void check_plan_free(check_plan *plan)
{
    for (int i = 0; i < plan->count; i++) {
        free(plan->jobs[i].text);
    }
    free(plan->jobs);
}
