/* Texts: bytes, as UTF-8 where they are, and lists of the tokens that they become. */
#ifndef CLATTN_MODELS_TEXT_H
#define CLATTN_MODELS_TEXT_H

#include <clattn/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Somebody else's bytes; not ended by a zero. */
typedef struct clattn_text {
    const char *bytes;
    size_t length;
} clattn_text;

/* ---- Token ids ----------------------------------------------------------- */

/* A growing list of them; {0} is an empty one.  Whoever made it frees it. */
typedef struct clattn_ids {
    int32_t *items;
    size_t count, room;
} clattn_ids;

/* CLATTN_ERR_MEMORY leaves what was in it. */
CLATTN_API clattn_status clattn_ids_add(clattn_ids *list, int32_t id);

/* Leaves an empty list. */
CLATTN_API void clattn_ids_free(clattn_ids *list);

/* ---- Bytes as they come --------------------------------------------------- */

/* Makes valid UTF-8 of bytes that come one at a time, as those of tokens do; {0} = at its start.  A
 * character comes out when it is whole, and U+FFFD for what can be none, as the Unicode standard
 * recommends (3.9, "U+FFFD substitution of maximal subparts"). */
typedef struct clattn_utf8_stream {
    unsigned char held[4];
    int32_t count;
} clattn_utf8_stream;

enum { CLATTN_UTF8_STREAM_OUT = 6 };

/* Both return how many bytes they put into out; end is for when no more will come. */
CLATTN_API int clattn_utf8_stream_add(clattn_utf8_stream *stream, unsigned char byte,
                                      char out[CLATTN_UTF8_STREAM_OUT]);
CLATTN_API int clattn_utf8_stream_end(clattn_utf8_stream *stream, char out[CLATTN_UTF8_STREAM_OUT]);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_MODELS_TEXT_H */
