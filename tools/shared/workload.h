/* A case (tests/check/case.h) made ready to be run again and again: its op, its operands in
 * device buffers, and what it costs at least.  For bench and for tests/peers. */
#ifndef TOOLS_WORKLOAD_H
#define TOOLS_WORKLOAD_H

#include "check/case.h"
#include "check/trial.h"
#include "message.h"
#include "session.h"

enum { WORKLOAD_OPERANDS = 20 };

typedef enum operand_fill {
    FILL_OUTPUT,  /* not written */
    FILL_NORMAL,  /* normally distributed, divided by the root of divide */
    FILL_MASK,    /* three of four visible */
    FILL_SLOPES,  /* ALiBi's powers of two */
    FILL_NUMBERS, /* from a list in the case, by batch entry */
    FILL_BELOW,   /* whole numbers below divide */
    FILL_COUNT    /* 0, divide, 2 * divide, .. */
} operand_fill;

typedef struct operand {
    const char *name; /* "q"; NULL ends the list */
    bool present;
    operand_fill fill;
    clattn_type type;
    int64_t size[4];
    int64_t divide;      /* FILL_NORMAL: 0 or 1 = nothing */
    double touched;      /* bytes that a run reads and writes; 0 = its size, once */
    const char *numbers; /* FILL_NUMBERS */
    clattn_tensor view;
} operand;

typedef struct workload workload;

/* What differs between operations; workload_kinds in workload.c holds them. */
typedef struct workload_kind {
    const char *name;
    /* Fills operands, flops and bytes. */
    bool (*describe)(workload *w, reason *why);
    clattn_status (*create)(workload *w, clattn_context *context, const char *kernel);
    /* Puts the operands' views and the scratch into args. */
    void (*bind)(workload *w);
    size_t (*scratch)(const workload *w); /* NULL = none */
    clattn_status (*run)(const workload *w, cl_command_queue queue);
    /* The kernel that run takes, as clattn_op_kernel. */
    const char *(*kernel)(const workload *w); /* NULL = as the op says */
    /* As clattn_*_candidates; NULL = what it is made of is tuned by itself. */
    clattn_status (*candidates)(const workload *w, clattn_context *context, const char *kernel,
                                clattn_candidate_report *report, void *user);
    /* As clattn_*_variants; NULL = which kernel serves is not chosen by measuring. */
    clattn_status (*variants)(const workload *w, clattn_context *context,
                              clattn_variant_report *report, void *user);
} workload_kind;

struct workload {
    struct test_case c;
    const workload_kind *kind;
    operand operands[WORKLOAD_OPERANDS];
    union { /* by kind */
        clattn_attention_args attention;
        clattn_project_args project;
        clattn_mha_args mha;
        struct trial trial; /* of the ops that check describes for us */
        clattn_classic_args classic;
    } args;
    clattn_op *op;
    cl_mem scratch;
    double create_ms;
    double flops; /* of visible query-key pairs and of projections */
    double bytes; /* every operand read or written once */
};

/* The kinds there are. */
extern const workload_kind attention_kind, project_kind, mha_kind, additive_kind, luong_kind,
    trial_workload_kind;

/* kernel: a variant's name instead of the case's own; NULL = that, or the best that fits.  False
 * with the reason if the device has no room or no kernel for it; nothing is left to close then. */
bool workload_open(workload *w, const session *s, const struct test_case *c, const char *kernel,
                   reason *why);
void workload_close(workload *w);

/* Anew, after an operand was overwritten: an op may keep a copy of constant weights. */
bool workload_make_op(workload *w, const session *s, reason *why);

/* A second op on the same operands, of the kernel and the parameters given; to be closed as well.
 * False with the reason. */
bool workload_twin(workload *twin, const workload *w, const session *s, const char *kernel,
                   const char *params, reason *why);

/* Of a case whose op shall only be asked about, or kept: it has no operands.  False if the
 * operation is none. */
bool workload_describe(workload *w, const struct test_case *c, reason *why);

/* The operand of that name, or NULL if the case has none. */
operand *workload_operand(workload *w, const char *name);
size_t operand_bytes(const operand *o);

/* Enqueues. */
clattn_status workload_run(const workload *w, cl_command_queue queue);

/* Milliseconds of a run, from enqueue to finish; negative after a line. */
double workload_time(const workload *w, cl_command_queue queue);

/* The kernel that runs, "attention/decode_wide f32 d128". */
const char *workload_kernel(const workload *w);

/* "attention 32/8 x 1 x 8192 d128 f16 causal": a case for people. */
void workload_title(const struct test_case *c, char *text, size_t bytes);

/* ---- For the kinds ---------------------------------------------------------------------- */

operand operand_of(const char *name, bool present, operand_fill fill, clattn_type type,
                   int64_t batch, int64_t rows, int64_t heads, int64_t columns);
/* {1, out, 1, in}, so small that results are of the size of what goes in. */
operand operand_weight(const char *name, bool present, clattn_type type, int64_t out, int64_t in);
/* I32 {batch, 1, 1, 1} from a list in the case; absent if that is empty. */
operand operand_numbers(const char *name, const char *numbers, int64_t batch);

/* Its buffer, filled.  False with the reason. */
bool operand_make(operand *o, enum layout layout, const session *s, uint64_t seed, reason *why);

/* Floating-point operations of attention alone. */
double attention_flops(const struct test_case *c);
bool attention_desc_of(const struct test_case *c, const char *kernel, clattn_attention_desc *desc,
                       reason *why);

#endif /* TOOLS_WORKLOAD_H */
