/* NVIDIA, sm_80 and later: mma.sync m16n8k16 through inline PTX.
 *
 * A is the row_part (16 queries), B two halves of a column_part (8 keys each), so that a block is
 * two C tiles side by side.  C of the first product is, packed, A of the second.
 * Layouts: PTX ISA, "Matrix Fragments for mma.m16n8k16" and "ldmatrix". */
#define QUERIES 16
#define SCORES 8
#define ROWS 2
#define LOWEST_SHARED 1
#define SHARED 4
#define ASYNC_COPY 1

typedef float8 block;
typedef uint4 row_part;
typedef uint4 column_part;

static inline int slot_of(const int e) { return e / 2 % 2; }
static inline int row_of(const int lane, const int slot) { return lane / 4 + 8 * slot; }
static inline int inner_of(const int lane, const int e) { return 2 * (lane % 4) + e % 2 + 8 * (e / 4); }

/* Rows of 16 columns and 16 bytes more: eight of them lie in different banks. */
#define KEY_PITCH (HEAD_STEPS * 16 + 8)
#define VALUE_PITCH (VALUE_STEPS * 16 + 8)
#define KEY_AT(key, column) ((key) * KEY_PITCH + (column))
#define VALUE_AT(key, column) ((key) * VALUE_PITCH + (column))
#define VALUES_PAIRED 0
#define KEY_TILE (TILE_K * KEY_PITCH)
#define VALUE_TILE (TILE_K * VALUE_PITCH)

#if EMULATED
#define COPIES 1
#define COLUMN_HALVES 8
#define ROW_HALVES 8

static inline int copy_of(const int lane) { return 0; }
static inline int column_inner(const int lane, const int e) { return lane / 4 + 8 * (e / 4); }
static inline int column_k(const int lane, const int e) { return 2 * (lane % 4) + e % 2 + 8 * (e / 2 % 2); }
static inline int row_query(const int lane, const int e) { return lane / 4 + 8 * (e / 2 % 2); }
static inline int row_k(const int lane, const int e) { return 2 * (lane % 4) + e % 2 + 8 * (e / 4); }

EMULATED_MULTIPLY

/* Lane 8 m + i gives the address of row i of matrix m; register m holds columns 2 (lane % 4) and
 * the next of row lane / 4, or with across, of column lane / 4 rows so numbered. */
static inline uint4 load_matrices(const struct engine *engine, __local const ushort *tile, const int at,
                                  const bool across)
{
    uint parts[4];
    for (int m = 0; m < 4; m++) {
        ushort halves[2];
        for (int h = 0; h < 2; h++) {
            const int row = across ? 2 * (engine->lane % 4) + h : engine->lane / 4;
            const int column = across ? engine->lane / 4 : 2 * (engine->lane % 4) + h;
            halves[h] = tile[(int)lane_at_bits((uint)at, 8 * m + row) + column];
        }
        parts[m] = halves[0] | (uint)halves[1] << 16;
    }
    return (uint4)(parts[0], parts[1], parts[2], parts[3]);
}

static inline uint pack(const float low, const float high) { return part_bits(low) | (uint)part_bits(high) << 16; }

static inline void copy_async(__local ushort *to, __global const ushort *from, const bool there)
{
    *(__local uint4 *)to = there ? *(__global const uint4 *)from : (uint4)(0);
}
static inline void end_copies(void) {}
static inline void wait_copies(void) {}

#else
/* A local pointer is an address within the shared window, which has less than 2^32 bytes. */
static inline uint shared_address(__local const ushort *at) { return (uint)(ulong)at; }

static inline uint4 load_matrices(const struct engine *engine, __local const ushort *tile, const int at,
                                  const bool across)
{
    uint4 part;
    const uint from = shared_address(tile + at);
    if (across) {
        __asm__ volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                         : "=r"(part.x), "=r"(part.y), "=r"(part.z), "=r"(part.w)
                         : "r"(from)
                         : "memory");
    } else {
        __asm__ volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                         : "=r"(part.x), "=r"(part.y), "=r"(part.z), "=r"(part.w)
                         : "r"(from)
                         : "memory");
    }
    return part;
}

static inline float4 mma(const row_part a, const uint2 b, float4 c)
{
    if (TYPE == BF16) {
        __asm__ volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                         "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                         : "+f"(c.x), "+f"(c.y), "+f"(c.z), "+f"(c.w)
                         : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b.x), "r"(b.y));
    } else {
        __asm__ volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                         "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                         : "+f"(c.x), "+f"(c.y), "+f"(c.z), "+f"(c.w)
                         : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b.x), "r"(b.y));
    }
    return c;
}

static inline block multiply(const struct engine *engine, const column_part column, const row_part row,
                             const block sum)
{
    return (block)(mma(row, column.xy, sum.lo), mma(row, column.zw, sum.hi));
}

/* The first source of cvt goes to the upper half. */
static inline uint pack(const float low, const float high)
{
    uint out;
    if (TYPE == BF16) {
        __asm__("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
    } else {
        __asm__("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
    }
    return out;
}

/* 16 bytes, or zeros: the source is not read then. */
static inline void copy_async(__local ushort *to, __global const ushort *from, const bool there)
{
    __asm__ volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"((ulong)from),
                     "r"(there ? 16 : 0)
                     : "memory");
}
/* Copies since the last of these belong together; all but the latest STAGES - 2 are waited for. */
static inline void end_copies(void) { __asm__ volatile("cp.async.commit_group;" ::: "memory"); }
static inline void wait_copies(void) { __asm__ volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory"); }
#endif

static inline row_part load_row_part(const struct engine *engine, __local const ushort *tile, const int pitch)
{
    const int lane = engine->lane;
    return load_matrices(engine, tile, lane % 16 * pitch + 8 * (lane / 16), false);
}

static inline column_part load_key_part(const struct engine *engine, __local const ushort *tile, const int key,
                                        const int column)
{
    const int lane = engine->lane;
    return load_matrices(engine, tile, KEY_AT(key + lane % 8 + 8 * (lane / 16), column + 8 * (lane / 8 % 2)), false);
}

static inline column_part load_value_part(const struct engine *engine, __local const ushort *tile, const int key,
                                          const int column)
{
    const int lane = engine->lane;
    return load_matrices(engine, tile, VALUE_AT(key + lane % 16, column + 8 * (lane / 16)), true);
}

static inline row_part weights_part(const struct engine *engine, const block p)
{
    return (row_part)(pack(p.s0, p.s1), pack(p.s2, p.s3), pack(p.s4, p.s5), pack(p.s6, p.s7));
}
