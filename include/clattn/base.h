/* Version, status, types and the tensor view: what every other header builds on. */
#ifndef CLATTN_BASE_H
#define CLATTN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Before a declaration: it is in the library's interface, static or shared. */
#if defined(__GNUC__) && !defined(_WIN32)
#define CLATTN_API __attribute__((visibility("default")))
#else
#define CLATTN_API
#endif

/* Before one that is like printf: which argument is its text, and which the first for that. */
#if defined(__GNUC__)
#define CLATTN_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLATTN_PRINTF(text, first)
#endif

/* ---- Version ------------------------------------------------------------ */

#define CLATTN_VERSION_MAJOR 0
#define CLATTN_VERSION_MINOR 1
#define CLATTN_VERSION_PATCH 0
#define CLATTN_VERSION_STRING "0.1.0"
#define CLATTN_VERSION                                                                             \
    (CLATTN_VERSION_MAJOR * 10000 + CLATTN_VERSION_MINOR * 100 + CLATTN_VERSION_PATCH)

/* CLATTN_VERSION of the library linked, which may be newer than the header. */
CLATTN_API int clattn_version(void);

/* ---- Errors ------------------------------------------------------------- */

typedef enum clattn_status {
    CLATTN_OK = 0,
    CLATTN_ERR_ARGUMENT = -1,    /* a field is out of range; the text names it */
    CLATTN_ERR_UNSUPPORTED = -2, /* valid, but no kernel fits this device; the text says why, per
                                    kernel */
    CLATTN_ERR_BUILD = -3,       /* a kernel did not compile; the text starts its build log */
    CLATTN_ERR_OPENCL = -4,      /* the text names the OpenCL call and its code */
    CLATTN_ERR_MEMORY = -5       /* out of host memory */
} clattn_status;

/* "CLATTN_ERR_ARGUMENT"; never NULL. */
CLATTN_API const char *clattn_status_name(clattn_status status);

/* Why the last failing call on this thread failed.  Never NULL; at most 4095
 * bytes; valid until this thread's next failure.  The library's only global. */
CLATTN_API const char *clattn_error(void);

/* Sets that text and returns status, so that `return clattn_error_set(...)` reads well: for
 * libraries on top of this one, such as clattn_models, whose calls fail in the same way.  What the
 * format is given may be clattn_error() itself. */
CLATTN_API clattn_status clattn_error_set(clattn_status status, const char *format, ...)
    CLATTN_PRINTF(2, 3);

/* ---- Types and tensors -------------------------------------------------- */

/* Storage types.  Arithmetic and sums are always 32-bit floating point. */
typedef enum clattn_type {
    CLATTN_F32,  /* IEEE 754 binary32 */
    CLATTN_F16,  /* IEEE 754 binary16; needs no device extension */
    CLATTN_BF16, /* the upper half of a binary32 */
    CLATTN_I32,
    CLATTN_U8,
    CLATTN_I8, /* of caches: scaled */
    /* Of weights alone, in blocks as GGUF files store them; a row is whole blocks. */
    CLATTN_Q8_0, /* 32 columns: 8 bits each and a scale */
    CLATTN_Q4_0, /* 32: 4 bits and a scale */
    CLATTN_Q4_1, /* 32: 4 bits, a scale and a least value */
    CLATTN_Q4_K, /* 256: 4 bits, scales and least values of groups of 32 */
    CLATTN_Q6_K  /* 256: 6 bits, scales of groups of 16 */
} clattn_type;

/* Bytes of one element; 0 for a value outside the enum and for types in blocks. */
CLATTN_API size_t clattn_type_size(clattn_type type);

/* Columns that one block of a row holds: 32 or 256 for types in blocks, else 1. */
CLATTN_API int clattn_type_block(clattn_type type);

/* Bytes of a row; 0 for a value outside the enum, and where columns are not whole blocks. */
CLATTN_API size_t clattn_row_bytes(clattn_type type, int64_t columns);

/* "f32"; never NULL. */
CLATTN_API const char *clattn_type_name(clattn_type type);

/* A view of caller-owned memory.  size is always {batch, row, head, column};
 * memory order is said by stride alone, so [B,T,H,D], [B,H,T,D] and a slice of
 * a fused QKV buffer are one code path.  stride[3] must be 1. */
typedef struct clattn_tensor {
    cl_mem mem;        /* NULL = absent */
    int64_t offset;    /* of element [0,0,0,0] */
    int64_t size[4];   /* {batch, row, head, column} */
    int64_t stride[4]; /* all zero = dense, last index fastest; 0 in one place = broadcast
                          (read-only operands) */
    clattn_type type;
} clattn_tensor;

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_BASE_H */
