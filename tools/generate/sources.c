#include "sources.h"

#include "sources_report.h"

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

bool sources_watch(generate_sources *g, const session *s, llama *model, const bpe *tokenizer,
                   const ids *prompt, int32_t rows)
{
    reason why;
    if (g->html && (!passages_cut(tokenizer, prompt, &g->parts, rows,
                                  g->method == ATTRIBUTE_ROLLOUT, &g->passages, &why) ||
                    !attribution_open(s, model, &g->passages, g->method, &g->attribution, &why))) {
        fail("--attribute: %s", why.text);
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
    reason why;
    if (!g->attribution) {
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
    if (!attribution_note(g->attribution, &why)) {
        fail("--attribute: %s", why.text);
        return false;
    }
    return true;
}

static bool write_html(const generate_sources *g, const answer_sources *a, const shares *s,
                       output_set *outputs, reason *why)
{
    FILE *file = output_begin(outputs, g->html, why);
    return file && sources_html(file, a, s, why) && output_end(outputs, g->html, why);
}

static bool write_json(const generate_sources *g, const answer_sources *a, const shares *s,
                       output_set *outputs, reason *why)
{
    FILE *file = output_begin(outputs, g->json, why);
    if (!file) {
        return false;
    }
    cJSON *root = sources_json(a, s);
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
    shares s;
    if (!g->attribution) {
        return true;
    }
    a->method = g->method;
    a->logprob = g->logprob;
    a->passages = &g->passages;
    a->masses = attribution_masses(g->attribution, &why);
    bool done = a->masses || a->answer->count == 0;
    done = done && shares_add_up(a, &s, &why);
    if (done) {
        done = write_html(g, a, &s, outputs, &why) && write_json(g, a, &s, outputs, &why);
        if (done && table) {
            sources_table(stderr, a, &s);
        }
        shares_free(&s);
    }
    if (!done) {
        fail("--attribute %s: %s", g->html, why.text);
    }
    return done;
}

void sources_close(generate_sources *g)
{
    attribution_close(g->attribution);
    passages_free(&g->passages);
    free(g->logprob);
    free(g->json);
    *g = (generate_sources){0};
}
