/* Intel: dpas.8x8 of cl_intel_subgroup_matrix_multiply_accumulate, in sub-groups of the device's
 * smallest size: 8 (Arc A: INTEL_DPAS_8) or 16 (Data Center Max, Xe2: INTEL_DPAS_16).  Arc's engines
 * are fused by twos, and sub-groups that go in PAIRS use dpasw.8x8 of
 * cl_intel_subgroup_split_matrix_multiply_accumulate where it is: each reads half of A for both.
 *
 * A is a column_part in two halves of 8 keys, B the row_part: a lane is a query, and holds its scores
 * of a block's 16 keys.  C of the first product is, packed, B of the second, and no lane needs another.
 * A row of A, 16 halves, is 32 bytes: neighbours in the tiles, so that a block read is an operand.  Of
 * values that row is a column, hence pairs of keys.
 * Of A's 8 rows the first sub-group of a pair (with an even number) has the first 4 in its int4, the
 * second the others; B, C and the result are each one's own.
 * Layouts: SPV_INTEL_subgroup_matrix_multiply_accumulate, "Mapping Matrix Data to Invocations";
 * of pairs: DPASW.md of Intel's graphics compiler. */

/* A driver with the one extension names the other, too, if it has it; Intel's offline compiler names
 * none, see below. */
#if EMULATED || defined(cl_intel_subgroup_split_matrix_multiply_accumulate) ||                     \
    !defined(cl_intel_subgroup_matrix_multiply_accumulate)
#define SPLIT (PAIRS && ENGINE == INTEL_DPAS_8)
#else
#define SPLIT 0
#endif
#define QUERIES SUBGROUP
#define SCORES 16
#define ROWS 1
#define LOWEST_SHARED 1
#define SHARED 1

typedef struct {
    float8 part[2]; /* of 8 keys each: one vector would be copied before and after each instruction */
} block;
#define SCORE(block, e) (block).part[(e) / 8][(e) % 8]

static inline block times_plus(const block scores, const float by, const block more)
{
    return (block){{scores.part[0] * by + more.part[0], scores.part[1] * by + more.part[1]}};
}

typedef int8 row_part;
#if SPLIT && !EMULATED
typedef struct {
    int4 part[2]; /* of 8 keys each, what this sub-group has of them */
} column_part;
#elif ENGINE == INTEL_DPAS_8
typedef int16 column_part;
#else
typedef short16 column_part;
#endif

static inline int slot_of(const int e) { return 0; }
static inline int row_of(const int lane, const int slot) { return lane; }
static inline int inner_of(const int lane, const int e) { return e; }

/* Rows of 16 halves: keys of 16 columns; columns of 16 keys.  What lanes write together lies in
 * different banks: 16 columns, or 8, are an odd number of 16 bytes apart. */
#define KEY_PITCH (TILE_K * 16 + 16)
#define VALUE_PITCH (8 * 16 + 8)
#define KEY_AT(key, column) ((column) / 16 * KEY_PITCH + (key) * 16 + (column) % 16)
#define VALUE_AT(key, column)                                                                      \
    (((key) / 16 * VALUE_STEPS * 2 + (column) / 8) * VALUE_PITCH + (column) % 8 * 16 + (key) % 16)
#define VALUES_PAIRED 1
#define KEY_TILE (HEAD_STEPS * KEY_PITCH)
#define VALUE_TILE (TILE_K / 16 * VALUE_STEPS * 2 * VALUE_PITCH)
#define ASYNC_COPY 0
#define QUERIES_IN_LOCAL (HEAD_DIM > 64) /* results take half of the registers */
#define QUERIES_BESIDE (SPLIT ? 18 - 2 * VALUE_STEPS : 0) /* 8 registers each, a block 16: 144 */

/* The rows of 8 that a sub-group of a pair reads. */
static inline __local const ushort *half_of(__local const ushort *rows, const int second)
{
    return rows + second * 4 * 16;
}

#if EMULATED
#define COPIES 1
#define COLUMN_HALVES (256 / SUBGROUP)
#define ROW_HALVES 16

static inline int copy_of(const int lane) { return 0; }
static inline int column_inner(const int lane, const int e) { return ENGINE == INTEL_DPAS_8 ? e / 2 : e; }
static inline int column_k(const int lane, const int e) { return ENGINE == INTEL_DPAS_8 ? 2 * lane + e % 2 : lane; }
static inline int row_query(const int lane, const int e) { return lane; }
static inline int row_k(const int lane, const int e) { return e; }

EMULATED_MULTIPLY

static inline row_part kept_row_part(const struct engine *engine, __local const ushort *from)
{
    row_part part;
    for (int i = 0; i < 8; i++) {
        part[i] = ((__local const int *)from)[i * SUBGROUP + engine->lane];
    }
    return part;
}

/* Lane l of component i of the operand holds what is i * SUBGROUP + l elements behind its begin. */
static inline column_part load_operand(const struct engine *engine, __local const ushort *low,
                                       __local const ushort *high)
{
    column_part part;
    for (int i = 0; i < 8; i++) {
        const int at = i * SUBGROUP + engine->lane;
#if SPLIT /* both halves, as there is no partner's to take */
        const int own = i % 4 * SUBGROUP + engine->lane;
        part[i] = ((__local const int *)half_of(low, i / 4))[own];
        part[i + 8] = ((__local const int *)half_of(high, i / 4))[own];
#elif ENGINE == INTEL_DPAS_8
        part[i] = ((__local const int *)low)[at];
        part[i + 8] = ((__local const int *)high)[at];
#else
        part[i] = low[at];
        part[i + 8] = high[at];
#endif
    }
    return part;
}

static inline int pack(const float low, const float high) { return (int)(part_bits(low) | (uint)part_bits(high) << 16); }

static inline row_part weights_part(const struct engine *engine, const block p)
{
    row_part part;
    for (int i = 0; i < 8; i++) {
        part[i] = pack(SCORE(p, 2 * i), SCORE(p, 2 * i + 1));
    }
    return part;
}

#else
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define TO_BF16 intel_convert_bfloat16_as_ushort
/* Drivers that have an extension say so and declare its functions; Intel's offline compiler has the
 * functions alone. */
#if ENGINE == INTEL_DPAS_8
#define OPERAND int8
#else
#define OPERAND short8
#endif
#ifndef cl_intel_subgroup_local_block_io
uint4 __attribute__((overloadable, convergent)) intel_sub_group_block_read4(const __local uint *p);
uint8 __attribute__((overloadable, convergent)) intel_sub_group_block_read8(const __local uint *p);
ushort8 __attribute__((overloadable, convergent)) intel_sub_group_block_read_us8(const __local ushort *p);
#endif
#ifndef cl_intel_bfloat16_conversions
ushort __attribute__((overloadable)) intel_convert_bfloat16_as_ushort(float value);
#endif
#ifndef cl_intel_subgroup_matrix_multiply_accumulate
float8 __attribute__((overloadable, convergent)) intel_sub_group_f16_f16_matrix_mad_k16(OPERAND a, int8 b, float8 c);
float8 __attribute__((overloadable, convergent)) intel_sub_group_bf16_bf16_matrix_mad_k16(OPERAND a, int8 b, float8 c);
#endif
#if SPLIT && !defined(cl_intel_subgroup_split_matrix_multiply_accumulate)
float8 __attribute__((overloadable, convergent)) intel_sub_group_f16_f16_split_matrix_mad_k16(int4 a, int8 b, float8 c);
float8 __attribute__((overloadable, convergent)) intel_sub_group_bf16_bf16_split_matrix_mad_k16(int4 a, int8 b, float8 c);
#endif

#if SPLIT
#define MULTIPLY_F16(a, n, b, c) intel_sub_group_f16_f16_split_matrix_mad_k16((a).part[n], b, c)
#define MULTIPLY_BF16(a, n, b, c) intel_sub_group_bf16_bf16_split_matrix_mad_k16((a).part[n], b, c)
#else
#define MULTIPLY_F16(a, n, b, c) intel_sub_group_f16_f16_matrix_mad_k16((n) ? (a).hi : (a).lo, b, c)
#define MULTIPLY_BF16(a, n, b, c) intel_sub_group_bf16_bf16_matrix_mad_k16((n) ? (a).hi : (a).lo, b, c)
#endif

static inline block multiply(const struct engine *engine, const column_part column, const row_part row,
                             const block sum)
{
    if (TYPE == BF16) {
        return (block){{MULTIPLY_BF16(column, 0, row, sum.part[0]), MULTIPLY_BF16(column, 1, row, sum.part[1])}};
    }
    return (block){{MULTIPLY_F16(column, 0, row, sum.part[0]), MULTIPLY_F16(column, 1, row, sum.part[1])}};
}

static inline column_part load_operand(const struct engine *engine, __local const ushort *low,
                                       __local const ushort *high)
{
#if SPLIT /* a read of both would be copied to where each is wanted */
    return (column_part){{as_int4(intel_sub_group_block_read4((__local const uint *)half_of(low, engine->second))),
                          as_int4(intel_sub_group_block_read4((__local const uint *)half_of(high, engine->second)))}};
#elif ENGINE == INTEL_DPAS_8
    return as_int16((uint16)(intel_sub_group_block_read8((__local const uint *)low),
                             intel_sub_group_block_read8((__local const uint *)high)));
#else
    return as_short16((ushort16)(intel_sub_group_block_read_us8(low), intel_sub_group_block_read_us8(high)));
#endif
}

static inline row_part kept_row_part(const struct engine *engine, __local const ushort *from)
{
    return as_int8(intel_sub_group_block_read8((__local const uint *)from));
}

static inline row_part weights_part(const struct engine *engine, const block p)
{
    if (TYPE == F16) {
        return (row_part)(as_int4(convert_half8_rte(p.part[0])), as_int4(convert_half8_rte(p.part[1])));
    }
    uint pairs[8];
    for (int i = 0; i < 8; i++) {
        pairs[i] = intel_convert_bfloat16_as_ushort(SCORE(p, 2 * i)) |
                   (uint)intel_convert_bfloat16_as_ushort(SCORE(p, 2 * i + 1)) << 16;
    }
    return (row_part)(pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5], pairs[6], pairs[7]);
}
#endif

static inline row_part load_row_part(const struct engine *engine, __local const ushort *tile, const int pitch)
{
    __local const int4 *row = (__local const int4 *)(tile + engine->lane * pitch);
    return (row_part)(row[0], row[1]);
}

/* As it is read again at once. */
static inline void keep_row_part(const struct engine *engine, __local ushort *to, const row_part part)
{
    for (int i = 0; i < 8; i++) {
        ((__local int *)to)[i * SUBGROUP + engine->lane] = part[i];
    }
}

static inline column_part load_key_part(const struct engine *engine, __local const ushort *tile, const int key,
                                        const int column)
{
    return load_operand(engine, tile + KEY_AT(key, column), tile + KEY_AT(key + 8, column));
}

static inline column_part load_value_part(const struct engine *engine, __local const ushort *tile, const int key,
                                          const int column)
{
    return load_operand(engine, tile + VALUE_AT(key, column), tile + VALUE_AT(key, column + 8));
}
