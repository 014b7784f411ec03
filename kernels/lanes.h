/* The lanes of a sub-group, and how they exchange values.
 *
 * OpenCL 1.2 has no sub-groups; what is used instead exists under -cl-std=CL1.2 on each maker's
 * compiler: cl_intel_subgroups (Intel, PoCL from 4 on), inline PTX (NVIDIA), builtins (AMD).
 * All lanes of a sub-group must reach each of these calls together, with the same masks.
 * Work-groups are {SUBGROUP * TEAMS, 1, 1}: a team is a sub-group.
 *
 * Params: LANES_BY (a clattn_lanes), SUBGROUP (lanes of a sub-group, a power of two). */
#define LANES_BY_INTEL 1
#define LANES_BY_NV 2
#define LANES_BY_AMD 3

#if LANES_BY == LANES_BY_INTEL
#define SUBGROUPS __attribute__((intel_reqd_sub_group_size(SUBGROUP)))

static inline int lane_id(void) { return (int)get_sub_group_local_id(); }
static inline int team_id(void) { return (int)sub_group_broadcast(get_sub_group_id(), 0); }
static inline uint lane_at_bits(const uint v, const int lane) { return intel_sub_group_shuffle(v, (uint)lane); }
static inline uint lane_xor_bits(const uint v, const int mask) { return intel_sub_group_shuffle_xor(v, (uint)mask); }
static inline bool any_lane(const bool that) { return sub_group_any(that); }

#elif LANES_BY == LANES_BY_NV
#define SUBGROUPS

static inline int lane_id(void)
{
    uint lane;
    __asm__ volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
    return (int)lane;
}
static inline int team_id(void) { return (int)get_local_id(0) / SUBGROUP; }
static inline uint lane_at_bits(const uint v, const int lane)
{
    uint out;
    __asm__ volatile("shfl.sync.idx.b32 %0, %1, %2, 0x1f, 0xffffffff;" : "=r"(out) : "r"(v), "r"(lane));
    return out;
}
static inline uint lane_xor_bits(const uint v, const int mask)
{
    uint out;
    __asm__ volatile("shfl.sync.bfly.b32 %0, %1, %2, 0x1f, 0xffffffff;" : "=r"(out) : "r"(v), "r"(mask));
    return out;
}
static inline bool any_lane(const bool that)
{
    uint out;
    __asm__ volatile("{ .reg .pred p, r; setp.ne.u32 p, %1, 0; vote.sync.any.pred r, p, 0xffffffff; "
                     "selp.u32 %0, 1, 0, r; }"
                     : "=r"(out)
                     : "r"((uint)that));
    return out != 0;
}

#elif LANES_BY == LANES_BY_AMD
#define SUBGROUPS

static inline int lane_id(void)
{
    const uint low = __builtin_amdgcn_mbcnt_lo(~0u, 0u);
    return (int)(SUBGROUP == 64 ? __builtin_amdgcn_mbcnt_hi(~0u, low) : low);
}
/* The compiler does not see by itself that all lanes agree. */
static inline int team_id(void) { return __builtin_amdgcn_readfirstlane((int)get_local_id(0) / SUBGROUP); }
static inline uint lane_at_bits(const uint v, const int lane)
{
    return (uint)__builtin_amdgcn_ds_bpermute(lane << 2, (int)v);
}
/* ds_swizzle takes its pattern as a constant: and-mask 31, xor-mask in bits 10 to 14. */
static inline uint lane_xor_bits(const uint v, const int mask)
{
    return (uint)(mask == 1    ? __builtin_amdgcn_ds_swizzle((int)v, 0x041f)
                  : mask == 2  ? __builtin_amdgcn_ds_swizzle((int)v, 0x081f)
                  : mask == 4  ? __builtin_amdgcn_ds_swizzle((int)v, 0x101f)
                  : mask == 8  ? __builtin_amdgcn_ds_swizzle((int)v, 0x201f)
                  : mask == 16 ? __builtin_amdgcn_ds_swizzle((int)v, 0x401f)
                               : __builtin_amdgcn_ds_bpermute((lane_id() ^ mask) << 2, (int)v));
}
static inline bool any_lane(const bool that)
{
    return SUBGROUP == 64 ? __builtin_amdgcn_ballot_w64(that) != 0 : __builtin_amdgcn_ballot_w32(that) != 0;
}
#endif

static inline float lane_at(const float v, const int lane) { return as_float(lane_at_bits(as_uint(v), lane)); }
static inline float lane_xor(const float v, const int mask) { return as_float(lane_xor_bits(as_uint(v), mask)); }

/* Over the lanes whose numbers differ only in bits low, 2 * low, ... below end. */
static inline float lanes_max(float v, const int low, const int end)
{
    for (int mask = low; mask < end; mask <<= 1) {
        const float other = lane_xor(v, mask);
        v = other > v ? other : v;
    }
    return v;
}

static inline float lanes_sum(float v, const int low, const int end)
{
    for (int mask = low; mask < end; mask <<= 1) {
        v += lane_xor(v, mask);
    }
    return v;
}
