/* Attention on a matrix engine: attention/matrix.h with the device's instructions. */
#define EMULATED 0
#define MATRIX_KERNEL attention_matrix
#include "attention/matrix.h"
