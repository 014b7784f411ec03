/* Cases for the sets of parameters that kernels can be compiled with. */
#include "check.h"
#include "rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 1024, PARAMS_BYTES = sizeof((struct test_case *)0)->params, MOST_CASES = 16 };

int check_params_distance(const char *a, const char *b)
{
    int differ = 0;
    while (*a || *b) {
        const size_t la = strcspn(a, " "), lb = strcspn(b, " ");
        differ += la != lb || strncmp(a, b, la) != 0;
        a += la + (a[la] == ' ');
        b += lb + (b[lb] == ' ');
    }
    return differ;
}

/* ---- Sets of one kernel --------------------------------------------------------------------- */

struct sets {
    char (*text)[PARAMS_BYTES];
    char built_in[PARAMS_BYTES];
    size_t count;
    bool failed;
};

static void add_set(void *user, const clattn_candidate *candidate)
{
    struct sets *sets = user;
    char(*longer)[PARAMS_BYTES] = realloc(sets->text, (sets->count + 1) * sizeof *longer);
    if (!longer) {
        sets->failed = true;
        return;
    }
    sets->text = longer;
    snprintf(longer[sets->count++], PARAMS_BYTES, "%s", candidate->params);
    if (candidate->built_in) {
        snprintf(sets->built_in, PARAMS_BYTES, "%s", candidate->params);
    }
}

static void swap(char *a, char *b)
{
    char other[PARAMS_BYTES];
    memcpy(other, a, sizeof other);
    memmove(a, b, sizeof other);
    memcpy(b, other, sizeof other);
}

/* Puts those to be tried where only some are: without the built-in one, which other cases try, and
 * those that differ from it in one value first; each of both kinds in random order. */
static void pick(struct sets *sets, size_t limit, uint64_t seed)
{
    struct rng rng = {seed};
    size_t kept = 0, near = 0;
    for (size_t i = 0; i < sets->count; i++) {
        if (strcmp(sets->text[i], sets->built_in)) {
            memmove(sets->text[kept++], sets->text[i], PARAMS_BYTES);
        }
    }
    for (size_t i = kept; i > 1; i--) {
        swap(sets->text[i - 1], sets->text[rng_below(&rng, (int64_t)i)]);
    }
    for (size_t i = 0; i < kept; i++) {
        if (check_params_distance(sets->text[i], sets->built_in) == 1) {
            swap(sets->text[i], sets->text[near++]);
        }
    }
    sets->count = kept < limit ? kept : limit;
}

/* ---- Lines ------------------------------------------------------------------------------------
 */

struct lines {
    const struct check *check;
    const char *text[MOST_CASES]; /* cases of the op in the file */
    int count;
    int32_t limit;
    uint64_t seed;
    bool (*visit)(void *user, const char *line);
    void *user;
    bool failed;
};

static void read_cases(struct lines *lines, const char *op)
{
    const char *file = check_cases("params");
    for (; *file && lines->count < MOST_CASES; file += strcspn(file, "\n") + 1) {
        if (!strncmp(file, op, strlen(op)) && file[strlen(op)] == ' ') {
            lines->text[lines->count++] = file;
        }
    }
}

static struct sets sets_of(const struct lines *lines, const char *text, const char *kernel)
{
    struct sets sets = {NULL, "", 0, false};
    struct test_case c;
    char line[LINE_BYTES], why[200];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\n"), text);
    sets.failed = !case_parse(line, NULL, &c, why, sizeof why);
    if (!sets.failed) {
        check_candidates(lines->check, &c, kernel, add_set, &sets);
    }
    return sets;
}

static bool visit(const struct lines *lines, const char *text, const char *kernel,
                  const char *params)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "%.*s --kernel %s --params '%s'", (int)strcspn(text, "\n"), text,
             kernel, params);
    return lines->visit(lines->user, line);
}

/* Each of a few sets on one case, another one each time. */
static bool some(const struct lines *lines, const char *kernel)
{
    struct sets sets = sets_of(lines, lines->text[0], kernel);
    bool well = !sets.failed;
    pick(&sets, (size_t)lines->limit, lines->seed);
    for (size_t i = 0; well && i < sets.count; i++) {
        const char *text = lines->text[(i + lines->seed) % (uint64_t)lines->count];
        well = visit(lines, text, kernel, sets.text[i]);
    }
    free(sets.text);
    return well;
}

/* Every set on every case; a kernel without parameters is no matter here. */
static bool all(const struct lines *lines, const char *kernel)
{
    bool well = true;
    for (int n = 0; well && n < lines->count; n++) {
        struct sets sets = sets_of(lines, lines->text[n], kernel);
        well = !sets.failed;
        for (size_t i = 0; well && i < sets.count && sets.built_in[0]; i++) {
            well = visit(lines, lines->text[n], kernel, sets.text[i]);
        }
        free(sets.text);
    }
    return well;
}

static void of_kernel(void *user, const char *kernel)
{
    struct lines *lines = user;
    if (!lines->failed) {
        lines->failed = !(lines->limit ? some : all)(lines, kernel);
    }
}

bool check_params_lines(const struct check *check, const char *op, int32_t limit, uint64_t seed,
                        bool (*visit_line)(void *user, const char *line), void *user)
{
    struct lines lines = {
        .check = check, .limit = limit, .seed = seed, .visit = visit_line, .user = user};
    struct test_case c = {.head_dim = 1, .heads = 1, .in_dim = 1, .out_dim = 1};
    snprintf(c.op, sizeof c.op, "%s", op);
    read_cases(&lines, op);
    if (lines.count > 0) {
        check_variants(check, &c, of_kernel, &lines);
    }
    return !lines.failed;
}
