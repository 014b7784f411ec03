/* One run of one case: its tensors are made, filled and uploaded, the op runs, its outputs are
 * read back and compared.  An op says what is particular to it and nothing else; `clattn bench`
 * asks the same of it. */
#ifndef CHECK_TRIAL_H
#define CHECK_TRIAL_H

#include "check.h"

enum { TRIAL_OPERANDS = 19 };

/* A tensor of the op's call. */
struct trial_operand {
    const char *name; /* "x"; NULL = the case has none here */
    clattn_type type;
    int64_t size[4];
    bool output;
    int over;         /* output in place of operand over - 1, whose type and size it has; 0 = not */
    double tolerance; /* of an output, absolute and relative */
    int64_t below;    /* whole numbers 0 .. below - 1 where bench fills it; 0 = real numbers */
    int64_t read;     /* elements that a run reads, where it is not all of them */
    const char *list; /* where bench fills it: numbers by batch entry */
    int64_t counted;  /* the same: 0, counted, 2 * counted, ..; 0 = not */
};

struct trial {
    const struct test_case *c;
    struct trial_operand spec[TRIAL_OPERANDS];
    struct buffer o[TRIAL_OPERANDS];
    double *expected[TRIAL_OPERANDS]; /* of outputs: dense, as many as the buffer's values */
    cl_mem scratch;                   /* that bench gives; NULL = the op takes its own */
};

struct trial_kind {
    /* Fills spec; false with a reason in result if the case makes no sense. */
    bool (*describe)(struct trial *t, struct check_result *result);
    /* Puts values into the inputs. */
    void (*fill)(struct trial *t, struct rng *rng);
    /* Computes expected; false without memory. */
    bool (*expect)(struct trial *t);
    clattn_status (*create)(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op);
    clattn_status (*run)(const struct trial *t, const clattn_op *op, cl_command_queue queue);
    /* For bench: bytes of scratch, and floating-point operations; NULL = none that count. */
    size_t (*scratch)(const struct trial *t, const clattn_op *op);
    double (*flops)(const struct trial *t);
    /* The kernel that run takes; NULL = as the op says. */
    const char *(*kernel)(const struct trial *t, const clattn_op *op);
};

void trial_run(const struct trial_kind *kind, const struct check *check, const struct test_case *c,
               const char *kernel, struct check_result *result);

/* "4096 x 64 -> 128": rows and columns of the first tensor, and of the first output if others. */
void trial_title(const struct trial_kind *kind, const struct test_case *c, char *text,
                 size_t bytes);

/* Normally distributed values in operand i, times scale, plus shift. */
void trial_normal(struct trial *t, int i, struct rng *rng, double scale, double shift);

/* Whole numbers 0 .. below - 1 in operand i. */
void trial_below(struct trial *t, int i, struct rng *rng, int64_t below);

#endif /* CHECK_TRIAL_H */
