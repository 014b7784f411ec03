/* gemm/matrix.h with an engine's layouts, its instructions computed lane by lane: slow, for tests on
 * devices without the engine. */
#define EMULATED 1
#define MATRIX_KERNEL gemm_emulated
#include "gemm/matrix.h"
