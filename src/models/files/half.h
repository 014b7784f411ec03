/* IEEE binary16 and bfloat16 in plain C, whatever the compiler knows of them.
 * Rounding is to nearest, ties to even; NaN stays NaN, too large becomes inf. */
#ifndef TOOLS_HALF_H
#define TOOLS_HALF_H

#include <stdint.h>

float half_to_float(uint16_t half);
float bfloat_to_float(uint16_t bfloat);
uint16_t double_to_half(double x);
uint16_t double_to_bfloat(double x);

#endif /* TOOLS_HALF_H */
