/* clattn in a process of its own, for tests/peers: sleeps while peers run, and does what lines
 * on stdin say, each answered by one line, "ok" or "error" and fields after tabs.  SLOT is 0..7.
 *
 *   open SLOT KERNEL CASE...     KERNEL "-" = the best; ok, kernel, ms, flops, bytes
 *   load SLOT OPERAND FILE       the operand's bytes
 *   time SLOT SECONDS LEAST      at least LEAST runs; ok, best ms, runs
 *   save SLOT OPERAND FILE
 *   close SLOT
 *   ceilings SECONDS             ok, GFLOP/s, GB/s */
#include "bench/roofline.h"
#include "shared/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 8, WORDS = 3 };

typedef struct peer {
    session session;
    workload slots[SLOTS];
    bool open[SLOTS];
} peer;

typedef struct request {
    char words[WORDS][512];
    const char *rest; /* of the line, behind the words */
    workload *w;      /* of the slot, where the command names an open one */
    int slot;
} request;

/* ---- Commands --------------------------------------------------------------------------- */

static bool do_close(peer *p, const request *r, reason *why)
{
    (void)why;
    workload_close(r->w);
    p->open[r->slot] = false;
    puts("ok");
    return true;
}

static bool do_open(peer *p, const request *r, reason *why)
{
    struct test_case c;
    char problem[256];
    const char *kernel = strcmp(r->words[1], "-") ? r->words[1] : NULL;
    if (p->open[r->slot]) {
        workload_close(r->w);
        p->open[r->slot] = false;
    }
    if (!case_parse(r->rest, NULL, &c, problem, sizeof problem)) {
        return refuse(why, "%s", problem);
    }
    if (!workload_open(r->w, &p->session, &c, kernel, why)) {
        return false;
    }
    p->open[r->slot] = true;
    printf("ok\t%s\t%.6f\t%.17g\t%.17g\n", workload_kernel(r->w), r->w->create_ms, r->w->flops,
           r->w->bytes);
    return true;
}

/* Copies between an operand, mapped, and a file that holds exactly its bytes. */
static bool copy(peer *p, const request *r, bool load, reason *why)
{
    operand *o = workload_operand(r->w, r->words[1]);
    if (!o) {
        return refuse(why, "no operand '%s'", r->words[1]);
    }
    const size_t bytes = operand_bytes(o);
    FILE *file = fopen(r->words[2], load ? "rb" : "wb");
    if (!file) {
        return refuse(why, "cannot open %s", r->words[2]);
    }
    cl_int code;
    void *at =
        clEnqueueMapBuffer(p->session.queue, o->view.mem, CL_TRUE,
                           load ? CL_MAP_WRITE : CL_MAP_READ, 0, bytes, 0, NULL, NULL, &code);
    bool done =
        code == CL_SUCCESS && (load ? fread(at, 1, bytes, file) == bytes && fgetc(file) == EOF
                                    : fwrite(at, 1, bytes, file) == bytes);
    if (code == CL_SUCCESS) {
        clEnqueueUnmapMemObject(p->session.queue, o->view.mem, at, 0, NULL, NULL);
        done = clFinish(p->session.queue) == CL_SUCCESS && done;
    }
    done = fclose(file) == 0 && done;
    return done || refuse(why, "%s: not the %zu bytes of '%s'", r->words[2], bytes, o->name);
}

static bool do_load(peer *p, const request *r, reason *why)
{
    if (!copy(p, r, true, why) || !workload_make_op(r->w, &p->session, why)) {
        return false;
    }
    puts("ok");
    return true;
}

static bool do_save(peer *p, const request *r, reason *why)
{
    if (!copy(p, r, false, why)) {
        return false;
    }
    puts("ok");
    return true;
}

static bool do_time(peer *p, const request *r, reason *why)
{
    const double seconds = atof(r->words[1]);
    const int least = atoi(r->words[2]);
    const double end = now_ms() + seconds * 1e3;
    double best = 0;
    int runs = 0;
    for (; runs < least || now_ms() < end; runs++) {
        const double start = now_ms();
        if (workload_run(r->w, p->session.queue) != CLATTN_OK) {
            return refuse(why, "%s", clattn_error());
        }
        if (clFinish(p->session.queue) != CL_SUCCESS) {
            return refuse(why, "clFinish failed");
        }
        const double ms = now_ms() - start;
        best = runs == 0 || ms < best ? ms : best;
    }
    printf("ok\t%.6f\t%d\n", best, runs);
    return true;
}

static bool do_ceilings(peer *p, const request *r, reason *why)
{
    roofline ceilings = {0};
    if (!roofline_measure(&p->session, atof(r->words[0]), false, &ceilings, why)) {
        return false;
    }
    printf("ok\t%.3f\t%.3f\n", ceilings.gflops, ceilings.gbytes);
    return true;
}

/* ---- Reading ---------------------------------------------------------------------------- */

static const struct command {
    const char *name;
    int words;
    bool slot, open; /* its first word is a slot; an open one */
    bool (*run)(peer *p, const request *r, reason *why);
} commands[] = {
    {"open", 2, true, false, do_open},  {"load", 3, true, true, do_load},
    {"time", 3, true, true, do_time},   {"save", 3, true, true, do_save},
    {"close", 1, true, true, do_close}, {"ceilings", 1, false, false, do_ceilings},
};

static const char *next_word(const char *text, char *word, size_t bytes)
{
    text += strspn(text, " \t");
    const size_t length = strcspn(text, " \t\r\n");
    snprintf(word, bytes, "%.*s", (int)length, text);
    return text + length;
}

static bool obey(peer *p, const char *line, reason *why)
{
    char name[16];
    request r = {.rest = next_word(line, name, sizeof name)};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const struct command *c = &commands[i];
        if (strcmp(c->name, name) != 0) {
            continue;
        }
        for (int n = 0; n < c->words; n++) {
            r.rest = next_word(r.rest, r.words[n], sizeof r.words[n]);
        }
        r.slot = c->slot ? atoi(r.words[0]) : 0;
        if (r.slot < 0 || r.slot >= SLOTS || (c->open && !p->open[r.slot])) {
            return refuse(why, "%s: no such slot", name);
        }
        r.w = &p->slots[r.slot];
        return c->run(p, &r, why);
    }
    return refuse(why, "unknown command '%s'", name);
}

int main(int argc, char **argv)
{
    const common_options common = {.device = argc > 1 ? argv[1] : NULL};
    static peer p;
    cl_device_id device;
    if (!session_find(&common, &device) ||
        !session_open(&p.session, &common, device, argc > 2 ? argv[2] : NULL)) {
        return EXIT_FAILED;
    }
    printf("ok\t%s\t%s, %s\t%s\n", p.session.facts->name, p.session.facts->platform,
           p.session.facts->platform_version, p.session.facts->driver);
    fflush(stdout);
    char line[2048];
    reason why;
    while (fgets(line, sizeof line, stdin)) {
        if (!obey(&p, line, &why)) {
            printf("error\t%.*s\n", (int)strcspn(why.text, "\n"), why.text);
        }
        fflush(stdout);
    }
    for (int i = 0; i < SLOTS; i++) {
        if (p.open[i]) {
            workload_close(&p.slots[i]);
        }
    }
    session_close(&p.session);
    return EXIT_DONE;
}
