/* A GGUF file, version 2 or 3: metadata by key, tensors by name, both where the file has them.
 * Everything is checked when it is opened; after that nothing can lie outside. */
#ifndef TOOLS_IO_GGUF_H
#define TOOLS_IO_GGUF_H

#include "shared/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gguf gguf;

/* The file is mapped, not read.  The reason does not name it. */
bool gguf_open(const char *path, gguf **out, reason *why);

/* The same of bytes in memory, which stay the caller's and must outlive it. */
bool gguf_parse(const void *data, size_t bytes, gguf **out, reason *why);
void gguf_close(gguf *file);

/* ---- Metadata ----------------------------------------------------------------------- */

/* Bytes of the file, not ended by a zero. */
typedef struct gguf_text {
    const char *bytes;
    size_t length;
} gguf_text;

/* For "%.*s" in a refusal: so much of a text that may be anything. */
#define GGUF_SHOWN(text) (int)((text).length < 100 ? (text).length : 100), (text).bytes

bool gguf_has(const gguf *file, const char *key);

/* A value that is absent or of another kind is refused by its key.  Whole numbers of every width
 * are integers, floats of both are floats. */
bool gguf_integer(const gguf *file, const char *key, int64_t low, int64_t high, int64_t *out,
                  reason *why);
bool gguf_float(const gguf *file, const char *key, double *out, reason *why);
bool gguf_bool(const gguf *file, const char *key, bool *out, reason *why);
bool gguf_string(const gguf *file, const char *key, gguf_text *out, reason *why);

/* An array is walked from its first element to its last. */
typedef enum gguf_kind { GGUF_INTEGERS, GGUF_FLOATS, GGUF_BOOLS, GGUF_STRINGS } gguf_kind;

typedef struct gguf_array {
    size_t left; /* elements not walked yet */
    uint32_t type;
    const unsigned char *at;
} gguf_array;

bool gguf_array_of(const gguf *file, const char *key, gguf_kind kind, gguf_array *out, reason *why);
int64_t gguf_next_integer(gguf_array *array); /* INT64_MAX stands for all that is larger */
double gguf_next_float(gguf_array *array);
bool gguf_next_bool(gguf_array *array);
gguf_text gguf_next_string(gguf_array *array);

/* ---- Tensors ------------------------------------------------------------------------ */

/* The types that can be had, by their numbers in the file.  Others are in a file at will, but
 * refused by name when they are asked for. */
typedef enum gguf_type {
    GGUF_F32 = 0,
    GGUF_F16 = 1,
    GGUF_Q4_0 = 2,
    GGUF_Q4_1 = 3,
    GGUF_Q8_0 = 8,
    GGUF_Q4_K = 12,
    GGUF_Q6_K = 14,
    GGUF_BF16 = 30
} gguf_type;

const char *gguf_type_name(uint32_t type);
int gguf_block_elements(gguf_type type); /* consecutive elements of a row that share a scale */
int gguf_block_bytes(gguf_type type);

enum { GGUF_MAX_RANK = 4 };

typedef struct gguf_tensor {
    gguf_text name;
    uint32_t type;
    int rank;
    int64_t size[GGUF_MAX_RANK]; /* the fastest axis first: size[0] is a row's length; 1 behind rank
                                  */
    const void *data;            /* NULL, and no bytes, if the type is none of those above */
    size_t bytes;
} gguf_tensor;

size_t gguf_tensors(const gguf *file);
const gguf_tensor *gguf_tensor_at(const gguf *file, size_t index);

/* Also of a type that cannot be had. */
bool gguf_has_tensor(const gguf *file, const char *name);

/* Lives as long as the file.  Absent, or of a type that cannot be had: NULL with the reason. */
const gguf_tensor *gguf_find_tensor(const gguf *file, const char *name, reason *why);

/* Its data are not needed for now: the file's pages leave the program's memory, and are read again
 * should they be touched. */
void gguf_give_back(const gguf *file, const gguf_tensor *tensor);

#endif /* TOOLS_IO_GGUF_H */
