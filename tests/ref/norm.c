#include "ref.h"

#include <math.h>

void ref_norm(int64_t columns, const double *x, const double *weight, const double *bias,
              bool about_mean, double epsilon, double *y, double *mean, double *inverse)
{
    double squares = 0;
    *mean = 0;
    for (int64_t c = 0; c < columns && about_mean; c++) {
        *mean += x[c] / (double)columns;
    }
    for (int64_t c = 0; c < columns; c++) {
        squares += (x[c] - *mean) * (x[c] - *mean) / (double)columns;
    }
    *inverse = 1 / sqrt(squares + epsilon);
    for (int64_t c = 0; c < columns; c++) {
        y[c] = (x[c] - *mean) * *inverse * (weight ? weight[c] : 1) + (bias ? bias[c] : 0);
    }
}
