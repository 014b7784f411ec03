/* f32 weights [batch, out_dim, in_dim] into the order of gemm/panel_wide.h: [batch][panel][in_dim]
 * [PANEL], PANEL = VECTORS * WIDTH outputs side by side; 0 behind out_dim.  Another out_dim rows, the gate's partner,
 * begin a panel of their own.
 *
 * Launch: global {panels, in_dim / COLUMNS rounded up, batch}, local {1, 1, 1}.
 * Params: WIDTH, VECTORS. */
#include "base.h"
#include "wide.h"

#define PANEL (VECTORS * WIDTH)
#define COLUMNS 256

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void gemm_pack_wide(__global const void *weight, const long4 weight_at, __global void *packed,
                    const long4 packed_at, const int out_dim, const int in_dim)
{
    const int panels = (out_dim + PANEL - 1) / PANEL, p = get_group_id(0), part = p / panels;
    const int first = part * out_dim, k0 = get_group_id(1) * COLUMNS, end = min(k0 + COLUMNS, in_dim);
    const int b = get_group_id(2);
    for (int n = 0; n < VECTORS; n++) {
        const int o = (p - part * panels) * PANEL + n * WIDTH;
        const long to = packed_at.x + b * packed_at.y + (long)p * in_dim * PANEL + n * WIDTH;
        int c = k0;
        for (; c + WIDTH <= end && o + WIDTH <= out_dim; c += WIDTH) {
            vfloat rows[WIDTH];
            UNROLL
            for (int r = 0; r < WIDTH; r++) {
                rows[r] = load_wide(F32, weight, place(weight_at, b, first + o + r, 0) + c);
            }
            transpose(rows);
            UNROLL
            for (int r = 0; r < WIDTH; r++) {
                store_wide(F32, packed, to + (long)(c + r) * PANEL, rows[r]);
            }
        }
        for (; c < end; c++) {
            for (int r = 0; r < WIDTH; r++) {
                const float value =
                    o + r < out_dim ? load(F32, weight, place(weight_at, b, first + o + r, 0) + c) : 0.0f;
                store(F32, packed, to + (long)c * PANEL + r, value);
            }
        }
    }
}
