/* For each token of an answer, how the attention that it came of was divided over spans of what the
 * model had read: in every layer, the mean of its heads. */
#ifndef TOOLS_ATTRIBUTE_H
#define TOOLS_ATTRIBUTE_H

#include "generate/passages.h"
#include "llama.h"

/* As in clattn/attribution.h. */
typedef enum attribute_method {
    ATTRIBUTE_ATTENTION, /* the weights themselves */
    ATTRIBUTE_VALUE,     /* by the norm of the values */
    ATTRIBUTE_ROLLOUT    /* through the layers before, of which it takes all rows */
} attribute_method;

extern const char *const attribute_methods[]; /* their names, until NULL */

typedef struct attribution attribution;

/* Watches the model from now on.  rows: tokens that may be read; the spans of p must cover them. */
bool attribution_open(const session *s, llama *model, const passages *p, attribute_method method,
                      attribution **out, reason *why);
void attribution_close(attribution *a);

/* Takes down what the token that comes next is made of; the last one read made it. */
bool attribution_note(attribution *a, reason *why);

/* tokens x layers x spans, of the tokens noted; a layer's numbers sum up to 1.  It lives until the
 * next call. */
const float *attribution_masses(attribution *a, reason *why);

#endif /* TOOLS_ATTRIBUTE_H */
