#include "gemm.h"

#include <clblast_c.h>

#define TEXT(number) #number
#define VERSION(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

const char clattn__gemm_version[] =
    "CLBlast " VERSION(CLBLAST_VERSION_MAJOR, CLBLAST_VERSION_MINOR, CLBLAST_VERSION_PATCH);

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
