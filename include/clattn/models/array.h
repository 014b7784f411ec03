/* Arrays in host memory and in files: dense, last axis fastest, as numpy has them. */
#ifndef CLATTN_MODELS_ARRAY_H
#define CLATTN_MODELS_ARRAY_H

#include <clattn/base.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clattn_array_type {
    CLATTN_ARRAY_F32,
    CLATTN_ARRAY_F16,
    CLATTN_ARRAY_F64,
    CLATTN_ARRAY_BF16,
    CLATTN_ARRAY_I8,
    CLATTN_ARRAY_I32,
    CLATTN_ARRAY_I64,
    CLATTN_ARRAY_U8,
    CLATTN_ARRAY_BOOL,
    CLATTN_ARRAY_TYPES /* their number */
} clattn_array_type;

enum { CLATTN_ARRAY_RANK = 8 }; /* axes at most */

typedef struct clattn_array { /* {0} = absent */
    clattn_array_type type;
    int32_t rank;
    int64_t shape[CLATTN_ARRAY_RANK];
    void *data; /* owned; not NULL once made, even with no elements */
} clattn_array;

/* Of one element; 0 for a value outside the enum. */
CLATTN_API size_t clattn_array_type_size(clattn_array_type type);

/* "f4", as numpy says it, and "bf16"; never NULL. */
CLATTN_API const char *clattn_array_type_name(clattn_array_type type);

/* ---- Making -------------------------------------------------------------- */

/* What is made in out is the caller's to free.  Zeros; CLATTN_ERR_ARGUMENT for a rank above
 * CLATTN_ARRAY_RANK, a negative size and a shape that is larger than memory can be. */
CLATTN_API clattn_status clattn_array_make(clattn_array_type type, int32_t rank,
                                           const int64_t *shape, clattn_array *out);

/* A copy in another type: to nearest, ties to even; NaN kept. */
CLATTN_API clattn_status clattn_array_convert(const clattn_array *a, clattn_array_type type,
                                              clattn_array *out);

/* Leaves an absent one; one that is absent may be freed. */
CLATTN_API void clattn_array_free(clattn_array *a);

/* Elements; index below counts them, the last axis fastest. */
CLATTN_API int64_t clattn_array_count(const clattn_array *a);
CLATTN_API double clattn_array_get(const clattn_array *a, int64_t index);
CLATTN_API void clattn_array_set(clattn_array *a, int64_t index, double value);

enum { CLATTN_SHAPE_BYTES = 24 * CLATTN_ARRAY_RANK };

/* "[2, 8, 5, 64]"; returns text. */
CLATTN_API const char *clattn_shape_text(int32_t rank, const int64_t *shape,
                                         char text[CLATTN_SHAPE_BYTES]);

/* ---- Files --------------------------------------------------------------- */

/* "FILE.npy", or "FILE.safetensors:NAME" for one tensor of it (F32, F16, BF16).  npy: versions 1 to
 * 3, little-endian, C order.  The text begins with the file's name. */
CLATTN_API clattn_status clattn_array_load(const char *path, clattn_array *out);

/* As .npy, from where file stands.  numpy has no bf16: such an array is written as f4. */
CLATTN_API clattn_status clattn_array_write_npy(FILE *file, const clattn_array *a);

/* ---- 16-bit floats ------------------------------------------------------- */

/* IEEE binary16 and bfloat16, for what goes into f16 and bf16 tensors.  Rounding is to nearest,
 * ties to even; NaN stays NaN, too large becomes infinite. */
CLATTN_API float clattn_half_to_float(uint16_t half);
CLATTN_API float clattn_bfloat_to_float(uint16_t bfloat);
CLATTN_API uint16_t clattn_double_to_half(double x);
CLATTN_API uint16_t clattn_double_to_bfloat(double x);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_MODELS_ARRAY_H */
