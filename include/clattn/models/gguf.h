/* A GGUF file, version 2 or 3: metadata by key, tensors by name, both where the file has them.
 * Everything is checked when it is opened; after that nothing can lie outside.  Immutable,
 * thread-safe. */
#ifndef CLATTN_MODELS_GGUF_H
#define CLATTN_MODELS_GGUF_H

#include <clattn/models/text.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clattn_gguf clattn_gguf;

/* A regular file, which is mapped, not read: whoever shortens it while it is open ends the program.
 * CLATTN_ERR_ARGUMENT if it cannot be opened or is broken; the text says where, and does not name
 * the file. */
CLATTN_API clattn_status clattn_gguf_open(const char *path, clattn_gguf **out);

/* The same of bytes in memory, which stay the caller's and must outlive it. */
CLATTN_API clattn_status clattn_gguf_parse(const void *data, size_t bytes, clattn_gguf **out);

CLATTN_API void clattn_gguf_close(clattn_gguf *file);

/* ---- Metadata ------------------------------------------------------------ */

CLATTN_API bool clattn_gguf_has(const clattn_gguf *file, const char *key);

/* A value that is absent, of another kind or, of integers, not low .. high is refused by its key.
 * Whole numbers of every width are integers, floats of both are floats.  Strings lie in the file:
 * they live as long as it. */
CLATTN_API clattn_status clattn_gguf_integer(const clattn_gguf *file, const char *key, int64_t low,
                                             int64_t high, int64_t *out);
CLATTN_API clattn_status clattn_gguf_float(const clattn_gguf *file, const char *key, double *out);
CLATTN_API clattn_status clattn_gguf_bool(const clattn_gguf *file, const char *key, bool *out);
CLATTN_API clattn_status clattn_gguf_string(const clattn_gguf *file, const char *key,
                                            clattn_text *out);

typedef enum clattn_gguf_kind {
    CLATTN_GGUF_INTEGERS,
    CLATTN_GGUF_FLOATS,
    CLATTN_GGUF_BOOLS,
    CLATTN_GGUF_STRINGS
} clattn_gguf_kind;

/* An array is walked from its first element to its last. */
typedef struct clattn_gguf_array {
    size_t left; /* elements not walked yet */
    uint32_t type;
    const unsigned char *at;
} clattn_gguf_array;

CLATTN_API clattn_status clattn_gguf_array_of(const clattn_gguf *file, const char *key,
                                              clattn_gguf_kind kind, clattn_gguf_array *out);

/* INT64_MAX stands for all that is larger.  Where nothing is left, and of an array of another kind,
 * they give 0, false and no bytes. */
CLATTN_API int64_t clattn_gguf_next_integer(clattn_gguf_array *array);
CLATTN_API double clattn_gguf_next_float(clattn_gguf_array *array);
CLATTN_API bool clattn_gguf_next_bool(clattn_gguf_array *array);
CLATTN_API clattn_text clattn_gguf_next_string(clattn_gguf_array *array);

/* ---- Tensors ------------------------------------------------------------- */

/* The types that can be had, by their numbers in the file.  Others may be in a file, and are
 * refused by name when they are asked for. */
typedef enum clattn_gguf_type {
    CLATTN_GGUF_F32 = 0,
    CLATTN_GGUF_F16 = 1,
    CLATTN_GGUF_Q4_0 = 2,
    CLATTN_GGUF_Q4_1 = 3,
    CLATTN_GGUF_Q8_0 = 8,
    CLATTN_GGUF_Q4_K = 12,
    CLATTN_GGUF_Q6_K = 14,
    CLATTN_GGUF_BF16 = 30
} clattn_gguf_type;

/* "Q4_K"; "unknown" for a number that no type has. */
CLATTN_API const char *clattn_gguf_type_name(uint32_t type);

enum { CLATTN_GGUF_RANK = 4 };

typedef struct clattn_gguf_tensor {
    clattn_text name;
    uint32_t type;
    int32_t rank;
    int64_t size[CLATTN_GGUF_RANK]; /* the fastest axis first: size[0] is a row's length; 1 behind
                                     * rank */
    const void *data;               /* NULL, and no bytes, if the type is none of those above */
    size_t bytes;
} clattn_gguf_tensor;

CLATTN_API size_t clattn_gguf_tensors(const clattn_gguf *file);

/* In the order of the file, and as long as it lives; NULL for an index that is not below
 * clattn_gguf_tensors. */
CLATTN_API const clattn_gguf_tensor *clattn_gguf_tensor_at(const clattn_gguf *file, size_t index);

/* Absent, or of a type that cannot be had, it is refused by its name. */
CLATTN_API clattn_status clattn_gguf_find_tensor(const clattn_gguf *file, const char *name,
                                                 const clattn_gguf_tensor **out);

/* Also of a type that cannot be had. */
CLATTN_API bool clattn_gguf_has_tensor(const clattn_gguf *file, const char *name);

/* Its data are not needed for now: whole pages of the file leave the program's memory, and are read
 * again should they be touched. */
CLATTN_API void clattn_gguf_give_back(const clattn_gguf *file, const clattn_gguf_tensor *tensor);

/* ---- Rows ---------------------------------------------------------------- */

/* Bytes of a row of that many elements; 0 for a type that cannot be had, and where they are not
 * whole blocks. */
CLATTN_API size_t clattn_gguf_row_bytes(uint32_t type, int64_t elements);

/* A row as floats, whatever it is stored as; nothing where its bytes would be 0. */
CLATTN_API void clattn_gguf_widen(uint32_t type, const void *row, int64_t elements, float *out);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_MODELS_GGUF_H */
