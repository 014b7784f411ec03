/* Devices, contexts and the op handle. */
#ifndef CLATTN_CONTEXT_H
#define CLATTN_CONTEXT_H

#include <clattn/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Devices ------------------------------------------------------------ */

/* Writes up to capacity devices of all platforms, in platform order, and their
 * full number to *count.  A platform without a device is normal; finding no
 * device at all is CLATTN_OK with *count 0.  devices may be NULL with capacity 0. */
CLATTN_API clattn_status clattn_device_list(cl_device_id *devices, size_t capacity, size_t *count);

/* The device that text names: its number in clattn_device_list, or a substring
 * (any case) of its name or its platform's name.  NULL or "": CLATTN_DEVICE from
 * the environment, else the first GPU, else the first device.  The first match
 * counts.  CLATTN_ERR_ARGUMENT if nothing matches, and the text lists what is there. */
CLATTN_API clattn_status clattn_device_find(const char *text, cl_device_id *out);

/* How kernels let the lanes of a sub-group exchange values. */
typedef enum clattn_lanes {
    CLATTN_LANES_NONE = 0,
    CLATTN_LANES_INTEL = 1, /* cl_intel_subgroups, which other makers' drivers may have, too */
    CLATTN_LANES_NV = 2,    /* PTX */
    CLATTN_LANES_AMD = 3    /* builtins of AMD's compiler */
} clattn_lanes;

/* The matrix instructions that kernels use. */
typedef enum clattn_engine {
    CLATTN_ENGINE_NONE = 0,
    CLATTN_ENGINE_NV_MMA = 1,         /* compute capability 8.0 and newer */
    CLATTN_ENGINE_AMD_WMMA = 2,       /* gfx11 */
    CLATTN_ENGINE_AMD_WMMA_GFX12 = 3, /* gfx12 */
    CLATTN_ENGINE_AMD_MFMA = 4,       /* gfx90a, gfx942 */
    CLATTN_ENGINE_INTEL_DPAS_8 = 5,   /* sub-groups of 8 */
    CLATTN_ENGINE_INTEL_DPAS_16 = 6   /* of 16 */
} clattn_engine;

/* "nv_mma"; "none" for CLATTN_ENGINE_NONE; never NULL. */
CLATTN_API const char *clattn_engine_name(clattn_engine engine);

/* "intel"; "none" for CLATTN_LANES_NONE; never NULL. */
CLATTN_API const char *clattn_lanes_name(clattn_lanes lanes);

/* What was found out about a device: queried, and where a compiler's word is not
 * enough, probed by running a small program and checking its result. */
typedef struct clattn_device_facts {
    const char *name;
    const char *vendor;
    const char *platform;         /* name */
    const char *platform_version; /* "OpenCL 3.0 PoCL 3.1..." */
    const char *driver;           /* version */
    cl_device_type type;
    cl_uint vendor_id;
    int32_t compute_units;
    int32_t vector_width;  /* float lanes the hardware prefers; 1 where the compiler vectorises
                              work-items */
    size_t max_work_group; /* work-items */
    uint64_t local_bytes;  /* per work-group */
    bool local_dedicated;  /* false: local memory is ordinary memory (CPUs) */
    uint64_t global_bytes;
    uint64_t max_alloc_bytes; /* of one buffer */
    bool unified_memory;
    bool fp16;          /* half arithmetic, probed; kernels only need half storage, which is core */
    clattn_lanes lanes; /* probed */
    uint32_t subgroup_sizes;   /* those whose lanes were right: 8, 16, 32 and 64, or'ed */
    clattn_engine engine;      /* probed */
    bool engine_subnormals;    /* whether it keeps f16 numbers below 2^-14, or takes them for 0;
                                  probed; false without an engine */
    const char *lanes_reason;  /* why there are none; "" if there are */
    const char *engine_reason; /* the same of the engine */
} clattn_device_facts;

/* ---- Context ------------------------------------------------------------ */

/* One cl_context and device; owns compiled programs.  Thread-safe. */
typedef struct clattn_context clattn_context;

typedef struct clattn_context_desc {
    cl_context context;    /* NULL: the library makes one on device */
    cl_device_id device;   /* required with context; NULL: clattn_device_find(NULL) */
    const char *cache_dir; /* program binaries and kept parameters (clattn/tune.h), made if missing;
                            * NULL = memory only.  Read when ops are created; binaries are written
                            * when the context is destroyed.  A bad or unwritable cache never fails
                            * a call: the log says so, kernels are compiled anew. */
    const char *kernel_dir;    /* read .cl files here instead of the embedded ones; NULL:
                                  CLATTN_KERNEL_DIR, else embedded */
    const char *probe_program; /* clattn-probe, which tries in a process of its own what might end
                                  this one; NULL: where it was installed.  Where it is not found,
                                  this process tries. */
    void (*log)(void *user, const char *text); /* full build logs, kernel choices; any thread; NULL
                                                  = none */
    void *user;
} clattn_context_desc;

/* desc may be NULL: everything default.  The caller's cl_context is retained. */
CLATTN_API clattn_status clattn_context_create(const clattn_context_desc *desc,
                                               clattn_context **out);
CLATTN_API void clattn_context_destroy(clattn_context *context);

/* Valid as long as the context. */
CLATTN_API const clattn_device_facts *clattn_context_facts(const clattn_context *context);
CLATTN_API cl_context clattn_context_cl(const clattn_context *context);
CLATTN_API cl_device_id clattn_context_device(const clattn_context *context);

/* A directory for cache_dir that belongs to this user: $XDG_CACHE_HOME/clattn,
 * ~/.cache/clattn or %LOCALAPPDATA%\clattn.  False if there is none or it does
 * not fit; the library itself never chooses it. */
CLATTN_API bool clattn_default_cache_dir(char *path, size_t bytes);

/* ---- Kernels ------------------------------------------------------------ */

/* One kernel that could serve a descriptor; refusal is NULL if it would be
 * taken, else the reason it does not fit.  Strings live during the call. */
typedef void clattn_variant_report(void *user, const char *kernel, const char *refusal);

/* One program made ready by clattn_context_warm. */
typedef struct clattn_build {
    const char *kernel;     /* as clattn_op_kernel */
    double compile_ms;      /* what compiling it took, now or when the cache entry was written */
    double load_ms;         /* what making it ready took now */
    bool from_cache;        /* found on disk */
    uint64_t private_bytes; /* per work-item, as the driver reports it; 0 = not said */
    uint64_t local_bytes;   /* per work-group */
    uint64_t spill_bytes; /* per work-item, where the driver tells (Intel); 0 = none or not said */
} clattn_build;

/* Builds every kernel that fits this device in its usual specialisations, so
 * that creating an op later finds it in memory or in cache_dir.  report may be
 * NULL.  A kernel that fails to build is logged; the first failure is returned
 * after all others were built. */
CLATTN_API clattn_status clattn_context_warm(clattn_context *context,
                                             void (*report)(void *user, const clattn_build *build),
                                             void *user);

/* ---- Operations --------------------------------------------------------- */

/* One operation, specialised for a device.  Immutable, thread-safe.  Made by
 * clattn_*_create, which compiles; clattn_*_run only enqueues. */
typedef struct clattn_op clattn_op;

CLATTN_API void clattn_op_destroy(clattn_op *op);

/* The kernel it chose, "attention/tiled f32 d64"; lives as long as the op. */
CLATTN_API const char *clattn_op_kernel(const clattn_op *op);

/* The parameters that kernel was compiled with, "TILE_Q=64 TILE_K=64 CHUNK=32"; "" if it has
 * none; lives as long as the op. */
CLATTN_API const char *clattn_op_params(const clattn_op *op);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_CONTEXT_H */
