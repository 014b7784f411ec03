#include "normalize.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- Kinds of characters --------------------------------------------------------------- */

bool clattn__is_punctuation(int32_t code)
{
    const utf8proc_category_t category = utf8proc_category(code);
    const bool ascii = (code >= '!' && code <= '/') || (code >= ':' && code <= '@') ||
                       (code >= '[' && code <= '`') || (code >= '{' && code <= '~');
    return ascii || (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO);
}

/* Not text: control, format and private characters, and what stands for bytes that are none. */
static bool is_dropped(int32_t code)
{
    const utf8proc_category_t category = utf8proc_category(code);
    if (code == '\t' || code == '\n' || code == '\r') {
        return false;
    }
    return code <= 0 || code == 0xfffd || category == UTF8PROC_CATEGORY_CC ||
           category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

/* Ideographs, which are words without spaces between them.  The ranges are those that tokenizers
 * in use have: the last but one begins 256 later than its block. */
static bool is_chinese(int32_t code)
{
    static const int32_t ranges[][2] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},
                                        {0x20000, 0x2a6df}, {0x2a700, 0x2b81f}, {0x2b920, 0x2ceaf},
                                        {0x2f800, 0x2fa1f}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (code >= ranges[i][0] && code <= ranges[i][1]) {
            return true;
        }
    }
    return false;
}

/* ---- Canonical decomposition (NFD), without the accents -------------------------------------
 * Marks that follow a character have an order by their class.  Accents end up nowhere, but a few
 * marks are none (of category Mc) and have one. */

enum { LONGEST_DECOMPOSITION = 8, LONGEST_WORD = 100 };

static int class_of(int32_t code) { return utf8proc_get_property(code)->combining_class; }

/* Inserts a mark behind those of its class and lower ones.  Longer runs than a word may be are left
 * as they are: such a word is unknown in any order. */
static void insert_mark(clattn__plain_text *out, size_t begin, int32_t code)
{
    size_t at = out->count++;
    const int class = class_of(code);
    while (at > begin && at - begin < LONGEST_WORD && class_of(out->codes[at - 1]) > class) {
        out->codes[at] = out->codes[at - 1];
        at--;
    }
    out->codes[at] = code;
}

/* marks_begin: of the marks so far behind the last character of class 0. */
static void add_decomposed(clattn__plain_text *out, size_t *marks_begin, int32_t code)
{
    utf8proc_int32_t parts[LONGEST_DECOMPOSITION];
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        code, parts, LONGEST_DECOMPOSITION, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &boundary);
    for (utf8proc_ssize_t i = 0; i < count && i < LONGEST_DECOMPOSITION; i++) {
        const bool accent = utf8proc_category(parts[i]) == UTF8PROC_CATEGORY_MN;
        const bool mark = class_of(parts[i]) > 0;
        if (!accent && mark) {
            insert_mark(out, *marks_begin, parts[i]);
        } else if (!accent) {
            out->codes[out->count++] = utf8proc_tolower(parts[i]);
        }
        *marks_begin = mark ? *marks_begin : out->count;
    }
}

/* ---- A text ------------------------------------------------------------------------------------
 */

static void add(clattn__plain_text *out, size_t *marks_begin, bool cased, int32_t code)
{
    if (cased) {
        out->codes[out->count++] = code;
    } else {
        add_decomposed(out, marks_begin, code);
    }
}

bool clattn__normalize(const char *text, size_t bytes, bool cased, clattn__plain_text *out)
{
    /* No character is decomposed into more than 1.5 for each of its bytes (U+03B0), and a Chinese
     * one has three bytes, and two spaces around it. */
    const bool possible = bytes < SIZE_MAX / 16;
    *out = (clattn__plain_text){.codes =
                                    possible ? malloc((2 * bytes + 1) * sizeof *out->codes) : NULL};
    if (!out->codes) {
        return false;
    }
    size_t marks_begin = 0;
    for (size_t at = 0; at < bytes;) {
        int32_t code;
        at += clattn__utf8_next(text + at, bytes - at, &code);
        if (is_dropped(code)) {
            continue;
        }
        const bool alone = is_chinese(code);
        if (alone) {
            add(out, &marks_begin, cased, ' ');
        }
        add(out, &marks_begin, cased, clattn__utf8_is_space(code) ? ' ' : code);
        if (alone) {
            add(out, &marks_begin, cased, ' ');
        }
    }
    return true;
}

void clattn__plain_text_free(clattn__plain_text *text)
{
    free(text->codes);
    *text = (clattn__plain_text){0};
}
