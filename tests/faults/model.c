/* A language model that reads a prompt and tells where its answer came from, while calls below it
 * fail.  Its kernels are compiled once, and then come from a cache. */
#include "scenarios.h"

#include "support/fixture.h"
#include "support/tensors.h"
#include "support/tiny_model.h"

#include <clattn/models/models.h>

#include <stdio.h>

enum { LOGITS = 16 };

static built b;

void open_model(void)
{
    fixture_open();
    tiny_model_build(&b);
    outputs[0] = tensor_zeros(CLATTN_F32, 1, 1, 1, LOGITS);
    output_count = 1;
}

/* All that is made; NULL = not yet. */
typedef struct made {
    clattn_context *context;
    clattn_gguf *file;
    clattn_tokenizer *tokenizer;
    clattn_model *model;
    clattn_sources *sources;
    clattn_sampler *sampler;
    clattn_ids ids;
    clattn_shares shares;
} made;

/* False once a call failed; handle: what it would have written. */
static bool went_well(struct attempt *attempt, clattn_status status, const void *handle)
{
    if (status != CLATTN_OK) {
        attempt->status = status;
        attempt->out_written = handle != NULL;
        snprintf(attempt->text, sizeof attempt->text, "%s", clattn_error());
    }
    return status == CLATTN_OK;
}

static bool open_parts(struct attempt *attempt, made *m)
{
    const clattn_chat_message message = {"user", "abc"};
    const clattn_context_desc context = {.context = clattn_context_cl(fixture.context),
                                         .device = clattn_context_device(fixture.context),
                                         .cache_dir = fixture.directory};
    if (!went_well(attempt, clattn_context_create(&context, &m->context), m->context) ||
        !went_well(attempt, clattn_gguf_parse(b.data, b.bytes, &m->file), m->file) ||
        !went_well(attempt, clattn_tokenizer_create(m->file, &m->tokenizer), m->tokenizer) ||
        !went_well(attempt, clattn_tokenizer_encode_chat(m->tokenizer, &message, 1, &m->ids, NULL),
                   m->ids.count ? m : NULL)) {
        return false;
    }
    const clattn_model_desc model = {.file = m->file, .queue = fixture.queue, .rows = 64};
    if (!went_well(attempt, clattn_model_create(m->context, &model, &m->model), m->model)) {
        return false;
    }
    const clattn_source_part part = {CLATTN_SOURCE_DOCUMENT, 0, m->ids.count};
    const clattn_sources_desc sources = {.model = m->model,
                                         .tokenizer = m->tokenizer,
                                         .prompt = m->ids.items,
                                         .prompt_count = (int32_t)m->ids.count,
                                         .parts = &part,
                                         .part_count = 1,
                                         .documents = 1,
                                         .method = CLATTN_SOURCES_ROLLOUT};
    return went_well(attempt, clattn_sources_create(&sources, &m->sources), m->sources) &&
           went_well(attempt, clattn_sampler_create(NULL, VOCABULARY, &m->sampler), m->sampler);
}

static void answer(struct attempt *attempt, made *m)
{
    float logits[VOCABULARY];
    int32_t token;
    if (!went_well(attempt,
                   clattn_model_run(m->model, m->ids.items, (int32_t)m->ids.count,
                                    CLATTN_LOGITS_LAST, logits),
                   clattn_model_rows(m->model) ? m : NULL) ||
        !went_well(attempt, clattn_sources_note(m->sources), NULL)) {
        return;
    }
    token = clattn_sampler_next(m->sampler, logits);
    if (!went_well(attempt, clattn_model_run(m->model, &token, 1, CLATTN_LOGITS_LAST, logits),
                   NULL) ||
        !went_well(attempt, clattn_sources_shares(m->sources, &m->shares), m->shares.token)) {
        return;
    }
    const cl_int code = clEnqueueWriteBuffer(fixture.queue, outputs[0].mem, CL_TRUE, 0,
                                             LOGITS * sizeof *logits, logits, 0, NULL, NULL);
    if (code != CL_SUCCESS) { /* the test's own, and the last one */
        attempt->status = CLATTN_ERR_OPENCL;
        snprintf(attempt->text, sizeof attempt->text, "clEnqueueWriteBuffer gave %d", code);
    }
}

void language_model(struct attempt *attempt)
{
    made m = {.file = NULL};
    if (open_parts(attempt, &m)) {
        answer(attempt, &m);
    }
    clattn_shares_free(&m.shares);
    clattn_ids_free(&m.ids);
    clattn_sampler_destroy(m.sampler);
    clattn_sources_destroy(m.sources);
    clattn_model_destroy(m.model);
    clattn_tokenizer_destroy(m.tokenizer);
    clattn_gguf_close(m.file);
    clattn_context_destroy(m.context);
}
