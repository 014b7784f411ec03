#include "targets.h"

/* Local memory and work-groups as the makers' OpenCL drivers report them. */
#define AMD(chip, units)                                                                           \
    .name = chip, .device = {.name = chip,                                                         \
                             .vendor = "Advanced Micro Devices, Inc.",                             \
                             .platform = "AMD Accelerated Parallel Processing",                    \
                             .extensions = "cl_khr_fp16",                                          \
                             .vendor_id = 0x1002,                                                  \
                             .compute_units = units,                                               \
                             .max_work_group = 256,                                                \
                             .local_bytes = 64 << 10}
#define NVIDIA(chip, model, units)                                                                 \
    .name = chip, .device = {.name = model,                                                        \
                             .vendor = "NVIDIA Corporation",                                       \
                             .platform = "NVIDIA CUDA",                                            \
                             .extensions = "cl_nv_device_attribute_query",                         \
                             .vendor_id = 0x10de,                                                  \
                             .compute_units = units,                                               \
                             .max_work_group = 1024,                                               \
                             .local_bytes = 48 << 10}
#define INTEL(chip, model, units, local)                                                           \
    .name = chip,                                                                                  \
    .device = {.name = model,                                                                      \
               .vendor = "Intel(R) Corporation",                                                   \
               .platform = "Intel(R) OpenCL Graphics",                                             \
               .extensions = "cl_khr_fp16 cl_intel_subgroups cl_intel_required_subgroup_size",     \
               .vendor_id = 0x8086,                                                                \
               .compute_units = units,                                                             \
               .max_work_group = 1024,                                                             \
               .local_bytes = local}

/* What kernels may use after the probes were right. */
#define USES(by, sizes, matrix, subnormals)                                                        \
    .lanes = by, .subgroup_sizes = sizes, .engine = matrix, .engine_subnormals = subnormals

const struct offline_target offline_targets[] = {
    {AMD("gfx90a", 104),
     .probed = {.fp16 = true, USES(CLATTN_LANES_AMD, 64, CLATTN_ENGINE_AMD_MFMA, false)}},
    {AMD("gfx942", 304),
     .probed = {.fp16 = true, USES(CLATTN_LANES_AMD, 64, CLATTN_ENGINE_AMD_MFMA, true)}},
    {AMD("gfx1100", 48),
     .probed = {.fp16 = true, USES(CLATTN_LANES_AMD, 32, CLATTN_ENGINE_AMD_WMMA, true)}},
    {AMD("gfx1200", 16),
     .probed = {.fp16 = true, USES(CLATTN_LANES_AMD, 32, CLATTN_ENGINE_AMD_WMMA_GFX12, true)}},
    {NVIDIA("sm_80", "NVIDIA A100", 108),
     .probed = {USES(CLATTN_LANES_NV, 32, CLATTN_ENGINE_NV_MMA, true)}},
    {NVIDIA("sm_90", "NVIDIA H100", 132),
     .probed = {USES(CLATTN_LANES_NV, 32, CLATTN_ENGINE_NV_MMA, true)}},
    {INTEL("dg2", "Intel(R) Arc(TM) A770 Graphics", 512, 64 << 10),
     .probed = {.fp16 = true,
                USES(CLATTN_LANES_INTEL, 8 | 16 | 32, CLATTN_ENGINE_INTEL_DPAS_8, true)}},
    {INTEL("pvc", "Intel(R) Data Center GPU Max 1550", 512, 128 << 10),
     .probed = {.fp16 = true,
                USES(CLATTN_LANES_INTEL, 16 | 32, CLATTN_ENGINE_INTEL_DPAS_16, true)}},
    {0},
};
