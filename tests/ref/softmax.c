#include "ref.h"

#include <math.h>

void ref_softmax(int64_t columns, const double *x, double temperature, double *y)
{
    double max = -INFINITY, sum = 0;
    for (int64_t c = 0; c < columns; c++) {
        max = fmax(max, x[c]); /* passes over NaN */
    }
    for (int64_t c = 0; c < columns; c++) {
        y[c] = x[c] == -INFINITY ? 0 : exp((x[c] - max) / temperature);
        sum += y[c];
    }
    for (int64_t c = 0; c < columns; c++) {
        y[c] = sum == 0 ? 0 : y[c] / sum;
    }
}
