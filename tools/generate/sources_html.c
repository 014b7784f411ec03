/* The report as one HTML file: no scripts, nothing from the network, light and dark. */
#include "sources_report.h"

#include <stdlib.h>
#include <string.h>

enum { BEST = 8, COLOURS = 8, CELL_HEIGHT = 20, LABEL = 130, HEAD = 54, PICTURE = 940 };

/* Okabe and Ito's, told apart by the colour-blind too. */
static const char *const colours[COLOURS] = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                             "#56b4e9", "#d55e00", "#b8a800", "#888888"};

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1b1b;--soft:#666;--line:#d8d8d8;--paper:#fff;"
    "--heat:#08519c}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#ececec;--soft:#a0a0a0;--line:#444;"
    "--paper:#161616;--heat:#8ec5ff}}\n"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
    "max-width:960px;margin:2em auto;padding:0 1em}\n"
    "h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}p.note,small{color:var(--soft)}\n"
    "table{border-collapse:collapse;width:100%}td,th{padding:.25em .5em;text-align:left;"
    "vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums;"
    "white-space:nowrap}\n"
    "th.n{text-align:right}td.name{white-space:nowrap}\n"
    "tr+tr td{border-top:1px solid var(--line)}.bar{display:block;height:.9em;border-radius:2px;"
    "margin-top:.3em;min-width:1px}\n"
    ".answer{border:1px solid var(--line);border-radius:6px;padding:.8em 1em;"
    "white-space:pre-wrap}.answer span{border-bottom:3px solid transparent}\n"
    ".dot{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}\n"
    ".quote{white-space:pre-wrap}.wide{overflow-x:auto}svg text{fill:var(--ink);"
    "font:12px ui-monospace,monospace}svg .heat{fill:var(--heat)}"
    "svg .frame{fill:none;stroke:var(--line)}\n";

static const char *colour_of(int document) { return colours[document % COLOURS]; }

/* Text between tags or in an attribute. */
static void put_text(FILE *file, const char *text)
{
    for (; text && *text; text++) {
        switch (*text) {
        case '&': fputs("&amp;", file); break;
        case '<': fputs("&lt;", file); break;
        case '>': fputs("&gt;", file); break;
        case '"': fputs("&quot;", file); break;
        default: /* what XML and HTML know no character for */
            fputc((unsigned char)*text < ' ' && !strchr("\n\t", *text) ? ' ' : *text, file);
        }
    }
}

static void put_passage(FILE *file, const answer_sources *a, const clattn_passage *p)
{
    char *text = tokens_text(a->tokenizer, a->read->items + p->begin, (size_t)(p->end - p->begin));
    for (size_t end = text ? strlen(text) : 0; end > 0 && strchr(" \n", text[end - 1]); end--) {
        text[end - 1] = '\0';
    }
    put_text(file, text ? text + strspn(text, " \n") : text);
    free(text);
}

/* ---- Parts -------------------------------------------------------------------------------- */

/* The document that a token took most from, and how much of what it took from all of them. */
static int main_document(const answer_sources *a, size_t token, double *share, double *of_all)
{
    const size_t spans = a->passage_count;
    double *sums = calloc((size_t)a->documents->count + 1, sizeof *sums), all = 0;
    int best = 0;
    for (size_t i = 0; sums && i < spans; i++) {
        const clattn_passage *p = &a->passages[i];
        if (p->kind == CLATTN_SOURCE_DOCUMENT) {
            sums[p->document] += a->shares.token[token * spans + i];
            all += a->shares.token[token * spans + i];
        }
    }
    for (int d = 1; sums && d < a->documents->count; d++) {
        best = sums[d] > sums[best] ? d : best;
    }
    *share = sums && all > 0 ? sums[best] / all : 0;
    *of_all = all;
    free(sums);
    return best;
}

static void put_answer(FILE *file, const answer_sources *a)
{
    fputs("<h2>The answer</h2>\n<p class=note>A line below a word: the document it took most from,"
          " the stronger the more of all documents.</p>\n<div class=answer>",
          file);
    for (size_t n = 0; n < a->answer->count; n++) {
        char *text = tokens_text(a->tokenizer, a->answer->items + n, 1);
        double share, all;
        const int d = main_document(a, n, &share, &all);
        if (a->documents->count > 0) {
            fprintf(file, "<span style=\"border-color:%s%02x\" title=\"", colour_of(d),
                    (int)(share * 255));
            put_text(file, source_name(a, CLATTN_SOURCE_DOCUMENT, d));
            fprintf(file, ": %.0f%% of what documents had, which was %.0f%% of all\">", 100 * share,
                    100 * all);
        } else {
            fputs("<span>", file);
        }
        put_text(file, text);
        fputs("</span>", file);
        free(text);
    }
    fputs("</div>\n", file);
}

static void put_share(FILE *file, const char *name, const char *colour, double of_all,
                      const double *of_documents)
{
    const double bar = of_documents ? *of_documents : of_all;
    fprintf(file, "<tr><td><span class=dot style=\"background:%s\"></span>", colour);
    put_text(file, name);
    if (of_documents) {
        fprintf(file, "<td class=n>%.1f%%", 100 * *of_documents);
    } else {
        fputs("<td class=n>", file);
    }
    fprintf(file,
            "<td class=n>%.1f%%<td style=\"width:45%%\"><span class=bar "
            "style=\"width:%.1f%%;background:%s;opacity:%s\"></span>\n",
            100 * of_all, 100 * bar, colour, of_documents ? "1" : ".45");
}

static void put_shares(FILE *file, const answer_sources *a)
{
    fputs("<h2>Where it came from</h2>\n<table><tr><th>source<th class=n>of documents<th "
          "class=n>of all<th>\n",
          file);
    for (int d = 0; d < a->documents->count; d++) {
        put_share(file, source_name(a, CLATTN_SOURCE_DOCUMENT, d), colour_of(d),
                  a->shares.document[d], &a->shares.of_documents[d]);
    }
    for (int kind = 0; kind < CLATTN_SOURCES; kind++) {
        if (kind != CLATTN_SOURCE_DOCUMENT && a->shares.kind[kind] > 0) {
            put_share(file, source_name(a, (clattn_source)kind, 0), "#888888", a->shares.kind[kind],
                      NULL);
        }
    }
    fputs("</table>\n", file);
}

/* Those of documents in the order of their shares: at most most numbers into order. */
static size_t best_passages(const answer_sources *a, size_t *order, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < a->passage_count; i++) {
        if (a->passages[i].kind != CLATTN_SOURCE_DOCUMENT) {
            continue;
        }
        size_t at = count < most ? count++ : most;
        for (; at > 0 && a->shares.passage[order[at - 1]] < a->shares.passage[i]; at--) {
            if (at < most) {
                order[at] = order[at - 1];
            }
        }
        if (at < most) {
            order[at] = i;
        }
    }
    return count;
}

static void put_best(FILE *file, const answer_sources *a)
{
    size_t order[BEST];
    const size_t count = best_passages(a, order, BEST);
    if (count == 0) {
        return;
    }
    fputs("<h2>Passages that had most</h2>\n<table>\n", file);
    for (size_t n = 0; n < count; n++) {
        const clattn_passage *p = &a->passages[order[n]];
        fprintf(
            file,
            "<tr><td class=n>%.1f%%<td class=name><span class=dot style=\"background:%s\"></span>",
            100 * a->shares.passage[order[n]], colour_of(p->document));
        put_text(file, source_name(a, CLATTN_SOURCE_DOCUMENT, p->document));
        fputs("<td class=quote>", file);
        put_passage(file, a, p);
        fputc('\n', file);
    }
    fputs("</table>\n", file);
}

/* ---- The map: tokens down, passages across ------------------------------------------------- */

typedef struct map {
    size_t *columns; /* passages of documents */
    size_t count;
    double width, most; /* of a cell; the largest number */
} map;

static void put_cells(FILE *file, const answer_sources *a, const map *m)
{
    for (size_t n = 0; n < a->answer->count; n++) {
        const int y = HEAD + (int)n * CELL_HEIGHT;
        char *text = tokens_text(a->tokenizer, a->answer->items + n, 1);
        fprintf(file, "<text x=%d y=%d text-anchor=end>", LABEL - 8, y + 14);
        put_text(file, text && strcmp(text, "\n") ? text : "\xe2\x8f\x8e");
        fputs("</text>\n", file);
        free(text);
        for (size_t c = 0; c < m->count; c++) {
            const double value = a->shares.token[n * a->passage_count + m->columns[c]];
            if (value >= m->most / 200) { /* less cannot be seen */
                fprintf(file,
                        "<rect class=heat x=%.1f y=%d width=%.1f height=%d "
                        "fill-opacity=%.2f><title>%.2f%%</title></rect>\n",
                        LABEL + (double)c * m->width, y, m->width, CELL_HEIGHT - 1, value / m->most,
                        100 * value);
            }
        }
    }
}

/* A document's name and colour above its passages, a line at its left. */
static void put_heads(FILE *file, const answer_sources *a, const map *m, int height)
{
    for (size_t c = 0, next; c < m->count; c = next) {
        const int d = a->passages[m->columns[c]].document;
        for (next = c; next < m->count && a->passages[m->columns[next]].document == d;) {
            next++;
        }
        const double x = LABEL + (double)c * m->width, width = (double)(next - c) * m->width;
        fprintf(file,
                "<rect x=%.1f y=%d width=%.1f height=6 fill=\"%s\" />"
                "<rect class=frame x=%.1f y=%d width=%.1f height=%d />\n"
                "<svg x=%.1f y=20 width=%.1f height=20><text x=2 y=14>",
                x, HEAD - 10, width - 1, colour_of(d), x, HEAD, width, height - HEAD, x, width);
        put_text(file, source_name(a, CLATTN_SOURCE_DOCUMENT, d));
        fputs("</text></svg>\n", file);
    }
}

static void put_legend(FILE *file, const map *m)
{
    fputs("<p class=note>", file);
    for (int step = 1; step <= 5; step++) {
        fprintf(file,
                "<span class=dot style=\"background:var(--heat);opacity:%.1f;margin:0 .3em 0 1em\">"
                "</span>%.1f%%",
                step / 5.0, 20 * m->most * step);
    }
    fputs(" of all that a token took</p>\n", file);
}

static bool put_map(FILE *file, const answer_sources *a, reason *why)
{
    const size_t spans = a->passage_count;
    map m = {.columns = malloc(spans * sizeof *m.columns)};
    if (!m.columns) {
        return refuse(why, "out of memory");
    }
    for (size_t i = 0; i < spans; i++) {
        if (a->passages[i].kind == CLATTN_SOURCE_DOCUMENT) {
            m.columns[m.count++] = i;
        }
    }
    for (size_t n = 0; n < a->answer->count; n++) {
        for (size_t c = 0; c < m.count; c++) {
            const double value = a->shares.token[n * spans + m.columns[c]];
            m.most = value > m.most ? value : m.most;
        }
    }
    if (m.count > 0 && m.most > 0) {
        const int height = HEAD + (int)a->answer->count * CELL_HEIGHT;
        m.width = (PICTURE - LABEL) / (double)m.count;
        m.width = m.width < 8 ? 8 : m.width > 60 ? 60 : m.width;
        const double width = LABEL + (double)m.count * m.width + 1;
        fputs(
            "<h2>Token by token</h2>\n<p class=note>Down: the answer.  Across: the passages of the"
            " documents.</p>\n",
            file);
        put_legend(file, &m);
        fprintf(file, "<div class=wide><svg width=%.0f height=%d role=img>\n", width, height + 1);
        put_cells(file, a, &m);
        put_heads(file, a, &m, height);
        fputs("</svg></div>\n", file);
    }
    free(m.columns);
    return true;
}

static void put_method(FILE *file, const answer_sources *a)
{
    static const char *const words[] = {
        [CLATTN_SOURCES_ATTENTION] = "attention weights",
        [CLATTN_SOURCES_VALUE] = "attention weights times the norm of the values",
        [CLATTN_SOURCES_ROLLOUT] = "attention rollout, the passages as nodes"};
    fputs("<h2>How to read this</h2>\n<p class=note>Measured: ", file);
    fputs(words[a->method], file);
    if (a->method == CLATTN_SOURCES_ROLLOUT) {
        fprintf(file, " through all %d layers of ", a->layers);
    } else {
        fprintf(file, ", the mean of all heads of layers %d to %d of ", a->shares.first_layer + 1,
                a->shares.last_layer + 1);
    }
    put_text(file, a->model);
    fputs(
        ".  It tells where the model looked while it wrote, which is evidence, not proof, of what"
        " the answer rests on.  Models put attention that they do not need on the first token; "
        "the column \xe2\x80\x9cof documents\xe2\x80\x9d leaves it, the prompt, the markup and the "
        "answer itself out.</p>\n",
        file);
}

bool sources_html(FILE *file, const answer_sources *a, reason *why)
{
    fprintf(file, "<!doctype html>\n<html lang=en><meta charset=utf-8>"
                  "<meta name=viewport content=\"width=device-width\">\n<title>");
    put_text(file, a->prompt);
    fprintf(file, "</title>\n<style>\n%s</style>\n<h1>", style);
    put_text(file, a->prompt);
    fputs("</h1>\n", file);
    put_answer(file, a);
    put_shares(file, a);
    put_best(file, a);
    const bool done = put_map(file, a, why);
    put_method(file, a);
    return done;
}
