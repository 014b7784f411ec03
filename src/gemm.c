#include "gemm.h"

#include <clblast_c.h>

/* CLBlast before 1.6.1 is not thread-safe: its caches are the process's, so is this lock. */
static clattn__mutex clblast_lock = CLATTN__MUTEX_INIT;

clattn_status clattn__gemm(cl_command_queue queue, int64_t m, int64_t n, int64_t k,
                           const struct clattn__matrix *a, const struct clattn__matrix *b,
                           const struct clattn__matrix *c)
{
    if (m == 0 || n == 0) {
        return CLATTN_OK;
    }
    clattn__lock(&clblast_lock);
    const CLBlastStatusCode code = CLBlastSgemm(
        CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeYes, (size_t)m, (size_t)n,
        (size_t)k, 1.0f, a->mem, (size_t)a->offset, (size_t)a->pitch, b->mem, (size_t)b->offset,
        (size_t)b->pitch, 0.0f, c->mem, (size_t)c->offset, (size_t)c->pitch, &queue, NULL);
    clattn__unlock(&clblast_lock);
    return clattn__opencl((cl_int)code, "CLBlastSgemm");
}

clattn_status clattn__gemm_prepare(clattn_context *context, int64_t n, int64_t k)
{
    /* CLBlast has one kernel for small products and another, with copies, for large ones. */
    const int64_t few = 1, many = 512;
    const int64_t elements = many * k + n * k + many * n;
    cl_int code;
    cl_mem mem = clCreateBuffer(context->cl, CL_MEM_READ_WRITE, (size_t)elements * sizeof(float),
                                NULL, &code);
    TRY(clattn__opencl(code, "clCreateBuffer"));
    const struct clattn__matrix a = {mem, 0, k}, b = {mem, many * k, k},
                                c = {mem, many * k + n * k, n};
    clattn_status status = clattn__gemm(context->queue, few, n, k, &a, &b, &c);
    if (status == CLATTN_OK) {
        status = clattn__gemm(context->queue, many, n, k, &a, &b, &c);
    }
    if (status == CLATTN_OK) {
        status = CL(clFinish, context->queue);
    }
    clReleaseMemObject(mem);
    return status;
}
