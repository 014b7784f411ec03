/* What came of a case. */
#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void check_fail(struct check_result *result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->why, sizeof result->why, format, arguments);
    va_end(arguments);
    result->outcome = CHECK_FAILED;
}

bool check_step(struct check_result *result, bool ok, const char *what)
{
    if (!ok) {
        check_fail(result, "%s failed", what);
    }
    return ok;
}

double check_tolerance(clattn_type in, clattn_type out)
{
    switch (out) {
    case CLATTN_F16: return 2e-3;
    case CLATTN_BF16: return 1e-2;
    default: return in == CLATTN_F32 ? 1e-5 : 2e-5;
    }
}

static bool close_enough(double got, double expected, double tolerance, double *share)
{
    *share = 0;
    if (isnan(expected) || isinf(expected) || got == expected) {
        return isnan(expected) ? isnan(got) : got == expected;
    }
    *share = fabs(got - expected) / (tolerance + tolerance * fabs(expected));
    return *share <= 1; /* false for NaN */
}

bool check_compare(struct check_result *result, const char *name, const struct buffer *got,
                   const double *expected, double tolerance)
{
    for (int64_t n = 0; n < got->count; n++) {
        double share;
        if (!close_enough(got->values[n], expected[n], tolerance, &share)) {
            const int64_t *size = got->view.size;
            check_fail(result, "%s[%lld,%lld,%lld,%lld] is %.9g, expected %.9g", name,
                       (long long)(n / (size[1] * size[2] * size[3])),
                       (long long)(n / (size[2] * size[3]) % size[1]),
                       (long long)(n / size[3] % size[2]), (long long)(n % size[3]), got->values[n],
                       expected[n]);
            return false;
        }
        result->worst = fmax(result->worst, share);
    }
    return check_step(result, buffer_canaries_live(got),
                      "writing inside its elements only: an output's canary");
}
