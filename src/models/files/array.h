/* What readers of arrays must know of their sizes. */
#ifndef MODELS_FILES_ARRAY_H
#define MODELS_FILES_ARRAY_H

#include <clattn/models/array.h>

/* Bytes of such an array, or false where it could not exist in memory. */
bool clattn__array_bytes(clattn_array_type type, int rank, const int64_t *shape, size_t *bytes);

#endif /* MODELS_FILES_ARRAY_H */
