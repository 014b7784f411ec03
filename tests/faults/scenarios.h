/* What the library is asked to do while a call below it fails.  A scenario makes, uses and destroys
 * everything, on what an open function made for it. */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include <clattn/clattn.h>

#include <stdbool.h>

/* What one pass through a scenario came to; filled without a call that could fail. */
struct attempt {
    clattn_status status;
    char text[4096];
    bool out_written; /* by a call that failed */
};

typedef void scenario(struct attempt *attempt);

void open_attention(void);
void write_probe(void); /* for context_with_a_probe */
scenario context_alone, context_with_a_probe, attention_by_one_kernel, attention_by_any_kernel,
    attention_with_a_cache, attention_with_kept_parameters;

void open_projection(void);
scenario projection_by_clblast, projection_that_keeps_the_weight, projection_that_packs_the_weight;

void open_attribution(void);
scenario attribution_of_rows;

void open_layer(void);
scenario whole_layer;

void open_classic(void);
scenario additive_attention;

void open_experts(void);
scenario mixture_of_experts;

void open_model(void);
scenario language_model;

void open_rope(void);
scenario op_of_one_kernel;

void close_all(void);

/* What was opened last writes these. */
extern clattn_tensor outputs[2];
extern int output_count;

#endif /* SCENARIOS_H */
