#include "utf8.h"

#include <clattn/models/text.h>

#include <string.h>
#include <utf8proc.h>

size_t clattn__utf8_next(const char *text, size_t bytes, int32_t *code)
{
    const utf8proc_ssize_t taken =
        utf8proc_iterate((const utf8proc_uint8_t *)text,
                         (utf8proc_ssize_t)(bytes < UTF8_LONGEST ? bytes : UTF8_LONGEST), code);
    if (taken > 0) {
        return (size_t)taken;
    }
    *code = -1;
    return 1;
}

size_t clattn__utf8_write(int32_t code, char out[UTF8_LONGEST])
{
    return (size_t)utf8proc_encode_char(code, (utf8proc_uint8_t *)out);
}

bool clattn__utf8_is_space(int32_t code)
{
    return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
           code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

clattn__utf8_kind clattn__utf8_kind_of(int32_t code)
{
    if (clattn__utf8_is_space(code)) {
        return UTF8_SPACE;
    }
    const utf8proc_category_t category = utf8proc_category(code);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO   ? UTF8_LETTER
           : category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO ? UTF8_NUMBER
                                                                                  : UTF8_OTHER;
}

/* ---- Streams --------------------------------------------------------------------- */

/* How many bytes a sequence has that begins so; 0 = none does. */
static int length_of(unsigned char lead)
{
    return lead < 0x80   ? 1
           : lead < 0xc2 ? 0
           : lead < 0xe0 ? 2
           : lead < 0xf0 ? 3
           : lead < 0xf5 ? 4
                         : 0;
}

/* Whether a sequence that is held may go on with the byte: the second one may not make it overlong,
 * a surrogate, or lie beyond U+10FFFF. */
static bool may_follow(const clattn_utf8_stream *stream, unsigned char byte)
{
    const unsigned char lead = stream->held[0];
    const unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return stream->count == 1 ? byte >= least && byte <= most : (byte & 0xc0) == 0x80;
}

int clattn_utf8_stream_end(clattn_utf8_stream *stream, char out[CLATTN_UTF8_STREAM_OUT])
{
    if (stream->count == 0) {
        return 0;
    }
    stream->count = 0;
    memcpy(out, "\xef\xbf\xbd", 3);
    return 3;
}

int clattn_utf8_stream_add(clattn_utf8_stream *stream, unsigned char byte,
                           char out[CLATTN_UTF8_STREAM_OUT])
{
    int written = 0;
    if (stream->count > 0 && !may_follow(stream, byte)) {
        written = clattn_utf8_stream_end(stream, out);
    }
    stream->held[stream->count++] = byte;
    const int length = length_of(stream->held[0]);
    if (length == 0) {
        return written + clattn_utf8_stream_end(stream, out + written);
    }
    if (stream->count == length) {
        memcpy(out + written, stream->held, (size_t)length);
        written += length;
        stream->count = 0;
    }
    return written;
}
