#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct case_option shared[] = {
    CASE_OPTION("--batch", CASE_INTEGER, batch),
    CASE_OPTION("--heads", CASE_INTEGER, heads),
    CASE_OPTION("--kv-heads", CASE_INTEGER, kv_heads),
    CASE_OPTION("--nq", CASE_INTEGER, n_q),
    CASE_OPTION("--nk", CASE_INTEGER, n_k),
    CASE_OPTION("--head-dim", CASE_INTEGER, head_dim),
    CASE_OPTION("--value-dim", CASE_INTEGER, value_dim),
    CASE_OPTION("--rows", CASE_INTEGER, rows),
    CASE_OPTION("--columns", CASE_INTEGER, columns),
    CASE_OPTION("--type", CASE_TYPE, type),
    CASE_OPTION("--out-type", CASE_TYPE, out_type),
    CASE_OPTION("--causal", CASE_FLAG, causal),
    CASE_OPTION("--offset", CASE_TEXT, offset),
    CASE_OPTION("--window", CASE_TEXT, window),
    CASE_OPTION("--scale", CASE_REAL, scale),
    CASE_OPTION("--softcap", CASE_REAL, softcap),
    CASE_OPTION("--bias", CASE_TEXT, bias),
    CASE_OPTION("--bias-type", CASE_TYPE, bias_type),
    CASE_OPTION("--mask", CASE_TEXT, mask),
    CASE_OPTION("--alibi", CASE_TEXT, alibi),
    CASE_OPTION("--sinks", CASE_FLAG, sinks),
    CASE_OPTION("--kv-length", CASE_TEXT, kv_length),
    CASE_OPTION("--lse", CASE_FLAG, lse),
    CASE_OPTION("--weights", CASE_TEXT, weights),
    CASE_OPTION("--layout", CASE_LAYOUT, layout),
    CASE_OPTION("--nan", CASE_FLAG, nan),
    CASE_OPTION("--extreme", CASE_FLAG, extreme),
    CASE_OPTION("--seed", CASE_SEED, seed),
    CASE_OPTION("--kernel", CASE_TEXT, kernel),
    CASE_OPTION("--params", CASE_TEXT, params),
    {0},
};

static const char *const types[] = {"f32",  "f16",  "bf16", "i32",  "u8", "i8", "q8_0",
                                    "q4_0", "q4_1", "q4_k", "q6_k", NULL}; /* as clattn_type */
static const char *const layouts[] = {"bnhd", "bhnd", "gaps", NULL};
static const struct test_case defaults = {.batch = 1,
                                          .heads = 1,
                                          .n_q = 1,
                                          .n_k = 1,
                                          .head_dim = 16,
                                          .rows = 1,
                                          .columns = 16,
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

static bool read_value(const struct case_option *option, const char *text, void *to)
{
    char *end = NULL;
    int choice = 0;
    switch (option->kind) {
    case CASE_FLAG: *(bool *)to = true; return true;
    case CASE_INTEGER:
        *(int32_t *)to = (int32_t)strtol(text, &end, 10);
        return end != text && !*end;
    case CASE_SEED: *(uint64_t *)to = strtoull(text, &end, 10); return end != text && !*end;
    case CASE_REAL: *(float *)to = strtof(text, &end); return end != text && !*end;
    case CASE_TEXT: return (size_t)snprintf(to, option->bytes, "%s", text) < option->bytes;
    case CASE_TYPE:
        if (choose(text, types, &choice)) {
            *(clattn_type *)to = (clattn_type)choice;
            return true;
        }
        return false;
    case CASE_LAYOUT:
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

static const struct case_option *find(const struct case_option *options, const char *name)
{
    for (; options && options->name; options++) {
        if (!strcmp(options->name, name)) {
            return options;
        }
    }
    return NULL;
}

static bool read_words(char *text, struct test_case *out, char *why, size_t why_bytes)
{
    const struct check_op *op = check_op_named(out->op);
    bool out_type_given = false;
    for (char *word = next_word(&text); word; word = next_word(&text)) {
        char *value = strchr(word, '=');
        if (value) {
            *value++ = '\0';
        }
        const struct case_option *option = op ? find(op->options, word) : NULL;
        option = option ? option : find(shared, word);
        if (!option) {
            snprintf(why, why_bytes, "unknown word '%s' in a case", word);
            return false;
        }
        if (option->kind != CASE_FLAG && !value) {
            value = next_word(&text);
        }
        if ((option->kind != CASE_FLAG && !value) ||
            !read_value(option, value, (char *)out + option->offset)) {
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
    if (out->kv_heads < 0 || (out->kv_heads && out->heads % out->kv_heads)) {
        snprintf(why, why_bytes, "--kv-heads: %d heads are no multiple of %d", out->heads,
                 out->kv_heads);
        return false;
    }
    out->value_dim = out->value_dim ? out->value_dim : out->head_dim;
    return true;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static void write_value(const struct case_option *option, const char *from, char *text,
                        size_t bytes)
{
    switch (option->kind) {
    case CASE_FLAG: text[0] = '\0'; break;
    case CASE_INTEGER: snprintf(text, bytes, " %d", *(const int32_t *)from); break;
    case CASE_SEED:
        snprintf(text, bytes, " %llu", (unsigned long long)*(const uint64_t *)from);
        break;
    case CASE_REAL: snprintf(text, bytes, " %.9g", *(const float *)from); break;
    case CASE_TEXT: snprintf(text, bytes, strchr(from, ' ') ? " '%s'" : " %s", from); break;
    case CASE_TYPE: snprintf(text, bytes, " %s", types[*(const clattn_type *)from]); break;
    case CASE_LAYOUT: snprintf(text, bytes, " %s", layouts[*(const enum layout *)from]); break;
    }
}

static void write_options(const struct case_option *options, const struct test_case *c,
                          const struct test_case *unsaid, char *line, size_t bytes)
{
    for (; options && options->name; options++) {
        const char *at = (const char *)c + options->offset;
        char value[192];
        const size_t used = strlen(line);
        if (options->kind == CASE_TEXT
                ? at[0] != '\0'
                : memcmp(at, (const char *)unsaid + options->offset, options->bytes) != 0) {
            write_value(options, at, value, sizeof value);
            snprintf(line + used, bytes - used, " %s%s", options->name, value);
        }
    }
}

void case_write(const struct test_case *c, char *line, size_t bytes)
{
    const struct check_op *op = check_op_named(c->op);
    struct test_case unsaid = defaults; /* what the line need not say */
    unsaid.kv_heads = c->heads;
    unsaid.value_dim = c->head_dim;
    unsaid.out_type = c->type;
    snprintf(line, bytes, "%s", c->op);
    write_options(shared, c, &unsaid, line, bytes);
    write_options(op ? op->options : NULL, c, &unsaid, line, bytes);
}
