/* AMD, CDNA (gfx90a, gfx942): v_mfma_f32_16x16x16, in wave64.
 *
 * MI200 (gfx90a) takes subnormal numbers for 0 and gives none; later ones keep them.
 * Layouts: AMD matrix instruction calculator, CDNA 2 and 3. */
#define SCORES 4

typedef float4 block;
typedef uint2 row_part;
typedef uint2 column_part;

static inline int inner_of(const int lane, const int e) { return 4 * (lane / 16) + e; }

/* 8 bytes more to a row: 16 lanes, which read 8 bytes of as many rows, find them in all banks. */
#define KEY_PITCH (HEAD_STEPS * 16 + 4)
#define VALUE_PITCH (TILE_K + 4)
#define KEY_AT(key, column) ((key) * KEY_PITCH + (column))
#define VALUE_AT(key, column) ((column) * VALUE_PITCH + (key))
#define KEY_TILE (TILE_K * KEY_PITCH)
#define VALUE_TILE (VALUE_STEPS * 16 * VALUE_PITCH)
#define VALUES_ABREAST 4

#if EMULATED
#define COPIES 1
#define COLUMN_HALVES 4
#define ROW_HALVES 4

static inline int copy_of(const int lane) { return 0; }
static inline int column_inner(const int lane, const int e) { return lane % 16; }
static inline int column_k(const int lane, const int e) { return 4 * (lane / 16) + e; }
static inline int row_query(const int lane, const int e) { return lane % 16; }
static inline int row_k(const int lane, const int e) { return 4 * (lane / 16) + e; }

EMULATED_MULTIPLY

#else
/* With two groups to a unit no more than 256 registers are a lane's, all of which any instruction can
 * use: of 512, half are for matrix instructions alone. */
#define OCCUPANCY __attribute__((amdgpu_waves_per_eu(2)))

static inline block multiply(const struct engine *engine, const column_part column, const row_part row,
                             const block sum)
{
    return TYPE == BF16
               ? __builtin_amdgcn_mfma_f32_16x16x16bf16_1k(as_short4(column), as_short4(row), sum, 0, 0, 0)
               : __builtin_amdgcn_mfma_f32_16x16x16f16(as_half4(column), as_half4(row), sum, 0, 0, 0);
}
#endif

static inline uint2 load_halves(__local const ushort *at) { return *(__local const uint2 *)at; }

static inline row_part load_row_part(const struct engine *engine, __local const ushort *tile, const int pitch)
{
    return load_halves(tile + engine->lane % 16 * pitch + 4 * (engine->lane / 16));
}

static inline column_part load_key_part(const struct engine *engine, __local const ushort *tile, const int key,
                                        const int column)
{
    return load_halves(tile + KEY_AT(key + engine->lane % 16, column + 4 * (engine->lane / 16)));
}

static inline column_part load_value_part(const struct engine *engine, __local const ushort *tile, const int key,
                                          const int column)
{
    return load_halves(tile + VALUE_AT(key + 4 * (engine->lane / 16), column + engine->lane % 16));
}

static inline row_part weights_part(const struct engine *engine, const block p)
{
    return (row_part)(pack(p.s0, p.s1), pack(p.s2, p.s3));
}
