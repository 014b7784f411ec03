/* Probes: what a device is believed to have only after a small program of it was right. */
#ifndef CLATTN_PROBE_H
#define CLATTN_PROBE_H

#include "runtime/program.h"

enum { CLATTN__FACT_BYTES = 256 };

/* What makes a probe worth trying, asked of the driver. */
struct clattn__clues {
    cl_uint vendor_id;
    bool gpu;
    const char *name;
    bool intel_subgroups;  /* with a size that kernels may require */
    uint32_t intel_sizes;  /* of sub-groups, or'ed */
    bool intel_matrix;     /* cl_intel_subgroup_matrix_multiply_accumulate */
    cl_uint wavefront;     /* of AMD's driver; 0 = another's */
    cl_uint compute_major; /* of NVIDIA's driver: compute capability 8.x is 8; 0 = another's */
};

void clattn__clues(const struct clattn__device *device, struct clattn__clues *clues);

enum clattn__plausible {
    CLATTN__ANOTHERS, /* it belongs to devices of another kind */
    CLATTN__LACKING,  /* to this kind, but something is missing: the reason says what */
    CLATTN__WORTH_TRYING
};

struct clattn__answer;

/* One thing that a device may have: sub-groups of one size, an engine with one type, or what such
 * an engine keeps. */
struct clattn__probe {
    const char *name; /* in messages, cache files and on a command line */
    clattn_lanes lanes;
    uint32_t subgroup;
    clattn_engine engine; /* CLATTN_ENGINE_NONE: it is about lanes */
    clattn_type type;     /* an engine's operands; it is believed if it is right with each */
    int queries;          /* of all sub-groups' blocks: matrix/engine.h */
    bool subnormals;      /* whether a right engine keeps f16's, by the same program */
    bool pairs;           /* two sub-groups, which multiply together if the engine can */
    bool emulated;        /* for tests: an engine's layouts without its instructions */
    enum clattn__plausible (*plausible)(const struct clattn__probe *probe,
                                        const struct clattn__clues *clues,
                                        char reason[CLATTN__FACT_BYTES]);
    const char *file; /* its one kernel has the file's name */
    /* Launches the kernel and compares. */
    void (*answer)(struct clattn__programs *programs, cl_kernel kernel,
                   struct clattn__answer *answer);
};

/* Until a name is NULL.  Of the engines the first that is right counts. */
extern const struct clattn__probe clattn__probes[];
enum { CLATTN__MAX_PROBES = 32 };

/* What came of a probe. */
struct clattn__answer {
    const struct clattn__probe *probe;
    char key[65]; /* of its program, and of what is asked of it */
    enum {
        CLATTN__PENDING,
        CLATTN__RIGHT,
        CLATTN__WRONG,  /* it did not compile, computed something else, or ended its process */
        CLATTN__UNKNOWN /* it could not be tried, which says nothing about another time */
    } state;
    char reason[CLATTN__FACT_BYTES]; /* if it is not right */
};

void clattn__lanes_answer(struct clattn__programs *programs, cl_kernel kernel,
                          struct clattn__answer *answer);
void clattn__engine_answer(struct clattn__programs *programs, cl_kernel kernel,
                           struct clattn__answer *answer);

void clattn__subnormals_answer(struct clattn__programs *programs, cl_kernel kernel,
                               struct clattn__answer *answer);

/* Launches one work-group with one buffer, and reads it back; false with the answer. */
bool clattn__probe_launch(struct clattn__programs *programs, cl_kernel kernel, size_t items,
                          void *data, size_t bytes, struct clattn__answer *answer);

/* False if the probe's source is not there. */
bool clattn__answer_begin(const struct clattn__programs *programs,
                          const struct clattn__probe *probe, struct clattn__answer *answer);

/* Compiles and runs the probe in this process. */
void clattn__probe_run(struct clattn__programs *programs, struct clattn__answer *answer);

/* ---- In cache_dir ------------------------------------------------------------- */

/* Fills a pending answer from what was remembered.  A mark that an ended process left is an answer
 * too. */
void clattn__record_read(const struct clattn__programs *programs, struct clattn__answer *answer);
void clattn__record_write(const struct clattn__programs *programs,
                          const struct clattn__answer *answer);

/* A file that is there while this process tries the probe, and stays if that is its end. */
void clattn__mark_set(const struct clattn__programs *programs, const struct clattn__answer *answer);
void clattn__mark_remove(const struct clattn__programs *programs,
                         const struct clattn__answer *answer);

/* ---- All of them --------------------------------------------------------------- */

enum { CLATTN__PROBE_SILENCE_MS = 20000 };

/* Who completes a device's facts. */
struct clattn__prober {
    struct clattn__device *device;
    struct clattn__programs *programs; /* of that device */
    const char *probe_program;         /* NULL = where it is installed */
    char lanes_reason[CLATTN__FACT_BYTES], engine_reason[CLATTN__FACT_BYTES]; /* of the facts */
};

/* By every probe that the clues make plausible.  A clattn-probe that is silent for so long is
 * killed. */
void clattn__probe(struct clattn__prober *prober, const struct clattn__clues *clues,
                   int silence_ms);

/* By everything there is to try, with what the driver says for clues. */
void clattn__probe_device(struct clattn__prober *prober);

/* Whether half arithmetic is right, with rounding and range of its own. */
bool clattn__half_works(struct clattn__programs *programs);

/* What clattn-probe says, a line each, its name first: "clattn-probe wrong nv_lanes REASON". */
#define CLATTN__PROBE_SAYS "clattn-probe"
#define CLATTN__PROBE_TRIES "try" /* before; then it answers, or has ended */
const char *clattn__answer_word(const struct clattn__answer *answer);
/* False if it is none. */
bool clattn__answer_read(struct clattn__answer *answer, const char *word, const char *reason);

#endif /* CLATTN_PROBE_H */
