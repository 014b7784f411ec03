/* What cases of the feed-forward and of mixtures of experts share. */
#ifndef CHECK_FFN_H
#define CHECK_FFN_H

#include "activation.h"
#include "trial.h"

/* Weights and biases of up, gate and down, in this order wherever a trial has them. */
enum { FFN_UP, FFN_GATE, FFN_DOWN, FFN_UP_BIAS, FFN_GATE_BIAS, FFN_DOWN_BIAS, FFN_OPERANDS };

/* The operands of so many experts, as the case asks for; false with the reason. */
bool ffn_operands(const struct test_case *c, int64_t experts,
                  struct trial_operand operand[FFN_OPERANDS], struct check_result *result);

/* Values for them, first being the place of up in the trial. */
void ffn_fill(struct trial *t, int first, struct rng *rng);

/* Those of one expert. */
struct ref_ffn ffn_reference(const struct trial *t, int first, int64_t expert);

/* Twice an op's tolerance: what lies between may round the other way than the
 * reference. */
double ffn_tolerance(const struct test_case *c);

const struct activation_kind *ffn_activation(const struct test_case *c);
clattn_linear ffn_linear(const struct trial *t, int first, int which);

/* The words of a random case. */
void ffn_random(struct rng *rng, char *line, size_t bytes);

#define FFN_OPTIONS                                                                                \
    CASE_OPTION("--in", CASE_INTEGER, in_dim), CASE_OPTION("--hidden", CASE_INTEGER, out_dim),     \
        CASE_OPTION("--with-bias", CASE_FLAG, project_bias),                                       \
        CASE_OPTION("--weight-type", CASE_TYPE, own.ffn.weight_type),                              \
        CASE_OPTION("--activation", CASE_TEXT, own.ffn.activation)

#endif /* CHECK_FFN_H */
