#include "sources.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool sources_files(generate_sources *g, output_set *outputs)
{
    static const char ending[] = ".html", other[] = ".json";
    reason why;
    if (!g->html) {
        return true;
    }
    size_t stem = strlen(g->html);
    if (stem > strlen(ending) && !strcmp(g->html + stem - strlen(ending), ending)) {
        stem -= strlen(ending);
    }
    g->json = malloc(stem + sizeof other);
    if (!g->json) {
        fail("out of memory");
        return false;
    }
    memcpy(g->json, g->html, stem);
    memcpy(g->json + stem, other, sizeof other);
    const char *const paths[] = {g->html, g->json};
    for (int i = 0; i < 2; i++) {
        if (!output_add(outputs, paths[i], &why)) {
            fail("--attribute %s: %s", paths[i], why.text);
            return false;
        }
    }
    return true;
}

bool sources_watch(generate_sources *g, clattn_model *model, const clattn_tokenizer *tokenizer,
                   const clattn_ids *prompt, int32_t documents)
{
    const clattn_sources_desc desc = {.model = model,
                                      .tokenizer = tokenizer,
                                      .prompt = prompt->items,
                                      .prompt_count = (int32_t)prompt->count,
                                      .parts = g->parts.items,
                                      .part_count = g->parts.count,
                                      .documents = documents,
                                      .method = g->method};
    if (g->html && clattn_sources_create(&desc, &g->watch) != CLATTN_OK) {
        fail("--attribute: %s", clattn_error());
        return false;
    }
    return true;
}

/* Natural logarithm of what softmax gives the token. */
static float logprob_of(const float *logits, int32_t vocabulary, int32_t token)
{
    double sum = 0;
    float top = logits[0];
    for (int32_t i = 1; i < vocabulary; i++) {
        top = logits[i] > top ? logits[i] : top;
    }
    for (int32_t i = 0; i < vocabulary; i++) {
        sum += (double)expf(logits[i] - top);
    }
    return (float)((double)logits[token] - (double)top - log(sum));
}

bool sources_note(generate_sources *g, const float *logits, int32_t vocabulary, int32_t token)
{
    if (!g->watch) {
        return true;
    }
    if (g->count == g->room) {
        const size_t room = g->room ? 2 * g->room : 64;
        float *more = realloc(g->logprob, room * sizeof *more);
        if (!more) {
            fail("out of memory");
            return false;
        }
        g->logprob = more;
        g->room = room;
    }
    g->logprob[g->count++] = logprob_of(logits, vocabulary, token);
    if (clattn_sources_note(g->watch) != CLATTN_OK) {
        fail("--attribute: %s", clattn_error());
        return false;
    }
    return true;
}

static bool write_html(const generate_sources *g, const answer_sources *a, output_set *outputs,
                       reason *why)
{
    FILE *file = output_begin(outputs, g->html, why);
    return file && sources_html(file, a, why) && output_end(outputs, g->html, why);
}

static bool write_json(const generate_sources *g, const answer_sources *a, output_set *outputs,
                       reason *why)
{
    FILE *file = output_begin(outputs, g->json, why);
    if (!file) {
        return false;
    }
    cJSON *root = sources_json(a);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) {
        return refuse(why, "out of memory");
    }
    fprintf(file, "%s\n", text); /* that it failed is seen at the end */
    cJSON_free(text);
    return output_end(outputs, g->json, why);
}

bool sources_write(generate_sources *g, answer_sources *a, output_set *outputs, bool table)
{
    reason why;
    if (!g->watch) {
        return true;
    }
    a->method = g->method;
    a->logprob = g->logprob;
    a->passages = clattn_sources_passages(g->watch, &a->passage_count);
    bool done = clattn_sources_shares(g->watch, &a->shares) == CLATTN_OK ||
                refuse(&why, "%s", clattn_error());
    if (done) {
        done = write_html(g, a, outputs, &why) && write_json(g, a, outputs, &why);
        if (done && table) {
            sources_table(stderr, a);
        }
        clattn_shares_free(&a->shares);
    }
    if (!done) {
        fail("--attribute %s: %s", g->html, why.text);
    }
    return done;
}

void sources_close(generate_sources *g)
{
    clattn_sources_destroy(g->watch);
    free(g->logprob);
    free(g->json);
    *g = (generate_sources){0};
}
