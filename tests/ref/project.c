#include "ref.h"

void ref_project(int64_t rows, int64_t in_dim, int64_t out_dim, const double *x,
                 const double *weight, const double *bias, double *y)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t o = 0; o < out_dim; o++) {
            double sum = bias ? bias[o] : 0;
            for (int64_t c = 0; c < in_dim; c++) {
                sum += x[r * in_dim + c] * weight[o * in_dim + c];
            }
            y[r * out_dim + o] = sum;
        }
    }
}
