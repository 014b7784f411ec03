#include "parsed.h"

/* For suites about GGUF files: parsed.h. */
built b;
clattn_gguf *file;

void close_file(void)
{
    clattn_gguf_close(file);
    file = NULL;
}

void parse(void)
{
    ck_assert_msg(clattn_gguf_parse(b.data, b.bytes, &file) == CLATTN_OK, "%s", clattn_error());
}

/* In memory of its own, so that a sanitizer sees what reads past the end. */
bool parses(size_t bytes)
{
    unsigned char *copy = malloc(bytes ? bytes : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, b.data, bytes);
    const bool done = clattn_gguf_parse(copy, bytes, &file) == CLATTN_OK;
    ck_assert(done == (file != NULL));
    close_file();
    free(copy);
    return done;
}
