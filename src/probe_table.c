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

void clattn__clues(const clattn_context *context, struct clattn__clues *clues)
{
    const cl_device_id device = context->device;
    *clues = (struct clattn__clues){
        .vendor_id = context->facts.vendor_id,
        .gpu = context->facts.type & CL_DEVICE_TYPE_GPU,
        .name = context->facts.name,
        .intel_subgroups = clattn__advertises(device, "cl_intel_subgroups") &&
                           clattn__advertises(device, "cl_intel_required_subgroup_size"),
        .intel_matrix = clattn__advertises(device, "cl_intel_subgroup_matrix_multiply_accumulate"),
    };
    if (clues->intel_subgroups) {
        clues->intel_sizes = intel_sizes(device);
    }
    if (clues->gpu && clues->vendor_id == NVIDIA) {
        clues->compute_major = number(device, COMPUTE_CAPABILITY_MAJOR_NV);
    }
    if (clues->gpu && (clues->vendor_id == AMD || clues->vendor_id == AMD_CPUS)) {
        clues->wavefront = number(device, WAVEFRONT_WIDTH_AMD);
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

/* ---- The table ------------------------------------------------------------------- */

#define LANES(by, size, plausible)                                                                 \
    CLATTN_LANES_##by, size, CLATTN_ENGINE_NONE, plausible, "probe_lanes", clattn__lanes_answer

const struct clattn__probe clattn__probes[] = {
    {"intel_lanes_8", LANES(INTEL, 8, intel_lanes)},
    {"intel_lanes_16", LANES(INTEL, 16, intel_lanes)},
    {"intel_lanes_32", LANES(INTEL, 32, intel_lanes)},
    {"intel_lanes_64", LANES(INTEL, 64, intel_lanes)},
    {"nv_lanes", LANES(NV, 32, nv_lanes)},
    {"amd_lanes_32", LANES(AMD, 32, amd_lanes)},
    {"amd_lanes_64", LANES(AMD, 64, amd_lanes)},
    {NULL},
};
