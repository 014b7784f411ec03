#include "sentences.h"

#include <stdlib.h>
#include <string.h>

/* ---- Texts ------------------------------------------------------------------------------ */

bool texts_add(texts *list, const char *bytes, size_t length, reason *why)
{
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 64;
        text_span *larger = realloc(list->items, room * sizeof *larger);
        if (!larger) {
            return refuse(why, "out of memory");
        }
        list->items = larger;
        list->room = room;
    }
    list->items[list->count++] = (text_span){bytes, length};
    return true;
}

bool texts_add_lines(texts *list, const char *text, size_t bytes, reason *why)
{
    bool done = true;
    while (done && bytes > 0) {
        const char *end = memchr(text, '\n', bytes);
        const size_t length = end ? (size_t)(end - text) : bytes;
        const bool carriage = length > 0 && text[length - 1] == '\r';
        done = texts_add(list, text, length - carriage, why);
        text += end ? length + 1 : length;
        bytes -= end ? length + 1 : length;
    }
    return done;
}

void texts_free(texts *list)
{
    free(list->items);
    *list = (texts){0};
}

/* ---- Tokens ------------------------------------------------------------------------------ */

/* One token more than fits tells that the text is too long. */
static bool add_text(const wordpiece *tokenizer, const text_span *text, int32_t most,
                     tokenized *out, reason *why)
{
    const size_t before = out->ids.count, fits = (size_t)most;
    bool done = wordpiece_encode(tokenizer, text->bytes, text->length, fits + 1, &out->ids, why);
    if (done && out->ids.count - before > fits) {
        out->ids.count = before;
        out->cut++;
        done = wordpiece_encode(tokenizer, text->bytes, text->length, fits, &out->ids, why);
    }
    return done;
}

bool tokenize_texts(const wordpiece *tokenizer, const texts *list, int32_t most, tokenized *out,
                    reason *why)
{
    *out =
        (tokenized){.starts = calloc(list->count + 1, sizeof *out->starts), .count = list->count};
    if (!out->starts) {
        return refuse(why, "out of memory");
    }
    for (size_t i = 0; i < list->count; i++) {
        if (!add_text(tokenizer, &list->items[i], most, out, why)) {
            return false;
        }
        out->starts[i + 1] = out->ids.count;
    }
    return true;
}

void tokenized_free(tokenized *t)
{
    ids_free(&t->ids);
    free(t->starts);
    *t = (tokenized){.count = 0};
}

/* ---- Vectors ------------------------------------------------------------------------------ */

typedef struct sized {
    size_t text, length;
} sized;

static int compare_sizes(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    if (x->length != y->length) {
        return x->length < y->length ? -1 : 1;
    }
    return x->text < y->text ? -1 : 1;
}

/* Texts of one length go together: a batch costs what its longest does. */
static sized *sort_by_length(const tokenized *t)
{
    sized *order = malloc((t->count + 1) * sizeof *order);
    for (size_t i = 0; order && i < t->count; i++) {
        order[i] = (sized){i, t->starts[i + 1] - t->starts[i]};
    }
    if (order) {
        qsort(order, t->count, sizeof *order, compare_sizes);
    }
    return order;
}

/* What a batch needs in host memory, the largest there can be. */
typedef struct bench {
    int32_t *ids, *starts;
    float *sentences, *tokens;
} bench;

static bool make_bench(const bert *model, bool tokens, bench *b)
{
    const size_t room = (size_t)bert_room(model), columns = (size_t)bert_facts(model)->columns;
    *b = (bench){.ids = malloc(room * sizeof *b->ids),
                 .starts = malloc((room + 1) * sizeof *b->starts),
                 .sentences = malloc(room * columns * sizeof(float)),
                 .tokens = tokens ? malloc(room * columns * sizeof(float)) : NULL};
    return b->ids && b->starts && b->sentences && (!tokens || b->tokens);
}

static void free_bench(bench *b)
{
    free(b->ids);
    free(b->starts);
    free(b->sentences);
    free(b->tokens);
}

/* As many of the texts in order as there is room for; at least one. */
static bert_batch gather(const bert *model, const tokenized *t, const sized *order, size_t count,
                         bench *b)
{
    const size_t room = (size_t)bert_room(model);
    bert_batch batch = {.ids = b->ids, .starts = b->starts};
    size_t used = 0;
    b->starts[0] = 0;
    for (size_t i = 0; i < count && used + order[i].length <= room; i++) {
        memcpy(b->ids + used, t->ids.items + t->starts[order[i].text],
               order[i].length * sizeof *b->ids);
        used += order[i].length;
        b->starts[++batch.texts] = (int32_t)used;
    }
    return batch;
}

static void scatter(const bert *model, const tokenized *t, const sized *order,
                    const bert_batch *batch, const bench *b, float *sentences, float *tokens)
{
    const size_t columns = (size_t)bert_facts(model)->columns, row = columns * sizeof(float);
    for (int32_t i = 0; i < batch->texts; i++) {
        const size_t text = order[i].text;
        memcpy(sentences + text * columns, b->sentences + (size_t)i * columns, row);
        if (tokens) {
            memcpy(tokens + t->starts[text] * columns,
                   b->tokens + (size_t)batch->starts[i] * columns, order[i].length * row);
        }
    }
}

bool sentences_encode(bert *model, const tokenized *t, float *sentences, float *tokens,
                      sentences_progress *progress, void *user)
{
    bench b = {0};
    size_t tokens_done = 0;
    sized *order = sort_by_length(t);
    bool done = order && make_bench(model, tokens, &b);
    if (!done) {
        fail("out of memory");
    }
    for (size_t first = 0; done && first < t->count;) {
        const bert_batch batch = gather(model, t, order + first, t->count - first, &b);
        done = bert_encode(model, &batch, b.sentences, b.tokens);
        if (done) {
            scatter(model, t, order + first, &batch, &b, sentences, tokens);
            tokens_done += (size_t)batch.starts[batch.texts];
            progress(user, tokens_done, t->ids.count);
        }
        first += (size_t)batch.texts;
    }
    free_bench(&b);
    free(order);
    return done;
}
