#include "engine.h"

#include <stdio.h>

const struct clattn__block clattn__blocks[] = {
    [CLATTN_ENGINE_NV_MMA] = {32, 16},         [CLATTN_ENGINE_AMD_WMMA] = {32, 16},
    [CLATTN_ENGINE_AMD_WMMA_GFX12] = {32, 16}, [CLATTN_ENGINE_AMD_MFMA] = {64, 16},
    [CLATTN_ENGINE_INTEL_DPAS_8] = {8, 8},     [CLATTN_ENGINE_INTEL_DPAS_16] = {16, 16},
};

bool clattn__engine_fits(const clattn_device_facts *facts, char reason[CLATTN__REASON_BYTES])
{
    if (facts->engine == CLATTN_ENGINE_NONE) {
        snprintf(reason, CLATTN__REASON_BYTES, "%s", facts->engine_reason);
        return false;
    }
    return true;
}

bool clattn__emulation_fits(const clattn_device_facts *facts, int engine,
                            char reason[CLATTN__REASON_BYTES])
{
    const int subgroup = clattn__blocks[engine].subgroup;
    if (facts->lanes != CLATTN_LANES_INTEL || !(facts->subgroup_sizes & (uint32_t)subgroup)) {
        snprintf(reason, CLATTN__REASON_BYTES, "needs cl_intel_subgroups with sub-groups of %d",
                 subgroup);
        return false;
    }
    return true;
}

int clattn__engine_of(const clattn_device_facts *facts)
{
    return facts->engine == CLATTN_ENGINE_NONE ? CLATTN_ENGINE_NV_MMA : (int)facts->engine;
}

/* On Intel a sub-group's results alone take half of 256 registers. */
const char *clattn__matrix_flags(const int *params)
{
    const bool intel =
        params[0] == CLATTN_ENGINE_INTEL_DPAS_8 || params[0] == CLATTN_ENGINE_INTEL_DPAS_16;
    return intel ? "-cl-intel-256-GRF-per-thread" : "";
}

/* Compiling takes longer than any test runs. */
const char *clattn__emulated_flags(const int *params)
{
    (void)params;
    return "-cl-opt-disable";
}
