/* Matrix products by CLBlast: gemm.c is the only file that includes its header. */
#ifndef CLATTN_GEMM_H
#define CLATTN_GEMM_H

#include "context_internal.h"

/* A row-major f32 matrix in a buffer: element [i, j] at offset + i * pitch + j. */
struct clattn__matrix {
    cl_mem mem;
    int64_t offset, pitch;
};

/* c[m, n] = a[m, k] b[n, k]^T */
clattn_status clattn__gemm(cl_command_queue queue, int64_t m, int64_t n, int64_t k,
                           const struct clattn__matrix *a, const struct clattn__matrix *b,
                           const struct clattn__matrix *c);

/* Makes CLBlast compile what products of this n and k need, for few rows and for many. */
clattn_status clattn__gemm_prepare(clattn_context *context, int64_t n, int64_t k);

#endif /* CLATTN_GEMM_H */
