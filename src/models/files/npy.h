/* numpy's .npy files, versions 1 to 3, little-endian, C order. */
#ifndef MODELS_FILES_NPY_H
#define MODELS_FILES_NPY_H

#include <clattn/models/array.h>

/* file stands at its first byte and is bytes long: no more and no less than header and data. */
clattn_status clattn__npy_read(FILE *file, uint64_t bytes, clattn_array *out);

#endif /* MODELS_FILES_NPY_H */
