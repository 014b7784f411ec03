#include "ref.h"

#include <math.h>

static bool is_before(const double *x, int64_t a, int64_t b)
{
    if (isnan(x[a]) || isnan(x[b])) {
        return isnan(x[a]) && (!isnan(x[b]) || a < b);
    }
    return x[a] > x[b] || (x[a] == x[b] && a < b);
}

/* The next is the best of those behind the one before. */
void ref_topk(int64_t columns, const double *x, int64_t k, double *values, double *indices)
{
    int64_t last = -1;
    for (int64_t n = 0; n < k; n++) {
        int64_t best = -1;
        for (int64_t c = 0; c < columns; c++) {
            if ((last < 0 || is_before(x, last, c)) && (best < 0 || is_before(x, c, best))) {
                best = c;
            }
        }
        values[n] = x[best];
        indices[n] = (double)best;
        last = best;
    }
}
