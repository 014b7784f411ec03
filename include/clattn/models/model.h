/* Language models of the llama architecture (Touvron et al. 2023) from GGUF files: tokens in,
 * logits of the next one out.  The layers are clattn's; a model has their weights on the device,
 * and a cache of the tokens that it has read. */
#ifndef CLATTN_MODELS_MODEL_H
#define CLATTN_MODELS_MODEL_H

#include <clattn/attention.h>
#include <clattn/context.h>
#include <clattn/models/gguf.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clattn_model_shape {
    int32_t layers, model_dim, hidden_dim, heads, kv_heads, head_dim, rotary_dim, vocabulary;
    int32_t context; /* tokens that the model was taught to read at once */
    double epsilon;  /* of its norms */
    double base;     /* of its rotary positions */
} clattn_model_shape;

/* What a file says of its model; no device is needed.  Another architecture, and what this one
 * needs and clattn has not, is refused by its key. */
CLATTN_API clattn_status clattn_model_read_shape(const clattn_gguf *file, clattn_model_shape *out);

/* One conversation: a call at a time. */
typedef struct clattn_model clattn_model;

typedef struct clattn_model_desc {
    const clattn_gguf *file; /* required; must outlive the model, which reads embeddings there */
    cl_command_queue queue;  /* required, of the context's device, in order; retained */
    int32_t rows;            /* tokens that the cache has room for; 0 = the model's context */
    void (*progress)(void *user, double share); /* is told the share loaded, 0 to 1; NULL = nobody
                                                 */
    void *user;
} clattn_model_desc;

/* Weights are copied to the device as they are stored.  The context must outlive the model. */
CLATTN_API clattn_status clattn_model_create(clattn_context *context, const clattn_model_desc *desc,
                                             clattn_model **out);

/* Waits for its queue. */
CLATTN_API void clattn_model_destroy(clattn_model *model);

/* Lives as long as the model. */
CLATTN_API const clattn_model_shape *clattn_model_shape_of(const clattn_model *model);

/* The name of the kernel that its layers' attention got, as clattn_op_kernel; lives as long as the
 * model. */
CLATTN_API const char *clattn_model_kernel(const clattn_model *model);

/* ---- Reading ------------------------------------------------------------- */

typedef enum clattn_logits {
    CLATTN_LOGITS_LAST, /* behind the last token of the call: vocabulary numbers */
    CLATTN_LOGITS_ALL   /* behind each of its tokens: count x vocabulary */
} clattn_logits;

/* Puts count tokens, one or more, behind those in the cache, and waits for what comes of them.
 * logits: which says of what; NULL = none are needed.  A token that the vocabulary has not, or more
 * tokens than there is room for, is CLATTN_ERR_ARGUMENT, and the cache stays as it was. */
CLATTN_API clattn_status clattn_model_run(clattn_model *model, const int32_t *tokens, int32_t count,
                                          clattn_logits which, float *logits);

/* Tokens in the cache, and how many it has room for. */
CLATTN_API int32_t clattn_model_rows(const clattn_model *model);
CLATTN_API int32_t clattn_model_room(const clattn_model *model);

/* Forgets all but the first rows tokens: 0 begins anew. */
CLATTN_API clattn_status clattn_model_rewind(clattn_model *model, int32_t rows);

/* ---- Watching ------------------------------------------------------------ */

/* Tokens that go through the layers at once; a run of more takes so many steps. */
enum { CLATTN_MODEL_STEP = 512 };

/* Called once for each step and layer, after its attention was enqueued, with the operands of the
 * attention and with lse; what it enqueues on the model's queue finds them as they were.  What it
 * returns but CLATTN_OK ends the run with that. */
typedef clattn_status clattn_model_attended(void *user, int32_t layer,
                                            const clattn_attention_args *args);

/* From now on; attended NULL = nobody watches any more. */
CLATTN_API clattn_status clattn_model_watch(clattn_model *model, clattn_model_attended *attended,
                                            void *user);

/* The attention of every layer, as clattn_attribution_desc wants it. */
CLATTN_API clattn_attention_desc clattn_model_attention(const clattn_model *model);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_MODELS_MODEL_H */
