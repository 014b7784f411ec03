/* AMD, RDNA 3 (gfx11: AMD_WMMA) and RDNA 4 (gfx12: AMD_WMMA_GFX12): v_wmma_f32_16x16x16, in wave32.
 *
 * On gfx12 lanes l and l + 16 share row l of an operand.  On gfx11 both hold all of it, and the rows
 * of C alternate between them: row r of A is made that of key, or column, natural(r), so that a lane
 * has results of eight that follow each other.
 *
 * Layouts: AMD matrix instruction calculator, RDNA 3 and 4. */
#define SCORES 8

typedef float8 block;
#if ENGINE == AMD_WMMA
#define WHOLE_ROWS 1
typedef uint8 row_part;
typedef uint8 column_part;
#else
#define WHOLE_ROWS 0
typedef uint4 row_part;
typedef uint4 column_part;
#endif

/* Of 16; and the inverse. */
static inline int natural(const int r) { return WHOLE_ROWS ? 8 * (r % 2) + r / 2 : r; }
#define UNNATURAL(r) (WHOLE_ROWS ? (r) / 16 * 16 + (r) % 8 * 2 + (r) / 8 % 2 : (r))

static inline int inner_of(const int lane, const int e)
{
    return WHOLE_ROWS ? natural(2 * e + lane / 16) : 8 * (lane / 16) + e;
}

/* 16 bytes more to a row: lanes that read 16 bytes of eight rows find them in all banks.  Rows lie in
 * the order of A. */
#define KEY_PITCH (HEAD_STEPS * 16 + 8)
#define VALUE_PITCH (TILE_K + 8)
#define KEY_AT(key, column) (UNNATURAL(key) * KEY_PITCH + (column))
#define VALUE_AT(key, column) (UNNATURAL(column) * VALUE_PITCH + (key))
#define KEY_TILE (TILE_K * KEY_PITCH)
#define VALUE_TILE (VALUE_STEPS * 16 * VALUE_PITCH)
#define VALUES_ABREAST 2

/* The first of an operand's columns that a lane holds. */
static inline int first_k(const int lane) { return WHOLE_ROWS ? 0 : 8 * (lane / 16); }

#if EMULATED
#define COPIES (1 + WHOLE_ROWS)
#define COLUMN_HALVES (8 + 8 * WHOLE_ROWS)
#define ROW_HALVES COLUMN_HALVES

static inline int copy_of(const int lane) { return WHOLE_ROWS ? lane / 16 : 0; }
static inline int column_inner(const int lane, const int e) { return natural(lane % 16); }
static inline int column_k(const int lane, const int e) { return first_k(lane) + e; }
static inline int row_query(const int lane, const int e) { return lane % 16; }
static inline int row_k(const int lane, const int e) { return first_k(lane) + e; }

EMULATED_MULTIPLY

static inline uint of_other_half(const uint v) { return lane_xor_bits(v, 16); }

#elif ENGINE == AMD_WMMA
static inline block multiply(const struct engine *engine, const column_part column, const row_part row,
                             const block sum)
{
    return TYPE == BF16 ? __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32(as_short16(column), as_short16(row), sum)
                        : __builtin_amdgcn_wmma_f32_16x16x16_f16_w32(as_half16(column), as_half16(row), sum);
}

/* Lane 16 + i takes that of i, and the reverse. */
static inline uint of_other_half(const uint v)
{
    return __builtin_amdgcn_permlanex16(v, v, 0x76543210, 0xfedcba98, false, false);
}

#else
static inline block multiply(const struct engine *engine, const column_part column, const row_part row,
                             const block sum)
{
    return TYPE == BF16 ? __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32_gfx12(as_short8(column), as_short8(row), sum)
                        : __builtin_amdgcn_wmma_f32_16x16x16_f16_w32_gfx12(as_half8(column), as_half8(row), sum);
}
#endif

#if ENGINE == AMD_WMMA
static inline column_part load_halves(__local const ushort *at)
{
    return (column_part)(((__local const uint4 *)at)[0], ((__local const uint4 *)at)[1]);
}
#else
static inline column_part load_halves(__local const ushort *at) { return *(__local const uint4 *)at; }
#endif

static inline row_part load_row_part(const struct engine *engine, __local const ushort *tile, const int pitch)
{
    return load_halves(tile + engine->lane % 16 * pitch + first_k(engine->lane));
}

static inline column_part load_key_part(const struct engine *engine, __local const ushort *tile, const int key,
                                        const int column)
{
    return load_halves(tile + (key + engine->lane % 16) * KEY_PITCH + column + first_k(engine->lane));
}

static inline column_part load_value_part(const struct engine *engine, __local const ushort *tile, const int key,
                                          const int column)
{
    return load_halves(tile + (column + engine->lane % 16) * VALUE_PITCH + key + first_k(engine->lane));
}

/* On gfx11 a lane has eight of its query's weights, and the lane 16 further the others. */
static inline row_part weights_part(const struct engine *engine, const block p)
{
    const uint4 own = (uint4)(pack(p.s0, p.s1), pack(p.s2, p.s3), pack(p.s4, p.s5), pack(p.s6, p.s7));
#if ENGINE == AMD_WMMA
    const uint4 other =
        (uint4)(of_other_half(own.x), of_other_half(own.y), of_other_half(own.z), of_other_half(own.w));
    return engine->lane < 16 ? (row_part)(own, other) : (row_part)(other, own);
#else
    return own;
#endif
}
