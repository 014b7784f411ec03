/* Arrays in host memory: dense, last axis fastest, as numpy has them. */
#ifndef TOOLS_ARRAY_H
#define TOOLS_ARRAY_H

#include "shared/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum array_type {
    ARRAY_F32,
    ARRAY_F16,
    ARRAY_F64,
    ARRAY_BF16,
    ARRAY_I8,
    ARRAY_I32,
    ARRAY_I64,
    ARRAY_U8,
    ARRAY_BOOL,
    ARRAY_TYPES
} array_type;

enum { ARRAY_MAX_RANK = 8, SHAPE_TEXT_BYTES = 24 * ARRAY_MAX_RANK };

typedef struct array {
    array_type type;
    int rank;
    int64_t shape[ARRAY_MAX_RANK];
    void *data; /* owned; never NULL once made, even with no elements; NULL = absent */
} array;

size_t array_type_size(array_type type);
const char *array_type_name(array_type type); /* "f4", as numpy says it */
bool array_type_is_float(array_type type);

/* Bytes of such an array, or false where it could not exist in memory. */
bool array_bytes(array_type type, int rank, const int64_t *shape, size_t *bytes);

int64_t array_count(const array *a); /* elements */
double array_get(const array *a, int64_t index);
void array_set(array *a, int64_t index, double value); /* to nearest, ties to even; NaN kept */

/* All of these own what they make in out, which array_free gives back. */
bool array_make(array_type type, int rank, const int64_t *shape, array *out, reason *why); /* zeros
                                                                                            */
bool array_convert(const array *a, array_type type, array *out, reason *why);
bool array_join(const array *a, const array *b, int axis, array *out, reason *why);

/* Makes a fit target by numpy's rules: missing leading axes become 1, and the last axis
 * is repeated in memory if it must be.  Other axes stay 1, to be broadcast by stride. */
bool array_broadcast(array *a, int rank, const int64_t *target, reason *why);

void array_free(array *a);
void array_empty(array *a); /* of its data alone */

/* "[2, 8, 5, 64]"; returns text. */
const char *shape_text(int rank, const int64_t *shape, char text[SHAPE_TEXT_BYTES]);

#endif /* TOOLS_ARRAY_H */
