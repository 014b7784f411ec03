#include "ref.h"

#include <math.h>

double ref_activate(enum ref_activation kind, double x)
{
    static const double PI = 3.14159265358979323846;
    switch (kind) {
    case REF_IDENTITY: return x;
    case REF_RELU: return x < 0 ? 0 : x;
    case REF_GELU: return x / 2 * (1 + erf(x / sqrt(2)));
    case REF_GELU_TANH: return x / 2 * (1 + tanh(sqrt(2 / PI) * (x + 0.044715 * x * x * x)));
    case REF_SILU: return x * (1 / (1 + exp(-x)));
    }
    return NAN;
}
