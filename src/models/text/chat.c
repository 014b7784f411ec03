#include "chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char start_text[] = "<|im_start|>", end_text[] = "<|im_end|>";
static const char answer[] = "<|im_start|>assistant\n", system_start[] = "<|im_start|>system\n";

/* ---- Texts of a template -------------------------------------------------------------------
 * A template is Jinja: text as it stands and, between braces, code, in which text stands in quotes.
 * These texts tell enough: templates of the family differ in what the model is told where the user
 * says nothing. */

typedef struct walk {
    const char *at, *end;
    bool in_code;
} walk;

static bool begins(const walk *w, char first, const char *second)
{
    return w->at + 1 < w->end && *w->at == first && strchr(second, w->at[1]) && w->at[1];
}

static size_t plain(walk *w, char *out)
{
    size_t length = 0;
    while (w->at < w->end && !begins(w, '{', "{%")) {
        out[length++] = *w->at++;
    }
    w->in_code = true;
    return length;
}

static size_t quoted(walk *w, char *out)
{
    const char quote = *w->at++;
    size_t length = 0;
    while (w->at < w->end && *w->at != quote) {
        const bool escape = *w->at == '\\' && w->at + 1 < w->end;
        w->at += escape;
        out[length++] = escape && *w->at == 'n' ? '\n' : *w->at;
        w->at++;
    }
    w->at += w->at < w->end;
    return length;
}

/* The next text into out, which has the template's length and one byte.  False: there is none. */
static bool next_text(walk *w, char *out)
{
    while (w->at < w->end) {
        const bool quote = *w->at == '\'' || *w->at == '"';
        if (!w->in_code || quote) {
            out[w->in_code ? quoted(w, out) : plain(w, out)] = '\0';
            return true;
        }
        w->in_code = !begins(w, '}', "}") && !begins(w, '%', "}");
        w->at += w->in_code ? 1 : 2;
    }
    return false;
}

/* ---- Recognising the family ------------------------------------------------------------------ */

/* The message of a whole system turn, if one is in the text. */
static char *system_message(const char *text)
{
    const char *begin = strstr(text, system_start);
    begin = begin ? begin + strlen(system_start) : NULL;
    const char *end = begin ? strstr(begin, end_text) : NULL;
    char *message = end ? malloc((size_t)(end - begin) + 1) : NULL;
    if (message) {
        memcpy(message, begin, (size_t)(end - begin));
        message[end - begin] = '\0';
    }
    return message;
}

static bool read_texts(const char *template, char *text, chat *out, reason *why)
{
    walk w = {template, template + strlen(template), false};
    bool answers = false, ends = false;
    while (next_text(&w, text)) {
        answers = answers || strstr(text, answer);
        ends = ends || strstr(text, end_text);
        out->system = out->system ? out->system : system_message(text);
    }
    if (!answers || !ends) {
        return refuse(why, "the chat template is not of the ChatML family (%s)", start_text);
    }
    if (!out->system && strstr(template, "set system_message")) {
        return refuse(why, "the chat template makes a system message with code: not supported");
    }
    return true;
}

static bool read_template(gguf_text template, chat *out, reason *why)
{
    char *copy = malloc(template.length + 1), *text = malloc(template.length + 1);
    bool done = copy && text;
    if (done) {
        memcpy(copy, template.bytes, template.length);
        copy[template.length] = '\0';
        done = read_texts(copy, text, out, why);
    } else {
        refuse(why, "out of memory");
    }
    free(text);
    free(copy);
    return done;
}

bool chat_open(const gguf *file, const bpe *tokenizer, chat *out, reason *why)
{
    gguf_text template;
    *out = (chat){tokenizer, bpe_find(tokenizer, start_text), bpe_find(tokenizer, end_text), NULL};
    if (!gguf_string(file, "tokenizer.chat_template", &template, why)) {
        return false;
    }
    if (!read_template(template, out, why)) {
        chat_close(out);
        return false;
    }
    if (out->start < 0 || out->end < 0) {
        chat_close(out);
        return refuse(why, "%s is no token, though the chat template has it",
                      out->start < 0 ? start_text : end_text);
    }
    return true;
}

void chat_close(chat *c)
{
    free(c->system);
    c->system = NULL;
}

/* ---- Encoding -----------------------------------------------------------------------------------
 */

/* ROLE, a line end and the message are one text: pieces may go over from one to the next. */
static bool add_turn(const chat *c, const char *role, const char *text, ids *out, size_t *lost,
                     reason *why)
{
    const size_t length = strlen(role) + 1 + strlen(text);
    char *turn = malloc(length + 1);
    if (!turn || !ids_add(out, c->start)) {
        free(turn);
        return refuse(why, "out of memory");
    }
    snprintf(turn, length + 1, "%s\n%s", role, text);
    const bool done = bpe_encode(c->tokenizer, turn, length, 0, out, lost, why);
    free(turn);
    return done;
}

static bool add_whole_turn(const chat *c, const char *role, const char *text, ids *out,
                           size_t *lost, reason *why)
{
    return add_turn(c, role, text, out, lost, why) &&
           (ids_add(out, c->end) || refuse(why, "out of memory")) &&
           bpe_encode(c->tokenizer, "\n", 1, 0, out, lost, why);
}

bool chat_encode(const chat *c, const chat_message *messages, size_t count, ids *out, size_t *lost,
                 reason *why)
{
    const bool told = count > 0 && !strcmp(messages[0].role, "system");
    bool done = told || !c->system || add_whole_turn(c, "system", c->system, out, lost, why);
    for (size_t i = 0; done && i < count; i++) {
        done = add_whole_turn(c, messages[i].role, messages[i].text, out, lost, why);
    }
    return done && add_turn(c, "assistant", "", out, lost, why);
}
