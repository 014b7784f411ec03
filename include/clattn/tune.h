/* Tuning.  Kernels have parameters, such as tile sizes, whose best values depend on the
 * device.  The library has values for classes of devices (by vector width); a program may
 * try others, as `clattn tune` does, and keep the faster ones:
 *
 *   clattn_*_candidates   which sets of parameters a kernel can be compiled with here
 *   desc.kernel, .params  make an op with one of them
 *   clattn_tune_keep      from now on, ops of that kind use it; also in later contexts
 *   clattn_tune_choose    from now on, ops of that class get its kernel rather than another
 *
 * A kind is what a kernel is compiled for, as clattn_op_kernel tells it: "attention/wide f32
 * d64 causal".  A class is coarser: types, and sizes within a factor of 4, "project f16 in>=1024
 * out>=4096".  What is kept belongs to the device and the versions of driver and library. */
#ifndef CLATTN_TUNE_H
#define CLATTN_TUNE_H

#include <clattn/attention.h>
#include <clattn/attribution.h>
#include <clattn/block.h>
#include <clattn/classic.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One set of parameters of one kernel.  Strings live during the call. */
typedef struct clattn_candidate {
    const char *kernel; /* the kind, as clattn_op_kernel would tell it */
    const char *params; /* "VECTORS=3 KEYS=8 TILE_K=128": for desc.params; "" = it has none */
    bool in_use;        /* what an op gets without desc.params */
    bool built_in;      /* what it would get had nothing been kept */
} clattn_candidate;

typedef void clattn_candidate_report(void *user, const clattn_candidate *candidate);

/* Every set that fits the device and desc, of the kernel that desc.kernel forces (NULL: the one
 * that would be chosen): the one in use first, then the built-in one, then others.
 * desc.params is ignored.  CLATTN_ERR_UNSUPPORTED if the kernel does not fit. */
CLATTN_API clattn_status clattn_attention_candidates(clattn_context *context,
                                                     const clattn_attention_desc *desc,
                                                     clattn_candidate_report *report, void *user);
CLATTN_API clattn_status clattn_project_candidates(clattn_context *context,
                                                   const clattn_project_desc *desc,
                                                   clattn_candidate_report *report, void *user);
CLATTN_API clattn_status clattn_attribution_candidates(clattn_context *context,
                                                       const clattn_attribution_desc *desc,
                                                       clattn_candidate_report *report, void *user);
CLATTN_API clattn_status clattn_classic_candidates(clattn_context *context,
                                                   const clattn_classic_desc *desc,
                                                   clattn_candidate_report *report, void *user);

/* Keeps an op's clattn_op_params: ops of its kind made in its context from now on use them, and,
 * if the context has a cache_dir, a file there is written that contexts of this device created
 * later load.  Keeping the built-in ones forgets what was kept.  A file that cannot be written is
 * a line in the log. */
CLATTN_API clattn_status clattn_tune_keep(const clattn_op *op);

/* Chooses an op's kernel: ops of its class made in its context from now on try it before others,
 * for calls of many rows or of few (clattn_project_kernel tells which a call takes).  Kept as
 * parameters are; choosing what would be taken anyway forgets what was kept.  Of projections alone,
 * layers made of them included; a kernel made for few rows is not chosen for many. */
CLATTN_API clattn_status clattn_tune_choose(const clattn_op *op, bool few_rows);

/* Everything kept, in no order: a kind with its parameters, a class with its kernel ("project f32
 * in>=1024 out>=1024 few rows", "gemm/plain").  Strings live during the call. */
typedef void clattn_tune_report(void *user, const char *kernel, const char *params);
CLATTN_API clattn_status clattn_tune_list(clattn_context *context, clattn_tune_report *report,
                                          void *user);

/* Forgets everything kept for this device, in the context and in its cache_dir. */
CLATTN_API clattn_status clattn_tune_clear(clattn_context *context);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_TUNE_H */
