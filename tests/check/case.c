#include "case.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, INTEGER, SEED, REAL, TYPE, TEXT, LAYOUT };

#define TEXT_ROW(name, field)                                                                      \
    {                                                                                              \
        name, TEXT, offsetof(struct test_case, field), sizeof((struct test_case *)0)->field        \
    }
#define ROW(name, kind, field)                                                                     \
    {                                                                                              \
        name, kind, offsetof(struct test_case, field), 0                                           \
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
    TEXT_ROW("--offset", offset),
    TEXT_ROW("--window", window),
    ROW("--scale", REAL, scale),
    ROW("--softcap", REAL, softcap),
    TEXT_ROW("--bias", bias),
    ROW("--bias-type", TYPE, bias_type),
    TEXT_ROW("--mask", mask),
    TEXT_ROW("--alibi", alibi),
    ROW("--sinks", FLAG, sinks),
    TEXT_ROW("--kv-length", kv_length),
    ROW("--lse", FLAG, lse),
    TEXT_ROW("--weights", weights),
    ROW("--layout", LAYOUT, layout),
    ROW("--nan", FLAG, nan),
    ROW("--extreme", FLAG, extreme),
    ROW("--fused", FLAG, fused),
    ROW("--no-out", FLAG, no_out),
    ROW("--with-bias", FLAG, project_bias),
    ROW("--seed", SEED, seed),
    TEXT_ROW("--kernel", kernel),
};

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
    static const char *const types[] = {"f32", "f16", "bf16", NULL};
    static const char *const layouts[] = {"bnhd", "bhnd", "gaps", NULL};
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

static bool read_words(char *text, struct test_case *out, char *why, size_t why_bytes)
{
    bool out_type_given = false;
    char *save = NULL;
    for (char *word = strtok_r(text, " \t\r\n", &save); word;
         word = strtok_r(NULL, " \t\r\n", &save)) {
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
            value = strtok_r(NULL, " \t\r\n", &save);
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
    const struct test_case defaults = {.batch = 1,
                                       .heads = 1,
                                       .n_q = 1,
                                       .n_k = 1,
                                       .head_dim = 16,
                                       .rows = 1,
                                       .in_dim = 16,
                                       .out_dim = 16,
                                       .seed = 1};
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

int64_t case_number(const char *list, int64_t n)
{
    for (; n > 0 && strchr(list, ','); n--) {
        list = strchr(list, ',') + 1;
    }
    return strtoll(list, NULL, 10);
}
