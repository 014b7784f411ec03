/* Sentence encoders: texts as vectors whose angles tell how alike they are.  BERT (Devlin et al.
 * 2018) with the mean of its tokens (Reimers and Gurevych 2019), such as all-MiniLM-L6-v2. */
#ifndef CLATTN_MODELS_ENCODER_H
#define CLATTN_MODELS_ENCODER_H

#include <clattn/context.h>
#include <clattn/models/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A call at a time. */
typedef struct clattn_encoder clattn_encoder;

/* Of a model's directory: config.json, vocab.txt and model.safetensors, and where they are there,
 * sentence_bert_config.json, 1_Pooling/config.json and tokenizer_config.json.  The text of a
 * refusal names the file in there.  The context must outlive it; queue is of its device, in order,
 * and retained. */
CLATTN_API clattn_status clattn_encoder_open(clattn_context *context, cl_command_queue queue,
                                             const char *directory, clattn_encoder **out);

/* Waits for its queue. */
CLATTN_API void clattn_encoder_destroy(clattn_encoder *encoder);

CLATTN_API int32_t clattn_encoder_columns(const clattn_encoder *encoder); /* of a vector */

/* Tokens of a text, [CLS] and [SEP] included: as many as the model was made for, and as it has
 * positions for. */
CLATTN_API int32_t clattn_encoder_most(const clattn_encoder *encoder);
CLATTN_API int32_t clattn_encoder_positions(const clattn_encoder *encoder);

/* The name of the kernel that its layers got, as clattn_op_kernel; lives as long as the encoder. */
CLATTN_API const char *clattn_encoder_kernel(const clattn_encoder *encoder);

/* ---- Tokens -------------------------------------------------------------- */

/* Texts as tokens; {0} = none.  The caller frees it. */
typedef struct clattn_encoder_texts {
    clattn_ids ids; /* of all texts, one after the other */
    size_t *starts; /* count + 1: where each begins */
    size_t count;
    size_t cut; /* texts that were longer than most tokens, and were cut off there */
} clattn_encoder_texts;

/* most: tokens of a text at most, 2 .. clattn_encoder_positions; 0 = clattn_encoder_most.  There
 * may be no texts, and empty ones. */
CLATTN_API clattn_status clattn_encoder_tokenize(const clattn_encoder *encoder,
                                                 const clattn_text *texts, size_t count,
                                                 int32_t most, clattn_encoder_texts *out);
CLATTN_API void clattn_encoder_texts_free(clattn_encoder_texts *texts);

/* ---- Vectors ------------------------------------------------------------- */

typedef struct clattn_encoder_args {
    const clattn_encoder_texts *texts; /* required: made by clattn_encoder_tokenize */
    float *sentences;                  /* required: texts x columns, each 1 long */
    float *tokens; /* ids x columns: what the last layer makes of each; NULL = not needed */
    void (*progress)(void *user, size_t done, size_t all); /* is told of tokens; NULL = nobody */
    void *user;
} clattn_encoder_args;

/* Waits for the results.  Texts are encoded in batches, sorted by their length. */
CLATTN_API clattn_status clattn_encoder_run(clattn_encoder *encoder,
                                            const clattn_encoder_args *args);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_MODELS_ENCODER_H */
