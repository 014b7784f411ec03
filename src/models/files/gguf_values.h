/* Metadata of a GGUF file, as it is read; asking for it is in clattn/models/gguf.h. */
#ifndef MODELS_FILES_GGUF_VALUES_H
#define MODELS_FILES_GGUF_VALUES_H

#include "gguf_file.h"

/* The entries that come next. */
clattn_status clattn__gguf_read_entries(clattn_gguf *file, uint64_t count);

#endif /* MODELS_FILES_GGUF_VALUES_H */
