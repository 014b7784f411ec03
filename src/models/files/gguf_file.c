#include "gguf_file.h"

#include <string.h>

size_t clattn__gguf_left(const clattn_gguf *file) { return file->bytes - file->at; }

const unsigned char *clattn__gguf_take(clattn_gguf *file, uint64_t bytes)
{
    if (bytes > clattn__gguf_left(file)) {
        return NULL;
    }
    const unsigned char *taken = file->data + file->at;
    file->at += (size_t)bytes;
    return taken;
}

/* Files are little-endian, as are the machines this runs on. */
bool clattn__gguf_take_number(clattn_gguf *file, void *out, size_t bytes)
{
    const unsigned char *taken = clattn__gguf_take(file, bytes);
    if (taken) {
        memcpy(out, taken, bytes);
    }
    return taken != NULL;
}

bool clattn__gguf_take_string(clattn_gguf *file, clattn_text *out)
{
    uint64_t length;
    const unsigned char *taken = clattn__gguf_take_number(file, &length, sizeof length)
                                     ? clattn__gguf_take(file, length)
                                     : NULL;
    if (taken) {
        *out = (clattn_text){(const char *)taken, (size_t)length};
    }
    return taken != NULL;
}
