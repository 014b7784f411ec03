#include "chat.h"

#include "models/common/error.h"

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

static clattn_status read_texts(const char *template, char *text, clattn__chat *out)
{
    walk w = {template, template + strlen(template), false};
    bool answers = false, ends = false;
    while (next_text(&w, text)) {
        answers = answers || strstr(text, answer);
        ends = ends || strstr(text, end_text);
        out->system = out->system ? out->system : system_message(text);
    }
    if (!answers || !ends) {
        return clattn__refuse("the chat template is not of the ChatML family (%s)", start_text);
    }
    if (!out->system && strstr(template, "set system_message")) {
        return clattn__refuse("the chat template makes a system message with code: not supported");
    }
    return CLATTN_OK;
}

static clattn_status read_template(clattn_text template, clattn__chat *out)
{
    char *copy = malloc(template.length + 1), *text = malloc(template.length + 1);
    clattn_status status = CLATTN_OK;
    if (copy && text) {
        memcpy(copy, template.bytes, template.length);
        copy[template.length] = '\0';
        status = read_texts(copy, text, out);
    } else {
        status = clattn__no_memory();
    }
    free(text);
    free(copy);
    return status;
}

clattn_status clattn__chat_open(const clattn_gguf *file, const clattn__bpe *tokenizer,
                                clattn__chat *out)
{
    clattn_text template;
    clattn__chat c = {tokenizer, clattn__bpe_find(tokenizer, start_text),
                      clattn__bpe_find(tokenizer, end_text), NULL};
    TRY(clattn_gguf_string(file, "tokenizer.chat_template", &template));
    clattn_status status = read_template(template, &c);
    if (status == CLATTN_OK && (c.start < 0 || c.end < 0)) {
        status = clattn__refuse("%s is no token, though the chat template has it",
                                c.start < 0 ? start_text : end_text);
    }
    if (status == CLATTN_OK) {
        *out = c;
    } else {
        clattn__chat_close(&c);
    }
    return status;
}

void clattn__chat_close(clattn__chat *c)
{
    free(c->system);
    c->system = NULL;
}

/* ---- Encoding ----------------------------------------------------------------------------- */

/* ROLE, a line end and the message are one text: pieces may go over from one to the next. */
static clattn_status add_turn(const clattn__chat *c, const char *role, const char *text,
                              clattn_ids *out, size_t *lost)
{
    const size_t length = strlen(role) + 1 + strlen(text);
    TRY(clattn_ids_add(out, c->start));
    char *turn = malloc(length + 1);
    if (!turn) {
        return clattn__no_memory();
    }
    snprintf(turn, length + 1, "%s\n%s", role, text);
    const clattn_status status = clattn__bpe_encode(c->tokenizer, turn, length, 0, out, lost);
    free(turn);
    return status;
}

static clattn_status add_whole_turn(const clattn__chat *c, const char *role, const char *text,
                                    clattn_ids *out, size_t *lost)
{
    TRY(add_turn(c, role, text, out, lost));
    TRY(clattn_ids_add(out, c->end));
    return clattn__bpe_encode(c->tokenizer, "\n", 1, 0, out, lost);
}

clattn_status clattn__chat_encode(const clattn__chat *c, const clattn_chat_message *messages,
                                  size_t count, clattn_ids *out, size_t *lost)
{
    const bool told = count > 0 && !strcmp(messages[0].role, "system");
    if (!told && c->system) {
        TRY(add_whole_turn(c, "system", c->system, out, lost));
    }
    for (size_t i = 0; i < count; i++) {
        TRY(add_whole_turn(c, messages[i].role, messages[i].text, out, lost));
    }
    return add_turn(c, "assistant", "", out, lost);
}
