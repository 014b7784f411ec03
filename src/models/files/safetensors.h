/* One tensor of a .safetensors file: 8 bytes of header length, a JSON header, data. */
#ifndef MODELS_FILES_SAFETENSORS_H
#define MODELS_FILES_SAFETENSORS_H

#include <clattn/models/array.h>

/* F32, F16 and BF16.  file stands at its first byte and is bytes long. */
clattn_status clattn__safetensors_read(FILE *file, uint64_t bytes, const char *name,
                                       clattn_array *out);

#endif /* MODELS_FILES_SAFETENSORS_H */
