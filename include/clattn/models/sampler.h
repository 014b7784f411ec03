/* From logits to the next token. */
#ifndef CLATTN_MODELS_SAMPLER_H
#define CLATTN_MODELS_SAMPLER_H

#include <clattn/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One sequence of choices: a call at a time. */
typedef struct clattn_sampler clattn_sampler;

/* {0} takes the most likely token each time.  top_k, top_p and min_p leave tokens out.  Each looks
 * at all tokens, so that their order does not matter; the most likely one always stays. */
typedef struct clattn_sampler_desc {
    float temperature; /* 0 = the most likely one */
    int32_t top_k;     /* all but the k most likely; 0 = none */
    float top_p;       /* all behind those that together have probability top_p, 0 to 1 (Holtzman et
                        * al. 2020); 0 = none */
    float min_p;       /* those less likely than min_p, 0 to 1, times the most likely one */
    uint64_t seed;     /* the same one makes the same choices */
} clattn_sampler_desc;

/* desc may be NULL: everything default.  vocabulary: logits of each call, 1 or more. */
CLATTN_API clattn_status clattn_sampler_create(const clattn_sampler_desc *desc, int32_t vocabulary,
                                               clattn_sampler **out);
CLATTN_API void clattn_sampler_destroy(clattn_sampler *sampler);

/* Of equal ones the first where none is drawn; NaN never.  -1 = no logit is a number. */
CLATTN_API int32_t clattn_sampler_next(clattn_sampler *sampler, const float *logits);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_MODELS_SAMPLER_H */
