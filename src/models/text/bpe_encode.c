/* Encoding.  How the vocabulary is read is in bpe_vocabulary.c.
 *
 * Sennrich et al. 2016: a piece begins as single bytes; of all neighbours that the list of merges
 * holds, those of the lowest rank, and of these the leftmost, are joined, until none is left.  The
 * symbols are a linked list, the candidates a heap, so that a piece of n bytes takes n log n. */
#include "bpe_encode.h"

#include "models/common/error.h"

#include <stdlib.h>
#include <string.h>

typedef struct symbol {
    int32_t id; /* -1 = a byte without a token, or joined to the symbol before */
    int32_t previous, next;
} symbol;

/* A merge and the symbol on its left.  Either may have changed since; then it is no more. */
typedef struct candidate {
    int32_t rank, left;
} candidate;

typedef struct workspace {
    symbol *symbols;
    candidate *heap;
    size_t symbol_room, heap_room, heap_count;
} workspace;

/* ---- The heap of candidates -------------------------------------------------------------- */

static bool before(candidate a, candidate b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.left < b.left;
}

static void push(workspace *w, candidate c)
{
    size_t i = w->heap_count++;
    for (; i > 0 && before(c, w->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        w->heap[i] = w->heap[(i - 1) / 2];
    }
    w->heap[i] = c;
}

static candidate pop(workspace *w)
{
    const candidate top = w->heap[0], last = w->heap[--w->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->heap_count; i = child) {
        child += child + 1 < w->heap_count && before(w->heap[child + 1], w->heap[child]);
        if (!before(w->heap[child], last)) {
            break;
        }
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

/* ---- One piece ---------------------------------------------------------------------------- */

static void consider(const clattn__bpe *t, workspace *w, int32_t left)
{
    const int32_t right = left < 0 ? -1 : w->symbols[left].next;
    if (right < 0) {
        return;
    }
    const int32_t rank = clattn__bpe_rank(t, w->symbols[left].id, w->symbols[right].id);
    if (rank >= 0) {
        push(w, (candidate){rank, left});
    }
}

static void join(const clattn__bpe *t, workspace *w, candidate c)
{
    const clattn__bpe_merge *merge = &t->merges[c.rank];
    symbol *left = &w->symbols[c.left];
    symbol *right = left->next < 0 ? NULL : &w->symbols[left->next];
    if (left->id != merge->left || !right || right->id != merge->right) {
        return;
    }
    left->id = merge->result;
    left->next = right->next;
    right->id = -1;
    if (left->next >= 0) {
        w->symbols[left->next].previous = c.left;
    }
    consider(t, w, left->previous);
    consider(t, w, c.left);
}

/* Every merge takes one candidate away and adds two at most. */
static bool make_room(workspace *w, size_t bytes)
{
    if (bytes <= w->symbol_room) {
        return true;
    }
    const size_t room = bytes < 64 ? 64 : bytes + bytes / 2;
    symbol *symbols = realloc(w->symbols, room * sizeof *symbols);
    w->symbols = symbols ? symbols : w->symbols;
    candidate *heap = realloc(w->heap, 2 * room * sizeof *heap);
    w->heap = heap ? heap : w->heap;
    w->symbol_room = symbols && heap ? room : w->symbol_room;
    return symbols && heap;
}

static clattn_status encode_piece(const clattn__bpe *t, workspace *w, const char *text,
                                  size_t bytes, clattn_ids *out, size_t *lost)
{
    const int32_t whole = t->words.slots ? clattn__lookup_find(&t->words, text, bytes) : -1;
    if (whole >= 0) {
        return clattn_ids_add(out, whole);
    }
    if (!make_room(w, bytes)) {
        return clattn__no_memory();
    }
    const int32_t count = (int32_t)bytes;
    for (int32_t i = 0; i < count; i++) {
        const int32_t id = t->bytes[(unsigned char)text[i]];
        w->symbols[i] = (symbol){id, i - 1, i + 1 < count ? i + 1 : -1};
        *lost += id < 0;
    }
    w->heap_count = 0;
    for (int32_t i = 0; i < count; i++) {
        consider(t, w, i);
    }
    while (w->heap_count > 0) {
        join(t, w, pop(w));
    }
    for (int32_t i = 0; i >= 0; i = w->symbols[i].next) {
        if (w->symbols[i].id >= 0) {
            TRY(clattn_ids_add(out, w->symbols[i].id));
        }
    }
    return CLATTN_OK;
}

/* ---- A text --------------------------------------------------------------------------------- */

static clattn_status encode_plain(const clattn__bpe *t, workspace *w, const char *text,
                                  size_t bytes, clattn_ids *out, size_t *lost)
{
    while (bytes > 0) {
        const size_t piece = clattn__pretokenizer_piece(t->rules, text, bytes);
        TRY(encode_piece(t, w, text, piece, out, lost));
        text += piece;
        bytes -= piece;
    }
    return CLATTN_OK;
}

static clattn_status encode_between(const clattn__bpe *t, workspace *w,
                                    const clattn__special_tokens *special, const char *text,
                                    size_t bytes, clattn_ids *out, size_t *lost)
{
    while (bytes > 0) {
        size_t at, length;
        const int32_t id = clattn__special_find(special, text, bytes, &at, &length);
        TRY(encode_plain(t, w, text, at, out, lost));
        if (id >= 0) {
            TRY(clattn_ids_add(out, id));
        }
        text += at + length;
        bytes -= at + length;
    }
    return CLATTN_OK;
}

/* around: what stands before and behind the text; -1 = nothing. */
static clattn_status encode_around(const clattn__bpe *t, workspace *w,
                                   const clattn__special_tokens *special, const int32_t around[2],
                                   const char *text, size_t bytes, clattn_ids *out, size_t *lost)
{
    if (around[0] >= 0) {
        TRY(clattn_ids_add(out, around[0]));
    }
    TRY(encode_between(t, w, special, text, bytes, out, lost));
    return around[1] >= 0 ? clattn_ids_add(out, around[1]) : CLATTN_OK;
}

clattn_status clattn__bpe_encode(const clattn__bpe *t, const char *text, size_t bytes,
                                 unsigned flags, clattn_ids *out, size_t *lost)
{
    const bool whole = flags & CLATTN_ENCODE_WHOLE;
    const int32_t around[2] = {whole ? t->first : -1, whole ? t->last : -1};
    workspace w = {0};
    if (bytes > INT32_MAX / 4) { /* symbols are numbered in 32 bits */
        return clattn__refuse("a text of %zu bytes, at most %d can be", bytes, INT32_MAX / 4);
    }
    const clattn_status status =
        encode_around(t, &w, flags & CLATTN_ENCODE_SPECIAL ? &t->special : &t->user, around, text,
                      bytes, out, lost);
    free(w.symbols);
    free(w.heap);
    return status;
}
