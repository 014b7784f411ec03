/* Probes: what a device is believed to have only after a small program of it was right. */
#ifndef CLATTN_PROBE_H
#define CLATTN_PROBE_H

#include "context_internal.h"

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

void clattn__clues(const clattn_context *context, struct clattn__clues *clues);

enum clattn__plausible {
    CLATTN__ANOTHERS, /* it belongs to devices of another kind */
    CLATTN__LACKING,  /* to this kind, but something is missing: the reason says what */
    CLATTN__WORTH_TRYING
};

/* One thing that a device may have: sub-groups of one size, or an engine. */
struct clattn__probe {
    const char *name; /* in messages, cache files and on a command line */
    clattn_lanes lanes;
    uint32_t subgroup;
    clattn_engine engine; /* CLATTN_ENGINE_NONE: it is about lanes */
    enum clattn__plausible (*plausible)(const struct clattn__probe *probe,
                                        const struct clattn__clues *clues,
                                        char reason[CLATTN__FACT_BYTES]);
    const char *file; /* its one kernel has the file's name */
    /* Launches the kernel and compares; false with what was wrong. */
    bool (*right)(clattn_context *context, const struct clattn__probe *probe, cl_kernel kernel,
                  char reason[CLATTN__FACT_BYTES]);
};

/* Until a name is NULL.  Of the engines the first that is right counts. */
extern const struct clattn__probe clattn__probes[];

bool clattn__lanes_right(clattn_context *context, const struct clattn__probe *probe,
                         cl_kernel kernel, char reason[CLATTN__FACT_BYTES]);

/* Compiles and runs one in this process; false with the reason. */
bool clattn__probe_run(clattn_context *context, const struct clattn__probe *probe,
                       char reason[CLATTN__FACT_BYTES]);

/* Completes context->facts by every probe that the clues make plausible. */
void clattn__probe(clattn_context *context, const struct clattn__clues *clues);

#endif /* CLATTN_PROBE_H */
