/* numpy's .npy files, versions 1 to 3, little-endian, C order. */
#ifndef TOOLS_IO_NPY_H
#define TOOLS_IO_NPY_H

#include "array.h"

#include <stdio.h>

/* file stands at its first byte and is bytes long: no more and no less than header and data. */
bool npy_read(FILE *file, uint64_t bytes, array *out, reason *why);

/* numpy has no bf16: such an array is written as f4. */
bool npy_write(FILE *file, const array *a, reason *why);

#endif /* TOOLS_IO_NPY_H */
