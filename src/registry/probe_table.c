#include "probe.h"

#include <stdio.h>
#include <string.h>

enum { NVIDIA = 0x10de, AMD = 0x1002, AMD_CPUS = 0x1022 };

const char *clattn_lanes_name(clattn_lanes lanes)
{
    static const char *const names[] = {"none", "intel", "nv", "amd"};
    return (unsigned)lanes < sizeof names / sizeof *names ? names[lanes] : "unknown lanes";
}

const char *clattn_engine_name(clattn_engine engine)
{
    static const char *const names[] = {
        "none", "nv_mma", "amd_wmma", "amd_wmma_gfx12", "amd_mfma", "intel_dpas_8", "intel_dpas_16",
    };
    return (unsigned)engine < sizeof names / sizeof *names ? names[engine] : "unknown engine";
}

/* ---- Clues -------------------------------------------------------------------- */

/* Queries of extensions, in no header of OpenCL 1.2. */
enum {
    COMPUTE_CAPABILITY_MAJOR_NV = 0x4000,
    WAVEFRONT_WIDTH_AMD = 0x4043,
    SUB_GROUP_SIZES_INTEL = 0x4108,
};

static uint32_t intel_sizes(cl_device_id device)
{
    size_t sizes[16], bytes = 0;
    uint32_t all = 0;
    if (clGetDeviceInfo(device, SUB_GROUP_SIZES_INTEL, sizeof sizes, sizes, &bytes) != CL_SUCCESS) {
        return 0;
    }
    for (size_t i = 0; i < bytes / sizeof *sizes && i < 16; i++) {
        all |= sizes[i] & (sizes[i] - 1) ? 0 : (uint32_t)sizes[i];
    }
    return all;
}

/* 0 where the driver does not know the question. */
static cl_uint number(cl_device_id device, cl_device_info what)
{
    cl_uint value = 0;
    return clGetDeviceInfo(device, what, sizeof value, &value, NULL) == CL_SUCCESS ? value : 0;
}

void clattn__clues(const struct clattn__device *device, struct clattn__clues *clues)
{
    const cl_device_id id = device->id;
    *clues = (struct clattn__clues){
        .vendor_id = device->facts.vendor_id,
        .gpu = device->facts.type & CL_DEVICE_TYPE_GPU,
        .name = device->facts.name,
        .intel_subgroups = clattn__advertises(id, "cl_intel_subgroups") &&
                           clattn__advertises(id, "cl_intel_required_subgroup_size"),
        .intel_matrix = clattn__advertises(id, "cl_intel_subgroup_matrix_multiply_accumulate"),
    };
    if (clues->intel_subgroups) {
        clues->intel_sizes = intel_sizes(id);
    }
    if (clues->gpu && clues->vendor_id == NVIDIA) {
        clues->compute_major = number(id, COMPUTE_CAPABILITY_MAJOR_NV);
    }
    if (clues->gpu && (clues->vendor_id == AMD || clues->vendor_id == AMD_CPUS)) {
        clues->wavefront = number(id, WAVEFRONT_WIDTH_AMD);
    }
}

/* ---- Lanes --------------------------------------------------------------------- */

static enum clattn__plausible lacking(char reason[CLATTN__FACT_BYTES], const char *text)
{
    snprintf(reason, CLATTN__FACT_BYTES, "%s", text);
    return CLATTN__LACKING;
}

static enum clattn__plausible intel_lanes(const struct clattn__probe *probe,
                                          const struct clattn__clues *clues,
                                          char reason[CLATTN__FACT_BYTES])
{
    (void)reason;
    return clues->intel_subgroups && clues->intel_sizes & probe->subgroup ? CLATTN__WORTH_TRYING
                                                                          : CLATTN__ANOTHERS;
}

static enum clattn__plausible nv_lanes(const struct clattn__probe *probe,
                                       const struct clattn__clues *clues,
                                       char reason[CLATTN__FACT_BYTES])
{
    (void)probe, (void)reason;
    return clues->gpu && clues->vendor_id == NVIDIA ? CLATTN__WORTH_TRYING : CLATTN__ANOTHERS;
}

static enum clattn__plausible amd_lanes(const struct clattn__probe *probe,
                                        const struct clattn__clues *clues,
                                        char reason[CLATTN__FACT_BYTES])
{
    if (!clues->gpu || (clues->vendor_id != AMD && clues->vendor_id != AMD_CPUS)) {
        return CLATTN__ANOTHERS;
    }
    if (!clues->wavefront) {
        return lacking(reason, "the driver of this GPU is not AMD's: it does not tell the width of "
                               "a wavefront");
    }
    return clues->wavefront == probe->subgroup ? CLATTN__WORTH_TRYING : CLATTN__ANOTHERS;
}

/* ---- Engines -------------------------------------------------------------------- */

static enum clattn__plausible nv_mma(const struct clattn__probe *probe,
                                     const struct clattn__clues *clues,
                                     char reason[CLATTN__FACT_BYTES])
{
    if (nv_lanes(probe, clues, reason) == CLATTN__ANOTHERS) {
        return CLATTN__ANOTHERS;
    }
    return clues->compute_major >= 8 ? CLATTN__WORTH_TRYING
                                     : lacking(reason, "needs compute capability 8.0 or more");
}

/* The prefix of the name, which may go on as in gfx90a:sramecc+:xnack-.  Not all of gfx11 and
 * gfx12: gfx117x and gfx125x have other instructions. */
static enum clattn__plausible amd_engine(const struct clattn__probe *probe,
                                         const struct clattn__clues *clues,
                                         char reason[CLATTN__FACT_BYTES])
{
    static const struct {
        const char *prefix;
        clattn_engine engine;
    } names[] = {
        {"gfx110", CLATTN_ENGINE_AMD_WMMA},       {"gfx115", CLATTN_ENGINE_AMD_WMMA},
        {"gfx120", CLATTN_ENGINE_AMD_WMMA_GFX12}, {"gfx90a", CLATTN_ENGINE_AMD_MFMA},
        {"gfx942", CLATTN_ENGINE_AMD_MFMA},
    };
    for (size_t i = 0; clues->wavefront && i < sizeof names / sizeof *names; i++) {
        if (names[i].engine == probe->engine &&
            !strncmp(clues->name, names[i].prefix, strlen(names[i].prefix))) {
            return clues->wavefront == probe->subgroup
                       ? CLATTN__WORTH_TRYING
                       : lacking(reason, "needs wavefronts of another width");
        }
    }
    return CLATTN__ANOTHERS;
}

/* The instructions exist for sub-groups of the smallest size alone. */
static enum clattn__plausible intel_dpas(const struct clattn__probe *probe,
                                         const struct clattn__clues *clues,
                                         char reason[CLATTN__FACT_BYTES])
{
    const uint32_t smallest = clues->intel_sizes & (~clues->intel_sizes + 1);
    if (!clues->gpu || !clues->intel_subgroups || smallest != probe->subgroup) {
        return CLATTN__ANOTHERS;
    }
    return clues->intel_matrix
               ? CLATTN__WORTH_TRYING
               : lacking(reason, "needs cl_intel_subgroup_matrix_multiply_accumulate");
}

/* ---- The table ------------------------------------------------------------------- */

#define LANES(by, size, plausible_)                                                                \
    .lanes = CLATTN_LANES_##by, .subgroup = size, .plausible = plausible_, .file = "probe_lanes",  \
    .answer = clattn__lanes_answer

/* With operands of each type. */
#define ENGINE_OF(type_, pairs_, name_, by, size, queries_, engine_, plausible_)                   \
    {                                                                                              \
        .name = name_, .lanes = CLATTN_LANES_##by, .subgroup = size,                               \
        .engine = CLATTN_ENGINE_##engine_, .type = CLATTN_##type_, .queries = queries_,            \
        .pairs = pairs_, .plausible = plausible_, .file = "probe_engine",                          \
        .answer = clattn__engine_answer                                                            \
    }
#define ENGINE(name, ...)                                                                          \
    ENGINE_OF(F16, false, name "_f16", __VA_ARGS__),                                               \
        ENGINE_OF(BF16, false, name "_bf16", __VA_ARGS__)
/* Behind the engine's own: of one that is right, whether it keeps small numbers. */
#define SUBNORMALS(name_, by, size, queries_, engine_, plausible_)                                 \
    {                                                                                              \
        .name = name_ "_subnormals", .lanes = CLATTN_LANES_##by, .subgroup = size,                 \
        .engine = CLATTN_ENGINE_##engine_, .type = CLATTN_F16, .queries = queries_,                \
        .subnormals = true, .plausible = plausible_, .file = "probe_engine",                       \
        .answer = clattn__subnormals_answer                                                        \
    }
#define ENGINE_IN_PAIRS(name, ...)                                                                 \
    ENGINE_OF(F16, true, name "_pairs_f16", __VA_ARGS__),                                          \
        ENGINE_OF(BF16, true, name "_pairs_bf16", __VA_ARGS__)

const struct clattn__probe clattn__probes[] = {
    {"intel_lanes_8", LANES(INTEL, 8, intel_lanes)},
    {"intel_lanes_16", LANES(INTEL, 16, intel_lanes)},
    {"intel_lanes_32", LANES(INTEL, 32, intel_lanes)},
    {"intel_lanes_64", LANES(INTEL, 64, intel_lanes)},
    {"nv_lanes", LANES(NV, 32, nv_lanes)},
    {"amd_lanes_32", LANES(AMD, 32, amd_lanes)},
    {"amd_lanes_64", LANES(AMD, 64, amd_lanes)},
    ENGINE("nv_mma", NV, 32, 16, NV_MMA, nv_mma),
    ENGINE("amd_wmma", AMD, 32, 16, AMD_WMMA, amd_engine),
    ENGINE("amd_wmma_gfx12", AMD, 32, 16, AMD_WMMA_GFX12, amd_engine),
    ENGINE("amd_mfma", AMD, 64, 16, AMD_MFMA, amd_engine),
    ENGINE("intel_dpas_8", INTEL, 8, 8, INTEL_DPAS_8, intel_dpas),
    ENGINE_IN_PAIRS("intel_dpas_8", INTEL, 8, 16, INTEL_DPAS_8, intel_dpas),
    ENGINE("intel_dpas_16", INTEL, 16, 16, INTEL_DPAS_16, intel_dpas),
    SUBNORMALS("nv_mma", NV, 32, 16, NV_MMA, nv_mma),
    SUBNORMALS("amd_wmma", AMD, 32, 16, AMD_WMMA, amd_engine),
    SUBNORMALS("amd_wmma_gfx12", AMD, 32, 16, AMD_WMMA_GFX12, amd_engine),
    SUBNORMALS("amd_mfma", AMD, 64, 16, AMD_MFMA, amd_engine),
    SUBNORMALS("intel_dpas_8", INTEL, 8, 8, INTEL_DPAS_8, intel_dpas),
    SUBNORMALS("intel_dpas_16", INTEL, 16, 16, INTEL_DPAS_16, intel_dpas),
    {NULL},
};
