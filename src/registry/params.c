#include "params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void clattn__params_built_in(const clattn_device_facts *facts,
                             const struct clattn__variant *variant, const void *desc,
                             int params[CLATTN__MAX_PARAMS])
{
    for (int i = 0; i < CLATTN__MAX_PARAMS; i++) {
        params[i] = variant->params[i].value;
    }
    if (variant->adapt) {
        variant->adapt(facts, desc, params);
    }
}

/* ---- As text ------------------------------------------------------------------ */

static bool is_choice(const struct clattn__param *param, long value)
{
    for (int i = 0; i < CLATTN__MAX_CHOICES && param->choices[i]; i++) {
        if (param->choices[i] == value) {
            return true;
        }
    }
    return false;
}

/* The tunable parameter of that name, or -1. */
static int find_param(const struct clattn__variant *variant, const char *name, size_t length)
{
    for (int i = 0; i < CLATTN__MAX_PARAMS && variant->params[i].name; i++) {
        const struct clattn__param *param = &variant->params[i];
        if (clattn__tunable(param) && strlen(param->name) == length &&
            !strncmp(param->name, name, length)) {
            return i;
        }
    }
    return -1;
}

static void append(char *text, size_t bytes, const char *separator, const char *word)
{
    const size_t used = strlen(text);
    snprintf(text + used, bytes - used, "%s%s", used ? separator : "", word);
}

static bool refuse_param(const struct clattn__variant *variant, const char *word, int length,
                         char reason[CLATTN__REASON_BYTES])
{
    char names[CLATTN__PARAMS_BYTES] = "";
    for (int i = 0; i < CLATTN__MAX_PARAMS && variant->params[i].name; i++) {
        if (clattn__tunable(&variant->params[i])) {
            append(names, sizeof names, ", ", variant->params[i].name);
        }
    }
    snprintf(reason, CLATTN__REASON_BYTES, "'%.*s' is not a parameter of %s (%s), as NAME=VALUE",
             length < 40 ? length : 40, word, variant->name, names[0] ? names : "it has none");
    return false;
}

static bool refuse_value(const struct clattn__param *param, const char *word, int length,
                         char reason[CLATTN__REASON_BYTES])
{
    char choices[100] = "";
    for (int i = 0; i < CLATTN__MAX_CHOICES && param->choices[i]; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", param->choices[i]);
        append(choices, sizeof choices, ", ", number);
    }
    snprintf(reason, CLATTN__REASON_BYTES, "'%.*s': %s must be one of %s",
             length < 40 ? length : 40, word, param->name, choices);
    return false;
}

bool clattn__params_read(const struct clattn__variant *variant, const char *text,
                         int params[CLATTN__MAX_PARAMS], char reason[CLATTN__REASON_BYTES])
{
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        const size_t length = strcspn(text, " "), name = strcspn(text, "=");
        const int i = name < length ? find_param(variant, text, name) : -1;
        if (i < 0) {
            return refuse_param(variant, text, (int)length, reason);
        }
        char *end;
        const long value = strtol(text + name + 1, &end, 10);
        if (end != text + length || !is_choice(&variant->params[i], value)) {
            return refuse_value(&variant->params[i], text, (int)length, reason);
        }
        params[i] = (int)value;
        text += length;
    }
    return true;
}

void clattn__params_write(const struct clattn__variant *variant, const int *params,
                          char text[CLATTN__PARAMS_BYTES])
{
    text[0] = '\0';
    for (int i = 0; i < CLATTN__MAX_PARAMS && variant->params[i].name; i++) {
        char word[64];
        snprintf(word, sizeof word, "%s=%d", variant->params[i].name, params[i]);
        if (clattn__tunable(&variant->params[i])) {
            append(text, CLATTN__PARAMS_BYTES, " ", word);
        }
    }
}
