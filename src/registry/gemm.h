/* Matrix products by CLBlast: gemm.c is the only file that includes its header. */
#ifndef CLATTN_GEMM_H
#define CLATTN_GEMM_H

#include "runtime/program.h"

/* A row-major f32 matrix in a buffer: element [i, j] at offset + i * pitch + j. */
struct clattn__matrix {
    cl_mem mem;
    int64_t offset, pitch;
};

/* c[m, n] = a[m, k] b[n, k]^T */
clattn_status clattn__gemm(cl_command_queue queue, int64_t m, int64_t n, int64_t k,
                           const struct clattn__matrix *a, const struct clattn__matrix *b,
                           const struct clattn__matrix *c);

/* ---- Trust: gemm_trial.c ---------------------------------------------------------- */

struct clattn__gemm_trial;

/* What is known of a device. */
struct clattn__gemm_trials {
    struct clattn__programs *programs; /* where the device and cache_dir stand */
    clattn__mutex lock;
    struct clattn__gemm_trial *first;
};

void clattn__gemm_trials_open(struct clattn__gemm_trials *trials,
                              struct clattn__programs *programs);
void clattn__gemm_trials_close(struct clattn__gemm_trials *trials);

/* CLBlast's kernels have parameters for each device, and some computed wrongly.  So a product of
 * such n and k, for few rows, for many and for an odd number, is tried before the first that
 * counts; which also makes CLBlast compile what it needs.  What came of it is remembered,
 * in memory and in cache_dir; fails if CLBlast is not right. */
clattn_status clattn__gemm_try(struct clattn__gemm_trials *trials, int64_t n, int64_t k);

/* False, with the reason, if that is known to have failed. */
bool clattn__gemm_trusted(struct clattn__gemm_trials *trials, int64_t n, int64_t k, char *reason,
                          size_t bytes);

/* "CLBlast 1.5.3", as it was when the library was built. */
extern const char clattn__gemm_version[];

#endif /* CLATTN_GEMM_H */
