#include "coverage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS = 32, NAME = 24, VALUE = 12, LINE = 400, FILES = 64, TRIES = 6 };

/* What a program is compiled for, parameters of its kernel left out. */
typedef struct option {
    char name[NAME], value[VALUE];
} option;

typedef struct program {
    struct program *next;
    char file[48]; /* "attention/tiled" */
    char text[640];
    char line[LINE]; /* the first case that had it */
    option options[OPTIONS];
    int count;
    bool found; /* by the search: no case has it */
} program;

struct coverage {
    program *first, *last;
    char line[LINE];
    bool searching;
};

/* ---- Values -------------------------------------------------------------------------------- */

/* Sizes, and types of which one replaces another, count by what a kernel makes of them. */
static const char *dimension(long n) { return n >= 200 ? "large" : n % 16 == 0 ? "16n" : "other"; }
static const char *columns(long n) { return n % 16 == 0 ? "16n" : "other"; }
static const char *many(long n) { return n == 1 ? "1" : "more"; }
static const char *page(long n)
{
    return n == 0 ? "none" : n > 1 && !(n & (n - 1)) ? "2^n" : "other";
}
static const char *any(long n) { return n < 0 ? "-" : "any"; }
static const char *narrow(long n) { return n == 0 ? "f32" : n <= 2 ? "narrow" : "blocks"; }

static const struct {
    const char *name;
    const char *(*of)(long n);
} kinds[] = {{"HEAD_DIM", dimension}, {"VALUE_DIM", columns}, {"ROTARY_DIM", columns},
             {"GROUP", many},         {"PAGE_ROWS", page},    {"K", many},
             {"QUERY_HEADS", any},    {"BIAS_TYPE", narrow},  {"WEIGHT_TYPE", narrow},
             {"TABLE_TYPE", narrow},  {"Q_TYPE", narrow},     {"K_TYPE", narrow}};

static const char *kind_of(const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!strcmp(kinds[i].name, name)) {
            return kinds[i].of(strtol(value, NULL, 10));
        }
    }
    return value;
}

static const char *value_of(const program *p, const char *name)
{
    for (int i = 0; i < p->count; i++) {
        if (!strcmp(p->options[i].name, name)) {
            return p->options[i].value;
        }
    }
    return NULL;
}

/* Keys are stored as the queries are, in bytes, or narrower. */
static void relate_keys(program *p)
{
    const char *type = value_of(p, "TYPE");
    for (int i = 0; type && i < p->count; i++) {
        option *o = &p->options[i];
        if (!strcmp(o->name, "KV_TYPE")) {
            const char *kind = !strcmp(o->value, type)  ? "same"
                               : !strcmp(o->value, "5") ? "i8"
                                                        : "narrow";
            snprintf(o->value, sizeof o->value, "%s", kind);
        }
    }
}

/* ---- Programs ------------------------------------------------------------------------------- */

coverage *coverage_new(void) { return calloc(1, sizeof(coverage)); }

void coverage_free(coverage *c)
{
    for (program *p = c ? c->first : NULL, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    free(c);
}

void coverage_case(coverage *c, const char *line)
{
    snprintf(c->line, sizeof c->line, "%.*s", LINE - 1, line);
}

static void read_options(program *p)
{
    const char *end = p->text + strcspn(p->text, ";"), *at = p->text;
    for (; p->count < OPTIONS && (at = strstr(at, " -D")) && at < end; at += 3) {
        option *o = &p->options[p->count];
        char value[VALUE];
        if (sscanf(at, " -D%23[A-Z_0-9]=%11[^ ;]", o->name, value) == 2) {
            snprintf(o->value, sizeof o->value, "%s", kind_of(o->name, value));
            p->count++;
        }
    }
    relate_keys(p);
}

/* "program attention/tiled.cl: OPTIONS;PARAMETERS" */
void coverage_log(void *user, const char *text)
{
    coverage *c = user;
    char file[48], options[640];
    if (sscanf(text, "program %47[^.].cl: %639[^\n]", file, options) != 2) {
        return;
    }
    for (const program *p = c->first; p; p = p->next) {
        if (!strcmp(p->file, file) && !strcmp(p->text, options)) {
            return;
        }
    }
    program *p = calloc(1, sizeof *p);
    if (!p) {
        return;
    }
    snprintf(p->file, sizeof p->file, "%s", file);
    snprintf(p->text, sizeof p->text, "%s", options);
    snprintf(p->line, sizeof p->line, "%s", c->line);
    p->found = c->searching;
    read_options(p);
    *(c->last ? &c->last->next : &c->first) = p;
    c->last = p;
}

/* ---- Pairs ---------------------------------------------------------------------------------- */

typedef struct pair {
    const char *file, *a, *x, *b, *y; /* option a with value x, b with y */
} pair;

static bool has(const program *p, const char *name, const char *value)
{
    const char *own = value_of(p, name);
    return own && !strcmp(own, value);
}

static const program *program_with(const coverage *c, const pair *want, bool found)
{
    for (const program *p = c->first; p; p = p->next) {
        if (p->found <= found && !strcmp(p->file, want->file) && has(p, want->a, want->x) &&
            has(p, want->b, want->y)) {
            return p;
        }
    }
    return NULL;
}

/* Whether it is the first program of its file with that value. */
static bool is_new(const coverage *c, const program *p, const option *o)
{
    for (const program *q = c->first; q != p; q = q->next) {
        if (!strcmp(q->file, p->file) && has(q, o->name, o->value)) {
            return false;
        }
    }
    return true;
}

/* Calls visit with every two values of two options that any programs of the file have. */
static void each_pair(const coverage *c, const char *file,
                      void (*visit)(void *user, const pair *pair), void *user)
{
    for (const program *p = c->first; p; p = p->next) {
        for (int i = 0; i < p->count && !p->found && !strcmp(p->file, file); i++) {
            for (const program *q = c->first; q && is_new(c, p, &p->options[i]); q = q->next) {
                for (int j = 0; j < q->count && !q->found && !strcmp(q->file, file); j++) {
                    const option *a = &p->options[i], *b = &q->options[j];
                    if (strcmp(a->name, b->name) < 0 && is_new(c, q, b)) {
                        visit(user, &(pair){file, a->name, a->value, b->name, b->value});
                    }
                }
            }
        }
    }
}

static int list_files(const coverage *c, const char *files[FILES])
{
    int count = 0;
    for (const program *p = c->first; p; p = p->next) {
        int i = 0;
        while (i < count && strcmp(files[i], p->file)) {
            i++;
        }
        if (i == count && count < FILES) {
            files[count++] = p->file;
        }
    }
    return count;
}

/* ---- Search --------------------------------------------------------------------------------- */

struct search {
    coverage *c;
    void (*try)(void *user, const char *line, const char *kernel);
    void *user;
};

/* The options of b before those of a, which then count; the op is a's. */
static void join(const char *a, const char *b, char line[2 * LINE])
{
    const int name = (int)strcspn(a, " ");
    snprintf(line, 2 * LINE, "%.*s%s%s", name, a, b + strcspn(b, " "), a + name);
}

static void search_pair(void *user, const pair *want)
{
    const struct search *s = user;
    char line[2 * LINE];
    int tries = 0;
    for (const program *p = s->c->first; p; p = p->next) {
        if (p->found || strcmp(p->file, want->file) || !has(p, want->a, want->x)) {
            continue;
        }
        for (const program *q = s->c->first; q && tries < TRIES; q = q->next) {
            if (q->found || strcmp(q->file, want->file) || !has(q, want->b, want->y)) {
                continue;
            }
            for (int turn = 0; turn < 2; turn++, tries++) {
                if (program_with(s->c, want, true)) {
                    return;
                }
                join(turn ? p->line : q->line, turn ? q->line : p->line, line);
                coverage_case(s->c, line);
                s->try(s->user, line, want->file);
            }
        }
    }
}

void coverage_search(coverage *c, void (*try)(void *user, const char *line, const char *kernel),
                     void *user)
{
    struct search s = {c, try, user};
    const char *files[FILES];
    const int count = list_files(c, files);
    c->searching = true;
    for (int i = 0; i < count; i++) {
        each_pair(c, files[i], search_pair, &s);
    }
    c->searching = false;
}

/* ---- Telling -------------------------------------------------------------------------------- */

struct tally {
    const coverage *c;
    int all, covered, fit;
};

static void count_pair(void *user, const pair *want)
{
    struct tally *t = user;
    t->all++;
    t->covered += program_with(t->c, want, false) != NULL;
    t->fit += program_with(t->c, want, true) != NULL;
}

static void tell_pair(void *user, const pair *want)
{
    const struct tally *t = user;
    const program *p = program_with(t->c, want, true);
    if (p && !program_with(t->c, want, false)) {
        printf("%s: no case has %s=%s with %s=%s, as this has: %s\n", want->file, want->a, want->x,
               want->b, want->y, p->line);
    }
}

bool coverage_print(const coverage *c)
{
    const char *files[FILES];
    const int count = list_files(c, files);
    bool whole = true;
    printf("%-30s %8s %8s %8s\n", "kernel", "programs", "pairs", "covered");
    for (int i = 0; i < count; i++) {
        struct tally t = {.c = c};
        int programs = 0;
        for (const program *p = c->first; p; p = p->next) {
            programs += !p->found && !strcmp(p->file, files[i]);
        }
        each_pair(c, files[i], count_pair, &t);
        printf("%-30s %8d %8d %8d\n", files[i], programs, t.fit, t.covered);
        whole = whole && t.covered == t.fit && programs <= COVERAGE_MOST;
        if (programs > COVERAGE_MOST) {
            printf("%s: more than %d programs\n", files[i], COVERAGE_MOST);
        }
        each_pair(c, files[i], tell_pair, &t);
    }
    return whole;
}
