/* Intel: dpas.8x8 of cl_intel_subgroup_matrix_multiply_accumulate, in sub-groups of the device's
 * smallest size: 8 (Arc A: INTEL_DPAS_8) or 16 (Data Center Max, Xe2: INTEL_DPAS_16).
 *
 * A is a column_part in two halves of 8 keys, B the row_part: a lane is a query, and holds its scores
 * of a block's 16 keys.  C of the first product is, packed, B of the second, and no lane needs another.
 * A row of A, 16 halves, is 32 bytes: neighbours in the tiles, so that a block read is an operand.  Of
 * values that row is a column, hence pairs of keys.
 * Layouts: SPV_INTEL_subgroup_matrix_multiply_accumulate, "Mapping Matrix Data to Invocations". */
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
#if ENGINE == INTEL_DPAS_8
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
#if ENGINE == INTEL_DPAS_8
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

static inline block multiply(const struct engine *engine, const column_part column, const row_part row,
                             const block sum)
{
    if (TYPE == BF16) {
        return (block){{intel_sub_group_bf16_bf16_matrix_mad_k16(column.lo, row, sum.part[0]),
                        intel_sub_group_bf16_bf16_matrix_mad_k16(column.hi, row, sum.part[1])}};
    }
    return (block){{intel_sub_group_f16_f16_matrix_mad_k16(column.lo, row, sum.part[0]),
                    intel_sub_group_f16_f16_matrix_mad_k16(column.hi, row, sum.part[1])}};
}

static inline column_part load_operand(const struct engine *engine, __local const ushort *low,
                                       __local const ushort *high)
{
#if ENGINE == INTEL_DPAS_8
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
