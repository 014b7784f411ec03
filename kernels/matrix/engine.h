/* The fragment layer: one interface over every matrix engine, so that algorithms are written once.
 *
 * A block is 16 keys (or value columns) x QUERIES results in f32, spread over the lanes of a
 * sub-group.  It is made from two operands that are 16 long in the direction that is summed:
 *   block += column_part (16 keys x 16)  *  row_part (QUERIES x 16)
 * and the weights of 16 keys, a block of the first product, become a row_part of the second without
 * leaving the sub-group.  Which operand an instruction calls A is each header's own business.
 * The layouts are those that the makers publish; all lanes of a sub-group reach every call.
 *
 * Each engine has SUBGROUP and LANES_BY (lanes.h), and its header gives
 *   QUERIES, SCORES       of a block: queries, and floats that a lane holds
 *   ROWS                  queries that a lane has results of: slots 0 .. ROWS - 1
 *   LOWEST_SHARED, SHARED the lanes that share a row differ in bits LOWEST_SHARED .. SHARED / 2
 *   block, row_part, column_part; SCORE(block, e), times_plus if blocks are no vectors
 *   slot_of(e)            of result e of a lane
 *   row_of(lane, slot)    its query, inner_of(lane, e) its key or column
 *   KEY_AT, VALUE_AT      where key and column lie in the tiles in local memory, in halves; with
 *                         VALUES_PAIRED a column's values of keys 2n and 2n + 1 are neighbours there,
 *                         and VALUES_ABREAST chunks of 8 columns are written side by side
 *   KEY_TILE, VALUE_TILE  halves of a tile
 *   load_row_part, load_key_part, load_value_part, weights_part, multiply
 *   ASYNC_COPY            1: global memory is copied to local by copy_async, end_copies, wait_copies
 *   QUERIES_IN_LOCAL      1: registers do not suffice for row_parts of queries, but for the first
 *                         QUERIES_BESIDE; keep_row_part stores one, which kept_row_part reads again
 *   SPLIT                 1: the two sub-groups of a pair multiply together, see PAIRS
 *   TO_BF16               the hardware's conversion, if it has one
 *
 * Params: ENGINE (a clattn_engine), EMULATED (1: the instructions are computed lane by lane, on any
 * device that has sub-groups of that size), TYPE (F16 or BF16), STAGES (tiles in local memory: 2
 * and more with ASYNC_COPY, else 1).  TILE_K, HEAD_STEPS and VALUE_STEPS
 * (of 16 columns) are the algorithm's, and PAIRS: 1 if sub-groups 2n and 2n + 1 load the same
 * column_parts and reach every load of one and every multiply together. */
#define NV_MMA 1
#define AMD_WMMA 2
#define AMD_WMMA_GFX12 3
#define AMD_MFMA 4
#define INTEL_DPAS_8 5
#define INTEL_DPAS_16 6

#if ENGINE == NV_MMA
#define SUBGROUP 32
#define MAKER 2 /* a clattn_lanes */
#elif ENGINE == AMD_WMMA || ENGINE == AMD_WMMA_GFX12
#define SUBGROUP 32
#define MAKER 3
#elif ENGINE == AMD_MFMA
#define SUBGROUP 64
#define MAKER 3
#elif ENGINE == INTEL_DPAS_8
#define SUBGROUP 8
#define MAKER 1
#else
#define SUBGROUP 16
#define MAKER 1
#endif
#if EMULATED
#define LANES_BY 1
#else
#define LANES_BY MAKER
#endif
#include "lanes.h"

/* What emulation needs; nothing of it is left where instructions are real. */
struct engine {
    int lane;
    __local float *exchange; /* EXCHANGE floats of this sub-group */
    int second;              /* 1 in the second sub-group of a pair */
};

/* The hardware's exp2, which takes a number too small for it as 0; and halves of two numbers as one. */
#if LANES_BY == LANES_BY_AMD
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
static inline float fast_exp2(const float x) { return __builtin_amdgcn_exp2f(x); }
static inline uint lower_halves(const uint a, const uint b) { return __builtin_amdgcn_perm(b, a, 0x05040100); }
static inline uint upper_halves(const uint a, const uint b) { return __builtin_amdgcn_perm(b, a, 0x07060302); }
#else
/* Of 0 a CPU's native one may be 0.99993. */
static inline float fast_exp2(const float x) { return EMULATED ? exp2(x) : native_exp2(x); }
static inline uint lower_halves(const uint a, const uint b) { return (a & 0xffff) | b << 16; }
static inline uint upper_halves(const uint a, const uint b) { return a >> 16 | (b & 0xffff0000); }
#endif

/* Half or bf16 bits of a float. */
static inline ushort part_bits(const float value)
{
    ushort bits;
    if (TYPE == BF16) {
        bits = bf16_bits(value);
    } else {
        vstore_half_rte(value, 0, (half *)&bits);
    }
    return bits;
}

static inline float part_value(const ushort bits)
{
    return TYPE == BF16 ? as_float((uint)bits << 16) : vload_half(0, (const half *)&bits);
}

#if EMULATED
#include "matrix/emulated.h"
#else
#define EXCHANGE 1
#endif

#if MAKER == LANES_BY_AMD
#include "matrix/amd.h"
#endif
#if ENGINE == NV_MMA
#include "matrix/nv_mma.h"
#elif ENGINE == AMD_WMMA || ENGINE == AMD_WMMA_GFX12
#include "matrix/amd_wmma.h"
#elif ENGINE == AMD_MFMA
#include "matrix/amd_mfma.h"
#else
#include "matrix/intel_dpas.h"
#endif

#ifndef TO_BF16
#define TO_BF16 bf16_bits
#endif
#ifndef QUERIES_IN_LOCAL
#define QUERIES_IN_LOCAL 0
#endif
#ifndef SPLIT
#define SPLIT 0
#endif
#ifndef OCCUPANCY
#define OCCUPANCY
#endif
#if !ASYNC_COPY
static inline void end_copies(void) {}
static inline void wait_copies(void) {}
#endif

/* Most engines' blocks are vectors. */
#ifndef SCORE
#define SCORE(block, e) (block)[e]
static inline block times_plus(const block scores, const float by, const block more) { return scores * by + more; }
#endif

/* Blocks are made as a whole: Intel's compiler keeps registers for a vector that is written piece by
 * piece from where it was first written, around the loop. */
static inline block block_of(const float *values)
{
    block made;
    for (int e = 0; e < SCORES; e++) {
        SCORE(made, e) = values[e];
    }
    return made;
}

static inline block no_scores(void)
{
    float none[SCORES];
    for (int e = 0; e < SCORES; e++) {
        none[e] = 0.0f;
    }
    return block_of(none);
}

static inline float row_max(const float v) { return lanes_max(v, LOWEST_SHARED, SHARED); }
static inline float row_sum(const float v) { return lanes_sum(v, LOWEST_SHARED, SHARED); }

/* The first of the lanes that share a row. */
static inline bool leads_row(const int lane) { return (lane & (SHARED - LOWEST_SHARED)) == 0; }
