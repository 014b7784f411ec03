/* Rows of a GGUF tensor as floats, whatever they are stored as. */
#ifndef TOOLS_GGUF_ROWS_H
#define TOOLS_GGUF_ROWS_H

#include "gguf.h"

/* Bytes of a row of that many elements, which are whole blocks. */
size_t gguf_row_bytes(uint32_t type, int64_t elements);

/* elements of one row. */
void gguf_widen(uint32_t type, const void *row, int64_t elements, float *out);

#endif /* TOOLS_GGUF_ROWS_H */
