/* One tensor of a .safetensors file: 8 bytes of header length, a JSON header, data. */
#ifndef TOOLS_IO_SAFETENSORS_H
#define TOOLS_IO_SAFETENSORS_H

#include "array.h"

#include <stdio.h>

/* F32, F16 and BF16.  file stands at its first byte and is bytes long. */
bool safetensors_read(FILE *file, uint64_t bytes, const char *name, array *out, reason *why);

#endif /* TOOLS_IO_SAFETENSORS_H */
