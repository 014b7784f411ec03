#include "generate_prompt.h"

#include "chat.h"
#include "load.h"

#include <stdlib.h>
#include <string.h>

/* A text that grows; zeros = an empty one. */
typedef struct text {
    char *bytes; /* a zero behind it */
    size_t length;
} text;

static bool text_add(text *t, const char *bytes, size_t length)
{
    char *longer = realloc(t->bytes, t->length + length + 1);
    if (!longer) {
        fail("out of memory");
        return false;
    }
    memcpy(longer + t->length, bytes, length);
    t->bytes = longer;
    t->length += length;
    longer[t->length] = '\0';
    return true;
}

static bool add_document(const char *path, text *t)
{
    reason why;
    size_t bytes;
    char *document = file_text(path, &bytes, &why);
    if (!document) {
        fail("--context %s: %s", path, why.text);
        return false;
    }
    while (bytes > 0 && document[bytes - 1] == '\n') {
        bytes--;
    }
    const bool zero = memchr(document, '\0', bytes) != NULL;
    if (zero) {
        fail("--context %s: not a text, it has bytes of value 0", path);
    }
    const bool added = !zero && text_add(t, document, bytes) && text_add(t, "\n\n", 2);
    free(document);
    return added;
}

static bool encode_chat(const prompt_source *source, const char *user, const gguf *file,
                        const bpe *tokenizer, ids *out, size_t *lost, reason *why)
{
    chat format;
    if (!chat_open(file, tokenizer, &format, why)) {
        return false;
    }
    chat_message messages[2];
    size_t count = 0;
    if (source->system) {
        messages[count++] = (chat_message){"system", source->system};
    }
    messages[count++] = (chat_message){"user", user};
    const bool done = chat_encode(&format, messages, count, out, lost, why);
    chat_close(&format);
    return done;
}

bool prompt_encode(const prompt_source *source, const gguf *file, const bpe *tokenizer, ids *out)
{
    reason why;
    text all = {0};
    size_t lost = 0;
    bool done = true;
    for (int i = 0; done && i < source->documents->count; i++) {
        done = add_document(source->documents->items[i], &all);
    }
    if (!done || !text_add(&all, source->prompt, strlen(source->prompt))) {
        free(all.bytes);
        return false;
    }
    done = source->chat ? encode_chat(source, all.bytes, file, tokenizer, out, &lost, &why)
                        : bpe_encode(tokenizer, all.bytes, all.length, BPE_SPECIAL | BPE_WHOLE, out,
                                     &lost, &why);
    free(all.bytes);
    if (!done) {
        fail("--prompt: %s", why.text);
    } else if (lost) {
        note("%zu bytes of the prompt have no token in the model's vocabulary and are left out",
             lost);
    }
    return done;
}
