/* Where an answer came from: for each of its tokens, how the attention that it came of was divided
 * over passages of what the model had read, and what each document had of the whole answer.
 *
 *   create   before the model reads the prompt; from then on the model is watched
 *   note     before each token of the answer is put into the model
 *   shares   when the answer is done */
#ifndef CLATTN_MODELS_SOURCES_H
#define CLATTN_MODELS_SOURCES_H

#include <clattn/models/model.h>
#include <clattn/models/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clattn_source {
    CLATTN_SOURCE_SINK,   /* the first token: attention that is not needed elsewhere goes there
                           * (Xiao et al. 2023), whatever it says */
    CLATTN_SOURCE_MARKUP, /* of the chat template */
    CLATTN_SOURCE_DOCUMENT,
    CLATTN_SOURCE_PROMPT, /* what else the user said */
    CLATTN_SOURCE_ANSWER, /* what was generated so far */
    CLATTN_SOURCES        /* their number */
} clattn_source;

typedef enum clattn_sources_method {                           /* as in clattn/attribution.h */
                                     CLATTN_SOURCES_ATTENTION, /* the weights themselves */
                                     CLATTN_SOURCES_VALUE,     /* by the norm of the values */
                                     CLATTN_SOURCES_ROLLOUT /* through the layers before, of which
                                                               it takes all rows */
} clattn_sources_method;

/* "rollout"; NULL for a value outside the enum. */
CLATTN_API const char *clattn_sources_method_name(clattn_sources_method method);

/* What the prompt is made of: parts that follow each other, from its first token to its last. */
typedef struct clattn_source_part {
    clattn_source kind; /* markup, document or prompt */
    int32_t document;   /* its number, from 0 */
    size_t end;         /* the first token behind it; it begins where the one before ends */
} clattn_source_part;

/* Parts are cut into passages: of documents behind sentences and lines, so that a passage has a few
 * dozen tokens.  By rollout each token of the answer is one, and so is the prompt's last. */
typedef struct clattn_passage {
    clattn_source kind;
    int32_t document;   /* its number, from 0 */
    int32_t begin, end; /* tokens begin .. end - 1, the prompt's and then the answer's */
} clattn_passage;

typedef struct clattn_sources clattn_sources;

typedef struct clattn_sources_desc {
    clattn_model *model;               /* required, with an empty cache; must outlive it */
    const clattn_tokenizer *tokenizer; /* required: tells where sentences end */
    const int32_t *prompt;             /* required: its tokens */
    int32_t prompt_count;
    const clattn_source_part *parts; /* required; the last ends with the prompt */
    size_t part_count;
    int32_t documents; /* their number */
    int32_t rows;      /* tokens that may be read, prompt and answer; 0 = the model's room */
    clattn_sources_method method;
} clattn_sources_desc;

CLATTN_API clattn_status clattn_sources_create(const clattn_sources_desc *desc,
                                               clattn_sources **out);

/* The model is watched no more; before the model is destroyed. */
CLATTN_API void clattn_sources_destroy(clattn_sources *sources);

/* They live as long as sources. */
CLATTN_API const clattn_passage *clattn_sources_passages(const clattn_sources *sources,
                                                         size_t *count);

/* Takes down what the token that comes next is made of; the last one read made it.  An answer's
 * tokens are noted one after the other, from the first. */
CLATTN_API clattn_status clattn_sources_note(clattn_sources *sources);

/* ---- Adding up ----------------------------------------------------------- */

/* Of an answer without tokens all numbers are 0. */
typedef struct clattn_shares {
    size_t tokens;                   /* of the answer: those noted */
    int32_t first_layer, last_layer; /* those taken together */
    float *token;    /* tokens x passages, the mean of these layers; rows sum up to 1 */
    double *passage; /* of the whole answer: the mean over its tokens */
    double kind[CLATTN_SOURCES];
    double *document;     /* of the whole answer */
    double *of_documents; /* of what all documents have together: sums up to 1, or is 0 */
    double *by_layer;     /* layers x documents: the same, layer by layer */
} clattn_shares;

/* The layers whose attention tells best where an answer is from are taken together; rollout has all
 * layers in its last.  The arrays are the caller's to free. */
CLATTN_API clattn_status clattn_sources_shares(clattn_sources *sources, clattn_shares *out);
CLATTN_API void clattn_shares_free(clattn_shares *shares);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_MODELS_SOURCES_H */
