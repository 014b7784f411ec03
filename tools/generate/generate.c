/* clattn generate: a language model goes on with a text. */
#include "commands.h"
#include "options.h"
#include "prompt.h"
#include "shared/output.h"
#include "shared/progress.h"
#include "shared/report.h"
#include "shared/session.h"
#include "sources.h"

#include <clattn/models/models.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum { USUAL_COUNT = 256 }; /* tokens of an answer whose length is not said */

/* ---- A run ------------------------------------------------------------------------------ */

typedef struct generation {
    const generate_options *options;
    clattn_gguf *file;
    clattn_tokenizer *tokenizer;
    clattn_model_shape shape;
    clattn_ids prompt, answer;
    clattn_ids given; /* by --answer */
    generate_sources sources;
    int32_t most; /* tokens of the answer that there is room for */
    session session;
    clattn_model *model;
    clattn_sampler *sampler;
    output_set outputs;
    clattn_array kept; /* with --dump-logits: those behind all tokens so far */
    float *logits;     /* behind the last token */
    FILE *out;         /* where the text goes: stdout, or with --json to text */
    char *text;
    size_t text_bytes;
    clattn_utf8_stream characters;
    bool bar;
    double started, prompt_ms, answer_ms, first_ms; /* the first token came after first_ms */
    bool ended;                                     /* by the model */
} generation;

static bool read_answer(generation *g, int32_t room)
{
    const char *text = g->options->answer;
    if (clattn_tokenizer_encode(g->tokenizer, text, strlen(text), 0, &g->given, NULL) !=
        CLATTN_OK) {
        fail("--answer: %s", clattn_error());
        return false;
    }
    if (g->given.count == 0 || g->given.count > (size_t)room) {
        fail("--answer: %zu tokens, the model takes 1 to %d behind the prompt's %zu",
             g->given.count, room, g->prompt.count);
        return false;
    }
    g->most = (int32_t)g->given.count;
    return true;
}

/* All that can be refused before a device is used. */
static bool read_model(generation *g)
{
    const generate_options *o = g->options;
    if (clattn_gguf_open(o->model, &g->file) != CLATTN_OK ||
        clattn_model_read_shape(g->file, &g->shape) != CLATTN_OK ||
        clattn_tokenizer_create(g->file, &g->tokenizer) != CLATTN_OK) {
        fail("--model %s: %s", o->model, clattn_error());
        return false;
    }
    if (clattn_tokenizer_count(g->tokenizer) > g->shape.vocabulary) {
        fail("--model %s: %d tokens, but %d embeddings", o->model,
             clattn_tokenizer_count(g->tokenizer), g->shape.vocabulary);
        return false;
    }
    const prompt_source source = {o->prompt, &o->documents, o->chat, o->system};
    if (!prompt_encode(&source, g->tokenizer, &g->prompt,
                       g->sources.html ? &g->sources.parts : NULL)) {
        return false;
    }
    if (g->prompt.count == 0 || g->prompt.count >= (size_t)g->shape.context) {
        fail("the prompt has %zu tokens, the model takes 1 to %d", g->prompt.count,
             g->shape.context - 1);
        return false;
    }
    const int32_t room = g->shape.context - (int32_t)g->prompt.count;
    if (o->count > room) {
        note("the model reads %d tokens at most, so that %d at most come after the prompt's %zu",
             g->shape.context, room, g->prompt.count);
    }
    const int32_t wanted = o->count ? o->count : USUAL_COUNT;
    g->most = wanted < room ? wanted : room;
    return !o->answer || read_answer(g, room);
}

static void show_loading(void *user, double share)
{
    const generation *g = user;
    progress_show(g->bar, share, "loading %s", g->options->model);
}

static bool made(clattn_status status, reason *why)
{
    return status == CLATTN_OK || refuse(why, "%s", clattn_error());
}

static bool make_room(generation *g)
{
    reason why;
    const int64_t shape[] = {(int64_t)g->prompt.count + g->most, g->shape.vocabulary};
    if (g->options->dump &&
        (!output_add(&g->outputs, g->options->dump, &why) ||
         !made(clattn_array_make(CLATTN_ARRAY_F32, 2, shape, &g->kept), &why))) {
        fail("--dump-logits %s: %s", g->options->dump, why.text);
        return false;
    }
    if (!sources_files(&g->sources, &g->outputs)) {
        return false;
    }
    g->logits = malloc((size_t)g->shape.vocabulary * sizeof *g->logits);
    if (!g->logits ||
        clattn_sampler_create(&g->options->how, g->shape.vocabulary, &g->sampler) != CLATTN_OK) {
        fail("%s", g->logits ? clattn_error() : "out of memory");
        return false;
    }
    return true;
}

/* On a processor's device weights are memory of this program.  They come and go until they are
 * packed; left to itself, glibc keeps what was freed. */
static void free_at_once(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 17);
#endif
}

static bool load_model(generation *g)
{
    cl_device_id device;
    free_at_once();
    if (!session_find(&g->options->common, &device) ||
        !session_open(&g->session, &g->options->common, device, NULL)) {
        return false;
    }
    const clattn_model_desc desc = {.file = g->file,
                                    .queue = g->session.queue,
                                    .rows = (int32_t)g->prompt.count + g->most,
                                    .progress = show_loading,
                                    .user = g};
    const bool done = clattn_model_create(g->session.context, &desc, &g->model) == CLATTN_OK;
    progress_end(g->bar);
    if (!done) {
        fail("--model %s: %s", g->options->model, clattn_error());
    }
    return done && sources_watch(&g->sources, g->model, g->tokenizer, &g->prompt,
                                 g->options->documents.count);
}

/* Puts tokens behind those so far; leaves what the model makes of them in logits. */
static bool put(generation *g, const int32_t *tokens, int32_t count)
{
    const clattn_logits which = g->kept.data ? CLATTN_LOGITS_ALL : CLATTN_LOGITS_LAST;
    float *kept = g->kept.data;
    const size_t row = (size_t)g->shape.vocabulary;
    float *to = kept ? kept + row * (size_t)clattn_model_rows(g->model) : g->logits;
    if (clattn_model_run(g->model, tokens, count, which, to) != CLATTN_OK) {
        fail("%s", clattn_error());
        return false;
    }
    if (kept) {
        memcpy(g->logits, to + row * (size_t)(count - 1), row * sizeof *to);
    }
    return true;
}

static bool read_prompt(generation *g)
{
    const double before = now_ms();
    const int32_t count = (int32_t)g->prompt.count;
    for (int32_t n = 0; n < count; n += CLATTN_MODEL_STEP) {
        progress_show(g->bar, (double)n / count, "reading the prompt, %d of %d tokens", n, count);
        const int32_t left = count - n;
        if (!put(g, g->prompt.items + n, left < CLATTN_MODEL_STEP ? left : CLATTN_MODEL_STEP)) {
            progress_end(g->bar);
            return false;
        }
    }
    progress_end(g->bar);
    g->prompt_ms = now_ms() - before;
    return true;
}

static bool open_text(generation *g)
{
    g->out = g->options->common.json ? open_memstream(&g->text, &g->text_bytes) : stdout;
    if (!g->out) {
        fail("out of memory");
    }
    return g->out != NULL;
}

static bool show(const generation *g, const char *text, size_t bytes)
{
    const bool written = fwrite(text, 1, bytes, g->out) == bytes && fflush(g->out) == 0;
    if (!written && g->out != stdout) { /* of stdout main tells */
        fail("out of memory");
    }
    return written;
}

/* A token's bytes need not be whole characters: those are shown when they are. */
static bool show_token(generation *g, int32_t token)
{
    const clattn_text piece = clattn_tokenizer_piece(g->tokenizer, token);
    char out[CLATTN_UTF8_STREAM_OUT];
    bool done = true;
    for (size_t i = 0;
         done && i < piece.length && !clattn_tokenizer_is_control(g->tokenizer, token); i++) {
        const int count =
            clattn_utf8_stream_add(&g->characters, (unsigned char)piece.bytes[i], out);
        done = show(g, out, (size_t)count);
    }
    return done;
}

static bool show_prompt(const generation *g)
{
    const generate_options *o = g->options;
    return o->common.quiet || o->common.json ||
           (show(g, o->prompt, strlen(o->prompt)) && (!o->chat || show(g, "\n\n", 2)));
}

static bool show_end(generation *g)
{
    char out[CLATTN_UTF8_STREAM_OUT];
    const int count = clattn_utf8_stream_end(&g->characters, out);
    return show(g, out, (size_t)count) && (g->options->common.json || show(g, "\n", 1));
}

static int32_t next_token(generation *g)
{
    return g->options->answer ? g->given.items[g->answer.count]
                              : clattn_sampler_next(g->sampler, g->logits);
}

static bool answer(generation *g)
{
    const double before = now_ms();
    while ((int32_t)g->answer.count < g->most) {
        const int32_t token = next_token(g);
        if (token < 0) {
            fail("--model %s: its logits are not numbers", g->options->model);
            return false;
        }
        if (g->answer.count == 0) {
            g->first_ms = now_ms() - g->started;
        }
        if (token >= clattn_tokenizer_count(g->tokenizer) ||
            clattn_tokenizer_ends(g->tokenizer, token)) {
            g->ended = true;
            break;
        }
        if (!sources_note(&g->sources, g->logits, g->shape.vocabulary, token)) {
            return false;
        }
        if (clattn_ids_add(&g->answer, token) != CLATTN_OK) {
            fail("%s", clattn_error());
            return false;
        }
        const bool last = (int32_t)g->answer.count == g->most;
        if (!show_token(g, token) || ((!last || g->kept.data) && !put(g, &token, 1))) {
            return false;
        }
    }
    g->answer_ms = now_ms() - before;
    return show_end(g);
}

/* ---- Telling ------------------------------------------------------------------------------ */

static double rate(size_t tokens, double ms) { return ms > 0 ? (double)tokens / ms * 1e3 : 0; }

/* The first token of the answer comes of reading the prompt. */
static double answer_rate(const generation *g)
{
    const size_t runs = (size_t)clattn_model_rows(g->model) - g->prompt.count;
    return rate(runs, g->answer_ms);
}

static void tell_stats(const generation *g)
{
    fprintf(stderr,
            "prompt: %zu tokens in %.0f ms, %.1f tokens/s\n"
            "answer: %zu tokens in %.0f ms, %.1f tokens/s\n"
            "first token %.2f s after the start; %s\n",
            g->prompt.count, g->prompt_ms, rate(g->prompt.count, g->prompt_ms), g->answer.count,
            g->answer_ms, answer_rate(g), g->first_ms / 1e3, g->session.facts->name);
}

static bool tell_json(const generation *g)
{
    for (size_t i = 0; i < g->text_bytes; i++) { /* a string of cJSON ends at a zero */
        g->text[i] = g->text[i] ? g->text[i] : '\x1a';
    }
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "device", g->session.facts->name);
    cJSON_AddStringToObject(root, "text", g->text);
    cJSON *tokens = cJSON_AddArrayToObject(root, "ids");
    for (size_t i = 0; i < g->answer.count; i++) {
        cJSON_AddItemToArray(tokens, cJSON_CreateNumber(g->answer.items[i]));
    }
    cJSON_AddStringToObject(root, "stopped", g->ended ? "end" : "length");
    cJSON_AddNumberToObject(root, "prompt_tokens", (double)g->prompt.count);
    cJSON_AddNumberToObject(root, "prompt_ms", g->prompt_ms);
    cJSON_AddNumberToObject(root, "prompt_tokens_per_second", rate(g->prompt.count, g->prompt_ms));
    cJSON_AddNumberToObject(root, "answer_tokens", (double)g->answer.count);
    cJSON_AddNumberToObject(root, "answer_ms", g->answer_ms);
    cJSON_AddNumberToObject(root, "answer_tokens_per_second", answer_rate(g));
    cJSON_AddNumberToObject(root, "first_token_ms", g->first_ms);
    return report_print(root);
}

static bool write_logits(generation *g)
{
    reason why;
    if (!g->kept.data) {
        return true;
    }
    g->kept.shape[0] = clattn_model_rows(g->model);
    FILE *file = output_begin(&g->outputs, g->options->dump, &why);
    if (!file || !made(clattn_array_write_npy(file, &g->kept), &why) ||
        !output_end(&g->outputs, g->options->dump, &why)) {
        fail("--dump-logits %s: %s", g->options->dump, why.text);
        return false;
    }
    return true;
}

static bool write_sources(generation *g)
{
    answer_sources a = {.model = g->options->model,
                        .prompt = g->options->prompt,
                        .documents = &g->options->documents,
                        .tokenizer = g->tokenizer,
                        .read = &g->prompt,
                        .answer = &g->answer,
                        .layers = g->shape.layers};
    return sources_write(&g->sources, &a, &g->outputs, !g->options->common.json);
}

static bool write_files(generation *g)
{
    reason why;
    if (!write_logits(g) || !write_sources(g)) {
        return false;
    }
    if (!output_commit(&g->outputs, &why)) {
        fail("%s", why.text);
        return false;
    }
    return true;
}

static bool tell(generation *g)
{
    if (g->options->stats) {
        tell_stats(g);
    }
    return write_files(g) && (!g->options->common.json || tell_json(g));
}

static void generation_close(generation *g)
{
    if (g->out && g->out != stdout) {
        fclose(g->out);
    }
    free(g->text);
    output_free(&g->outputs);
    clattn_array_free(&g->kept);
    sources_close(&g->sources);
    clattn_ids_free(&g->given);
    clattn_sampler_destroy(g->sampler);
    clattn_model_destroy(g->model);
    session_close(&g->session);
    clattn_ids_free(&g->answer);
    clattn_ids_free(&g->prompt);
    clattn_tokenizer_destroy(g->tokenizer);
    clattn_gguf_close(g->file);
    free(g->logits);
}

int cmd_generate(int argc, char **argv)
{
    static generate_options options; /* its list is large */
    int status;
    if (!generate_options_parse(argc, argv, &options, &status)) {
        return status;
    }
    generation g = {.options = &options,
                    .sources = {.html = options.attribute,
                                .method = (clattn_sources_method)options.attribute_by},
                    .bar = progress_wanted(&options.common),
                    .started = now_ms()};
    const bool done = read_model(&g) && make_room(&g) && load_model(&g) && open_text(&g) &&
                      show_prompt(&g) && read_prompt(&g) && answer(&g) && tell(&g);
    generation_close(&g);
    return done ? EXIT_DONE : EXIT_FAILED;
}
