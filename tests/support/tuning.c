#include "tuning.h"

#include <stdio.h>

clattn_context *tuning_context(const char *cache)
{
    const clattn_context_desc desc = {.cache_dir = cache, .log = log_append, .user = &fixture.log};
    clattn_context *context = NULL;
    assert_ok(clattn_context_create(&desc, &context));
    return context;
}

clattn_op *tuning_row(clattn_context *context, bool causal, const char *params)
{
    const clattn_attention_desc desc = {
        .head_dim = 8, .query_heads = 2, .causal = causal, .kernel = "row", .params = params};
    clattn_op *op = NULL;
    assert_ok(clattn_attention_create(context, &desc, &op));
    return op;
}

void tuning_keep(clattn_context *context, bool causal, const char *params)
{
    clattn_op *op = tuning_row(context, causal, params);
    assert_ok(clattn_tune_keep(op));
    clattn_op_destroy(op);
}

void assert_uses(clattn_context *context, bool causal, const char *params)
{
    clattn_op *op = tuning_row(context, causal, NULL);
    ck_assert_str_eq(clattn_op_params(op), params);
    clattn_op_destroy(op);
}

void assert_found(const char *params)
{
    clattn_context *context = tuning_context(fixture.directory);
    assert_uses(context, false, params);
    clattn_context_destroy(context);
}

void tuning_list_one(void *user, const char *kernel, const char *params)
{
    char *text = user;
    sprintf(text + strlen(text), "%s: %s;", kernel, params);
}

const char *tuning_listed(clattn_context *context)
{
    static char text[4096];
    text[0] = '\0';
    assert_ok(clattn_tune_list(context, tuning_list_one, text));
    return text;
}

void tuning_file(char name[PATH_TEXT_BYTES])
{
    ck_assert_int_eq(directory_count(fixture.directory, ".txt", name), 1);
}

char *tuning_read(void)
{
    char name[PATH_TEXT_BYTES];
    size_t bytes;
    tuning_file(name);
    return file_read(fixture.directory, name, &bytes);
}
