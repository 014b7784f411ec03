/* The registry: what a row of it says, and what can be told from a row alone. */
#ifndef CLATTN_VARIANT_H
#define CLATTN_VARIANT_H

#include <clattn/context.h>

enum {
    CLATTN__MAX_PARAMS = 7,
    CLATTN__MAX_CHOICES = 8,
    CLATTN__REASON_BYTES = 200,
    CLATTN__LABEL_BYTES = 160,
    CLATTN__CLASS_BYTES = 96,
    CLATTN__PARAMS_BYTES = 160
};

/* A number given to the kernel as -DNAME=value. */
struct clattn__param {
    const char *name;
    int value;                        /* default */
    int choices[CLATTN__MAX_CHOICES]; /* what tuning may try, the default among them, until 0; none
                                       * = the device decides */
};

/* Rows are ordered best first; the last, the plain one, always fits. */
struct clattn__variant {
    const char *name; /* "attention/tiled": kernel attention_tiled in attention/tiled.cl */
    bool library;     /* computed by a library instead: no .cl file */
    bool few_rows;    /* for calls with few rows: taken beside a variant for many, or when forced */
    bool forced_only; /* for tests: taken, and reported, only when named */
    const char *file; /* where the kernel stands if name is not its own; NULL = name */
    const void *own;  /* for build of its family */
    /* Whether it serves the descriptor on this device with these parameters, which may be any of
     * their choices; writes its reason for refusing. */
    bool (*fits)(const clattn_device_facts *facts, const void *desc, const int *params,
                 char reason[CLATTN__REASON_BYTES]);
    /* Asked where fits, or none, has not refused: what using it in this context has shown. */
    bool (*trusted)(clattn_context *context, const void *desc, char reason[CLATTN__REASON_BYTES]);
    struct clattn__param params[CLATTN__MAX_PARAMS]; /* until a name is NULL */
    /* Replaces defaults by what suits the device; NULL = they suit every device. */
    void (*adapt)(const clattn_device_facts *facts, const void *desc, int *params);
    /* Options of the compiler beside macros; NULL = none. */
    const char *(*flags)(const int *params);
    /* Work-items for an extent of {rows, heads or columns, batch}. */
    void (*geometry)(const int *params, const int64_t extent[3], size_t global[3], size_t local[3]);
};

struct clattn__family {
    const char *op;                         /* "attention" */
    const struct clattn__variant *variants; /* until a name is NULL */
    size_t op_bytes;                        /* of the struct that begins with a clattn_op */
    /* "attention/tiled f32 d64": everything the variant is compiled for but its parameters.  NULL:
     * build writes it, and nothing is tuned. */
    void (*label)(const struct clattn__variant *variant, const void *desc,
                  char text[CLATTN__LABEL_BYTES]);
    /* "project f16 in>=1024 out>=1024": the class of which what was measured for one counts for
     * all, which kernel is best.  NULL: that is no matter of measuring. */
    void (*shape_class)(const void *desc, char text[CLATTN__CLASS_BYTES]);
    clattn_status (*build)(clattn_op *op, const void *desc); /* compiles what op->variant needs */
    void (*release)(clattn_op *op); /* of what build made, also when it failed midway */
    /* Calls visit for each descriptor that clattn_context_warm should build; stops when it fails.
     */
    void (*usual)(void (*visit)(void *user, const void *desc), void *user);
    const void *own; /* for build, what ops of one kind do not share: ops/common/simple.h */
};

/* Refuses a name that no variant has; NULL is none. */
clattn_status clattn__check_kernel_name(const struct clattn__family *family, const char *kernel);

/* fits of the kernels for CPU devices: float vectors of 4, 8 or 16. */
bool clattn__fits_wide(const clattn_device_facts *facts, const void *desc, const int *params,
                       char reason[CLATTN__REASON_BYTES]);

/* Whether the device has work-groups of so many work-items with so much local memory. */
bool clattn__fits_group(const clattn_device_facts *facts, size_t items, size_t local_bytes,
                        char reason[CLATTN__REASON_BYTES]);

/* Whether a register tile of so many broadcast values times so many vectors stays in registers. */
bool clattn__fits_registers(const clattn_device_facts *facts, int values, int vectors,
                            char reason[CLATTN__REASON_BYTES]);

/* geometry: one work-item, a work-group of its own, for each cell of the extent. */
void clattn__cells(const int *params, const int64_t extent[3], size_t global[3], size_t local[3]);

/* The n-th variant in the order in which they are tried: the table's, but the chosen one, which may
 * be NULL, comes first.  Its name is NULL at the end. */
const struct clattn__variant *clattn__variant_at(const struct clattn__family *family,
                                                 const struct clattn__variant *chosen, size_t n);

/* "attention/tiled": its file without ".cl", and with "_" for "/" its kernel function. */
const char *clattn__variant_file(const struct clattn__variant *variant);

/* Whether text names the variant: "attention/tiled" or "tiled". */
bool clattn__names_variant(const char *text, const struct clattn__variant *variant);

/* value of the named parameter of a variant */
int clattn__param(const struct clattn__variant *variant, const int *params, const char *name);

#endif /* CLATTN_VARIANT_H */
