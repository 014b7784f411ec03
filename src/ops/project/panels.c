/* Weights in the order of kernels that multiply panels: gemm/panel_wide.h. */
#include "project.h"

#include <stdio.h>

enum { WIDTH, VECTORS, TILE, CHUNK, BLOCK }; /* places in the variant's params */

void clattn__panels_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    (void)desc;
    params[WIDTH] = facts->vector_width;
    params[TILE] = facts->vector_width == 8 ? 4 : 8;
}

bool clattn__panels_fit(const clattn_device_facts *facts, const void *desc, const int *params,
                        char reason[CLATTN__REASON_BYTES])
{
    if (!clattn__fits_wide(facts, desc, params, reason)) {
        return false;
    }
    if (params[BLOCK] % params[TILE]) {
        snprintf(reason, CLATTN__REASON_BYTES, "BLOCK %d is no multiple of TILE %d", params[BLOCK],
                 params[TILE]);
        return false;
    }
    return clattn__fits_registers(facts, params[TILE], params[VECTORS], reason);
}

static struct clattn__binding bind_pack(cl_kernel kernel, int64_t out_dim, int64_t in_dim,
                                        const struct clattn__view *weight,
                                        const struct clattn__view *packed)
{
    struct clattn__binding binding = {.kernel = kernel};
    clattn__bind_view(&binding, weight);
    clattn__bind_view(&binding, packed);
    clattn__bind_int(&binding, out_dim);
    clattn__bind_int(&binding, in_dim);
    return binding;
}

clattn_status clattn__panels_build(clattn_context *context, const int *params, cl_kernel *kernel)
{
    const struct clattn__view nothing = {0};
    const size_t single[3] = {1, 1, 1};
    struct clattn__options options = clattn__options_begin();
    clattn__option(&options, "WIDTH", params[WIDTH]);
    clattn__option(&options, "VECTORS", params[VECTORS]);
    TRY(clattn__build_kernel(context, "gemm/pack_wide", &options, kernel));
    const struct clattn__binding binding = bind_pack(*kernel, 0, 0, &nothing, &nothing);
    return clattn__first_launch(context, &binding, single);
}

static int64_t panels_of(const struct clattn__panels *p)
{
    return (p->gated ? 2 : 1) *
           clattn__divide_up(p->out_dim, p->params[WIDTH] * p->params[VECTORS]);
}

struct clattn__view clattn__panels_view(const struct clattn__panels *p, cl_mem mem)
{
    const int64_t panel = (int64_t)p->params[WIDTH] * p->params[VECTORS];
    const int64_t size[4] = {p->batch, panels_of(p), p->in_dim, panel};
    return clattn__dense_view(mem, 0, size, CLATTN_F32);
}

clattn_status clattn__panels_pack(const struct clattn__panels *p, cl_kernel kernel,
                                  cl_command_queue queue, const struct clattn__view *weight,
                                  const struct clattn__view *packed)
{
    enum { COLUMNS = 256 }; /* as in kernels/gemm/pack_wide.cl */
    const size_t global[3] = {(size_t)panels_of(p), (size_t)clattn__divide_up(p->in_dim, COLUMNS),
                              (size_t)p->batch};
    const size_t local[3] = {1, 1, 1};
    const struct clattn__binding binding = bind_pack(kernel, p->out_dim, p->in_dim, weight, packed);
    return clattn__launch(&binding, queue, global, local);
}
