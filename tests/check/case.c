#include "case.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, INTEGER, SEED, REAL, TYPE, TEXT, LAYOUT };

#define ROW(name, kind, field)                                                                     \
    {                                                                                              \
        name, kind, offsetof(struct test_case, field), sizeof((struct test_case *)0)->field        \
    }

static const struct row {
    const char *name;
    enum kind kind;
    size_t offset, bytes;
} rows[] = {
    ROW("--batch", INTEGER, batch),
    ROW("--heads", INTEGER, heads),
    ROW("--kv-heads", INTEGER, kv_heads),
    ROW("--nq", INTEGER, n_q),
    ROW("--nk", INTEGER, n_k),
    ROW("--head-dim", INTEGER, head_dim),
    ROW("--value-dim", INTEGER, value_dim),
    ROW("--rows", INTEGER, rows),
    ROW("--in", INTEGER, in_dim),
    ROW("--out", INTEGER, out_dim),
    ROW("--context", INTEGER, context_dim),
    ROW("--type", TYPE, type),
    ROW("--out-type", TYPE, out_type),
    ROW("--causal", FLAG, causal),
    ROW("--offset", TEXT, offset),
    ROW("--window", TEXT, window),
    ROW("--scale", REAL, scale),
    ROW("--softcap", REAL, softcap),
    ROW("--bias", TEXT, bias),
    ROW("--bias-type", TYPE, bias_type),
    ROW("--mask", TEXT, mask),
    ROW("--alibi", TEXT, alibi),
    ROW("--sinks", FLAG, sinks),
    ROW("--kv-length", TEXT, kv_length),
    ROW("--lse", FLAG, lse),
    ROW("--weights", TEXT, weights),
    ROW("--layout", LAYOUT, layout),
    ROW("--nan", FLAG, nan),
    ROW("--extreme", FLAG, extreme),
    ROW("--fused", FLAG, fused),
    ROW("--no-out", FLAG, no_out),
    ROW("--with-bias", FLAG, project_bias),
    ROW("--seed", SEED, seed),
    ROW("--kernel", TEXT, kernel),
    ROW("--params", TEXT, params),
};

static const char *const types[] = {"f32", "f16", "bf16", NULL};
static const char *const layouts[] = {"bnhd", "bhnd", "gaps", NULL};
static const struct test_case defaults = {.batch = 1,
                                          .heads = 1,
                                          .n_q = 1,
                                          .n_k = 1,
                                          .head_dim = 16,
                                          .rows = 1,
                                          .in_dim = 16,
                                          .out_dim = 16,
                                          .seed = 1};

/* ---- Reading ------------------------------------------------------------------------------ */

static bool choose(const char *text, const char *const *names, int *out)
{
    for (int i = 0; names[i]; i++) {
        if (!strcmp(text, names[i])) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool read_value(const struct row *row, const char *text, void *to)
{
    char *end = NULL;
    int choice = 0;
    switch (row->kind) {
    case FLAG: *(bool *)to = true; return true;
    case INTEGER: *(int32_t *)to = (int32_t)strtol(text, &end, 10); return end != text && !*end;
    case SEED: *(uint64_t *)to = strtoull(text, &end, 10); return end != text && !*end;
    case REAL: *(float *)to = strtof(text, &end); return end != text && !*end;
    case TEXT: return (size_t)snprintf(to, row->bytes, "%s", text) < row->bytes;
    case TYPE:
        if (choose(text, types, &choice)) {
            *(clattn_type *)to = (clattn_type)choice;
            return true;
        }
        return false;
    case LAYOUT:
        if (choose(text, layouts, &choice)) {
            *(enum layout *)to = (enum layout)choice;
            return true;
        }
        return false;
    }
    return false;
}

/* Cuts the next word off, without its quotes; NULL = there is none. */
static char *next_word(char **text)
{
    static const char blanks[] = " \t\r\n";
    char *from = *text + strspn(*text, blanks), *word = from, *to = from;
    bool quoted = false;
    if (!*from) {
        return NULL;
    }
    for (; *from && (quoted || !strchr(blanks, *from)); from++) {
        if (*from == '\'') {
            quoted = !quoted;
        } else {
            *to++ = *from;
        }
    }
    *text = from + (*from != '\0');
    *to = '\0';
    return word;
}

static bool read_words(char *text, struct test_case *out, char *why, size_t why_bytes)
{
    bool out_type_given = false;
    for (char *word = next_word(&text); word; word = next_word(&text)) {
        size_t i = 0;
        char *value = strchr(word, '=');
        if (value) {
            *value++ = '\0';
        }
        while (i < sizeof rows / sizeof *rows && strcmp(rows[i].name, word)) {
            i++;
        }
        if (i == sizeof rows / sizeof *rows) {
            snprintf(why, why_bytes, "unknown word '%s' in a case", word);
            return false;
        }
        if (rows[i].kind != FLAG && !value) {
            value = next_word(&text);
        }
        if ((rows[i].kind != FLAG && !value) ||
            !read_value(&rows[i], value, (char *)out + rows[i].offset)) {
            snprintf(why, why_bytes, "%s: bad or missing value '%s' in a case", word,
                     value ? value : "");
            return false;
        }
        out_type_given = out_type_given || !strcmp(word, "--out-type");
    }
    out->out_type = out_type_given ? out->out_type : out->type;
    return true;
}

bool case_parse(const char *line, const char *op, struct test_case *out, char *why,
                size_t why_bytes)
{
    char text[1024];
    *out = defaults;
    if ((size_t)snprintf(text, sizeof text, "%s", line) >= sizeof text) {
        snprintf(why, why_bytes, "a case is longer than %zu characters", sizeof text - 1);
        return false;
    }
    text[strcspn(text, "#")] = '\0';
    char *rest = text + strspn(text, " \t");
    if (rest[0] != '-' && rest[0] != '\0') {
        const size_t length = strcspn(rest, " \t\r\n");
        snprintf(out->op, sizeof out->op, "%.*s", (int)length, rest);
        rest += length;
    } else {
        snprintf(out->op, sizeof out->op, "%s", op ? op : "attention");
    }
    if (!read_words(rest, out, why, why_bytes)) {
        return false;
    }
    if (out->batch > CASE_BATCH_MAX) {
        snprintf(why, why_bytes, "--batch: a case has at most %d", CASE_BATCH_MAX);
        return false;
    }
    out->kv_heads = out->kv_heads ? out->kv_heads : out->heads;
    out->value_dim = out->value_dim ? out->value_dim : out->head_dim;
    return true;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static void write_value(const struct row *row, const char *from, char *text, size_t bytes)
{
    switch (row->kind) {
    case FLAG: text[0] = '\0'; break;
    case INTEGER: snprintf(text, bytes, " %d", *(const int32_t *)from); break;
    case SEED: snprintf(text, bytes, " %llu", (unsigned long long)*(const uint64_t *)from); break;
    case REAL: snprintf(text, bytes, " %.9g", *(const float *)from); break;
    case TEXT: snprintf(text, bytes, strchr(from, ' ') ? " '%s'" : " %s", from); break;
    case TYPE: snprintf(text, bytes, " %s", types[*(const clattn_type *)from]); break;
    case LAYOUT: snprintf(text, bytes, " %s", layouts[*(const enum layout *)from]); break;
    }
}

void case_write(const struct test_case *c, char *line, size_t bytes)
{
    struct test_case unsaid = defaults; /* what the line need not say */
    unsaid.kv_heads = c->heads;
    unsaid.value_dim = c->head_dim;
    unsaid.out_type = c->type;
    snprintf(line, bytes, "%s", c->op);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *at = (const char *)c + rows[i].offset;
        char value[192];
        const size_t used = strlen(line);
        if (rows[i].kind == TEXT
                ? at[0] != '\0'
                : memcmp(at, (const char *)&unsaid + rows[i].offset, rows[i].bytes) != 0) {
            write_value(&rows[i], at, value, sizeof value);
            snprintf(line + used, bytes - used, " %s%s", rows[i].name, value);
        }
    }
}

int64_t case_number(const char *list, int64_t n)
{
    for (; n > 0 && strchr(list, ','); n--) {
        list = strchr(list, ',') + 1;
    }
    return strtoll(list, NULL, 10);
}
