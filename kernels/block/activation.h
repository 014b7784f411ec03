/* Activations of one float.  The numbers are those of clattn_activation. */
#define IDENTITY 0
#define RELU 1
#define GELU 2
#define GELU_TANH 3
#define SILU 4

static inline float activate(const int kind, const float x)
{
    switch (kind) {
    case RELU: return x < 0.0f ? 0.0f : x; /* NaN stays NaN */
    case GELU: return 0.5f * x * (1.0f + erf(x * 0.70710678118654752440f));
    /* (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)) */
    case GELU_TANH: return x / (1.0f + exp(-1.59576912160573071176f * fma(0.044715f * x, x * x, x)));
    case SILU: return x / (1.0f + exp(-x));
    }
    return x;
}
