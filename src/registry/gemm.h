/* Matrix products by CLBlast: gemm.c is the only file that includes its header. */
#ifndef CLATTN_GEMM_H
#define CLATTN_GEMM_H

#include "context.h"

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

/* CLBlast's kernels have parameters for each device, and some computed wrongly.  So a product of
 * such n and k, for few rows, for many and for an odd number, is tried before the first that
 * counts; which also makes CLBlast compile what it needs.  What came of it is remembered in the
 * context, and in its cache_dir; fails if CLBlast is not right. */
clattn_status clattn__gemm_try(clattn_context *context, int64_t n, int64_t k);

/* False, with the reason, if that is known to have failed. */
bool clattn__gemm_trusted(clattn_context *context, int64_t n, int64_t k, char *reason,
                          size_t bytes);

/* Frees what the context remembers. */
void clattn__gemm_forget(clattn_context *context);

/* "CLBlast 1.5.3", as it was when the library was built. */
extern const char clattn__gemm_version[];

#endif /* CLATTN_GEMM_H */
