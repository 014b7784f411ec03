/* RMSNorm (Zhang and Sennrich 2019) and LayerNorm (Ba et al. 2016) of each row and head:
 *
 *   x += residual, kept in sum
 *   y  = (x - mean) / sqrt(mean of (x - mean)^2 + epsilon) * weight + bias
 *
 * with mean 0 for RMSNorm.  The mean is a float, rounded, which matters where it is large
 * beside what is about it.  So what it is off by is measured, too: the mean of x - mean
 * (the corrected two-pass algorithm, Chan, Golub and LeVeque 1983).
 *
 * Launch: global {rows rounded up, heads, batch}; any local size.
 * Params: ABOUT_MEAN (LayerNorm), ITEMS, and those of norm.h. */
#include "base.h"
#include "block/arguments.h"
#include "block/norm.h"

#define PART 256 /* columns summed at a time: long sums lose fewer digits in parts */

/* The means of x - centre and of its square. */
static inline float2 moments(const struct row *row, const float centre, const int columns)
{
    float2 sum = 0.0f;
    for (int c0 = 0; c0 < columns; c0 += PART) {
        float2 part = 0.0f;
        for (int c = c0; c < min(c0 + PART, columns); c++) {
            const float d = again(row, c) - centre;
            part += (float2)(d, d * d);
        }
        sum += part;
    }
    return sum / columns;
}

__kernel void block_norm(NORM_ARGUMENTS)
{
    const int i = get_global_id(0), h = get_global_id(1), b = get_global_id(2);
    if (i >= rows || h >= heads) {
        return;
    }
    const struct row row = ROW(b, i, h);
    for (int c = 0; WITH_SUM && c < columns; c++) {
        take(&row, c);
    }
    const float centre = ABOUT_MEAN ? moments(&row, 0.0f, columns).x : 0.0f;
    const float2 about = moments(&row, centre, columns);
    const float off = ABOUT_MEAN ? about.x : 0.0f;
    const float scale = rsqrt(about.y - off * off + epsilon);
    for (int c = 0; c < columns; c++) {
        finish(&row, c, (again(&row, c) - centre - off) * scale);
    }
    if (mean) {
        store(F32, mean, place(mean_at, b, i, h), centre + off);
    }
    if (inverse) {
        store(F32, inverse, place(inverse_at, b, i, h), scale);
    }
}
