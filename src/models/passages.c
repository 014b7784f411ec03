#include "passages.h"

#include "common/error.h"

#include <stdlib.h>
#include <string.h>

enum { SHORTEST = 12, LONGEST = 48 }; /* tokens; of a long sentence what is left may be shorter */

static clattn_status add(clattn__passages *p, clattn_source kind, int32_t document, int32_t begin,
                         int32_t end)
{
    if (begin >= end) {
        return CLATTN_OK;
    }
    clattn_passage *more = realloc(p->items, (p->count + 1) * sizeof *more);
    if (!more) {
        return clattn__no_memory();
    }
    more[p->count++] = (clattn_passage){kind, document, begin, end};
    p->items = more;
    return CLATTN_OK;
}

/* Whether a token ends a line, or with its last letter a sentence. */
static bool ends_sentence(const clattn_tokenizer *tokenizer, int32_t token)
{
    const clattn_text piece = clattn_tokenizer_piece(tokenizer, token);
    return piece.length > 0 && (memchr(piece.bytes, '\n', piece.length) ||
                                memchr(".!?", piece.bytes[piece.length - 1], 3));
}

static clattn_status add_document(const clattn_sources_desc *d, int32_t document, int32_t begin,
                                  int32_t end, clattn__passages *out)
{
    for (int32_t i = begin; i < end; i++) {
        const int32_t length = i + 1 - begin;
        const bool stop = length >= SHORTEST && end - (i + 1) >= SHORTEST &&
                          ends_sentence(d->tokenizer, d->prompt[i]);
        if (stop || length == LONGEST) {
            TRY(add(out, CLATTN_SOURCE_DOCUMENT, document, begin, i + 1));
            begin = i + 1;
        }
    }
    return add(out, CLATTN_SOURCE_DOCUMENT, document, begin, end);
}

/* Of the prompt's last token. */
static clattn_source last_kind(const clattn_sources_desc *d)
{
    size_t i = d->part_count - 1;
    while (i > 0 && d->parts[i - 1].end == d->parts[i].end) {
        i--;
    }
    return d->parts[i].kind;
}

static clattn_status cut(const clattn_sources_desc *d, clattn__passages *out)
{
    const bool apart = d->method == CLATTN_SOURCES_ROLLOUT;
    const int32_t count = d->prompt_count, last = apart && count > 1 ? count - 1 : count;
    const int32_t step = apart ? 1 : d->rows - count;
    int32_t begin = 1;
    TRY(add(out, CLATTN_SOURCE_SINK, 0, 0, 1));
    for (size_t i = 0; i < d->part_count; i++) {
        const clattn_source_part *part = &d->parts[i];
        const int32_t end = (int32_t)part->end < last ? (int32_t)part->end : last;
        TRY(part->kind == CLATTN_SOURCE_DOCUMENT ? add_document(d, part->document, begin, end, out)
                                                 : add(out, part->kind, 0, begin, end));
        begin = end > begin ? end : begin;
    }
    TRY(add(out, last_kind(d), 0, last, count));
    for (int32_t i = count; i < d->rows; i += step) {
        TRY(add(out, CLATTN_SOURCE_ANSWER, 0, i, i + step));
    }
    return CLATTN_OK;
}

clattn_status clattn__passages_cut(const clattn_sources_desc *desc, clattn__passages *out)
{
    clattn__passages p = {0};
    const clattn_status status = cut(desc, &p);
    if (status == CLATTN_OK) {
        *out = p;
    } else {
        clattn__passages_free(&p);
    }
    return status;
}

void clattn__passages_free(clattn__passages *p)
{
    free(p->items);
    *p = (clattn__passages){0};
}
