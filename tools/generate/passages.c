#include "passages.h"

#include <stdlib.h>
#include <string.h>

enum { SHORTEST = 12, LONGEST = 48 }; /* tokens; of a long sentence what is left may be shorter */

static const source_kind kinds[] = {[PROMPT_MARKUP] = SOURCE_MARKUP,
                                    [PROMPT_DOCUMENT] = SOURCE_DOCUMENT,
                                    [PROMPT_TEXT] = SOURCE_PROMPT};

static bool add(passages *p, source_kind kind, int document, int32_t begin, int32_t end,
                reason *why)
{
    if (begin >= end) {
        return true;
    }
    passage *more = realloc(p->items, (p->count + 1) * sizeof *more);
    if (!more) {
        return refuse(why, "out of memory");
    }
    more[p->count++] = (passage){kind, document, begin, end};
    p->items = more;
    return true;
}

/* Whether a token ends a line, or with its last letter a sentence. */
static bool ends_sentence(const bpe *tokenizer, int32_t token)
{
    const gguf_text piece = bpe_piece(tokenizer, token);
    return piece.length > 0 && (memchr(piece.bytes, '\n', piece.length) ||
                                strchr(".!?", piece.bytes[piece.length - 1]));
}

static bool add_document(const bpe *tokenizer, const ids *prompt, int document, int32_t begin,
                         int32_t end, passages *out, reason *why)
{
    for (int32_t i = begin; i < end; i++) {
        const int32_t length = i + 1 - begin;
        const bool stop = length >= SHORTEST && end - (i + 1) >= SHORTEST &&
                          ends_sentence(tokenizer, prompt->items[i]);
        if (stop || length == LONGEST) {
            if (!add(out, SOURCE_DOCUMENT, document, begin, i + 1, why)) {
                return false;
            }
            begin = i + 1;
        }
    }
    return add(out, SOURCE_DOCUMENT, document, begin, end, why);
}

/* Of the prompt's last token. */
static source_kind last_kind(const prompt_parts *parts)
{
    int i = parts->count - 1;
    while (i > 0 && parts->items[i - 1].end == parts->items[i].end) {
        i--;
    }
    return kinds[parts->items[i].kind];
}

bool passages_cut(const bpe *tokenizer, const ids *prompt, const prompt_parts *parts, int32_t room,
                  bool apart, passages *out, reason *why)
{
    const int32_t count = (int32_t)prompt->count, last = apart && count > 1 ? count - 1 : count;
    const int32_t step = apart ? 1 : room - count;
    int32_t begin = 1;
    bool done = add(out, SOURCE_SINK, 0, 0, 1, why);
    for (int i = 0; done && i < parts->count; i++) {
        const prompt_part *part = &parts->items[i];
        const int32_t end = (int32_t)part->end < last ? (int32_t)part->end : last;
        done = part->kind == PROMPT_DOCUMENT
                   ? add_document(tokenizer, prompt, part->document, begin, end, out, why)
                   : add(out, kinds[part->kind], 0, begin, end, why);
        begin = end > begin ? end : begin;
    }
    done = done && add(out, last_kind(parts), 0, last, count, why);
    for (int32_t i = count; done && i < room; i += step) {
        done = add(out, SOURCE_ANSWER, 0, i, i + step, why);
    }
    if (!done) {
        passages_free(out);
    }
    return done;
}

void passages_free(passages *p)
{
    free(p->items);
    *p = (passages){0};
}
