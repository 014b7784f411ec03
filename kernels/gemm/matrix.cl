/* Projection on a matrix engine: gemm/matrix.h with the device's instructions. */
#define EMULATED 0
#define MATRIX_KERNEL gemm_matrix
#include "gemm/matrix.h"
