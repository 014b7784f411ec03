/* Activations of a vector, to 2e-6 of the value beside what rounding costs. */

/* 1 / (1 + exp(-x)); tanh(u) = 2 * sigmoid(2u) - 1.  Exactly 0 below -87: what follows may multiply
 * by a large number. */
static inline vfloat sigmoid_wide(const vfloat x)
{
    const vfloat power = x * -LOG2E;
    return power > 126.0f ? (vfloat)(0.0f) : 1.0f / (1.0f + exp2_wide(power));
}

/* The share of a normal distribution below x, (1 + erf(x / sqrt(2))) / 2.  What is above z >= 0 is
 * exp(-z^2 / 2) times a polynomial in 1 / (1 + 0.36 z), fitted to a relative error of 1.1e-6. */
static inline vfloat normal_share_wide(const vfloat x)
{
    const vfloat z = fabs(x), t = 1.0f / fma((vfloat)(0.36f), z, (vfloat)(1.0f));
    vfloat p = 0.046522424919f;
    p = fma(p, t, (vfloat)(-0.177934844292f));
    p = fma(p, t, (vfloat)(0.178464785571f));
    p = fma(p, t, (vfloat)(0.028258701714f));
    p = fma(p, t, (vfloat)(0.139098462105f));
    p = fma(p, t, (vfloat)(0.141884781164f));
    p = fma(p, t, (vfloat)(0.143705175176f));
    const vfloat above = exp2_wide(z * z * (-0.5f * LOG2E)) * p * t;
    return x < 0.0f ? above : 1.0f - above;
}

static inline vfloat activate_wide(const int kind, const vfloat x)
{
    switch (kind) {
    case RELU: return x < 0.0f ? (vfloat)(0.0f) : x; /* NaN stays NaN */
    case GELU: return x * normal_share_wide(x);
    case GELU_TANH: return x * sigmoid_wide(1.59576912160573071176f * fma(0.044715f * x, x * x, x));
    case SILU: return x * sigmoid_wide(x);
    }
    return x;
}
