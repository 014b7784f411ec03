/* What a driver's device library gives kernels and clang alone does not: work-item functions, the
 * barrier, and the maths that a GPU has in hardware.  The rest comes from libclc. */
#define OVERLOADED __attribute__((overloadable))

#ifdef __AMDGCN__
#define ABOUT_LAUNCH ((__constant const uchar *)__builtin_amdgcn_implicitarg_ptr())
size_t OVERLOADED get_local_id(uint d)
{
    return d == 0   ? __builtin_amdgcn_workitem_id_x()
           : d == 1 ? __builtin_amdgcn_workitem_id_y()
                    : __builtin_amdgcn_workitem_id_z();
}
size_t OVERLOADED get_group_id(uint d)
{
    return d == 0   ? __builtin_amdgcn_workgroup_id_x()
           : d == 1 ? __builtin_amdgcn_workgroup_id_y()
                    : __builtin_amdgcn_workgroup_id_z();
}
size_t OVERLOADED get_num_groups(uint d) { return ((__constant const uint *)ABOUT_LAUNCH)[d]; }
size_t OVERLOADED get_local_size(uint d)
{
    return ((__constant const ushort *)(ABOUT_LAUNCH + 12))[d];
}
size_t OVERLOADED get_global_id(uint d)
{
    return get_group_id(d) * get_local_size(d) + get_local_id(d);
}
size_t OVERLOADED get_global_size(uint d) { return get_num_groups(d) * get_local_size(d); }
void OVERLOADED barrier(cl_mem_fence_flags flags)
{
    __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");
    __builtin_amdgcn_s_barrier();
    __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");
}
float OVERLOADED exp2(float x) { return __builtin_amdgcn_exp2f(x); }
float OVERLOADED log2(float x) { return __builtin_amdgcn_logf(x); }
float OVERLOADED rsqrt(float x) { return __builtin_amdgcn_rsqf(x); }
float OVERLOADED native_recip(float x) { return __builtin_amdgcn_rcpf(x); }
#endif

#ifdef __NVPTX__
#define IN_HARDWARE(instruction, x)                                                                \
    float y;                                                                                       \
    __asm__(instruction " %0, %1;" : "=f"(y) : "f"(x));                                            \
    return y
float OVERLOADED exp2(float x) { IN_HARDWARE("ex2.approx.ftz.f32", x); }
float OVERLOADED log2(float x) { IN_HARDWARE("lg2.approx.ftz.f32", x); }
float OVERLOADED rsqrt(float x) { IN_HARDWARE("rsqrt.approx.ftz.f32", x); }
float OVERLOADED native_recip(float x) { IN_HARDWARE("rcp.approx.ftz.f32", x); }
#endif

#define native_exp2 exp2
#define native_log2 log2
#define exp(x) exp2(1.44269504f * (x))
#define log(x) (0.693147181f * log2(x))
