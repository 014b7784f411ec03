#include "arrays.h"
#include "attend.h"
#include "shapes.h"
#include "shared/message.h"

#include <inttypes.h>

/* ---- Files ------------------------------------------------------------------------ */

static bool load_all(const attend_options *options, attend_inputs *inputs)
{
    for (int i = 0; i < OPERANDS; i++) {
        if (options->in[i] && clattn_array_load(options->in[i], &inputs->in[i]) != CLATTN_OK) {
            fail("--%s %s", operand_names[i], clattn_error());
            return false;
        }
    }
    return true;
}

/* Puts past in front of k or v, along the axis of rows. */
static bool join_past(attend_inputs *inputs, operand now, operand past)
{
    clattn_array *a = &inputs->in[past], *b = &inputs->in[now];
    char old[CLATTN_SHAPE_BYTES], new[CLATTN_SHAPE_BYTES];
    const int rows = inputs->heads_first ? 2 : 1;
    bool fits = a->type == b->type && a->rank == b->rank;
    for (int i = 0; i < b->rank && fits; i++) {
        fits = i == rows || a->shape[i] == b->shape[i];
    }
    if (!fits) {
        fail("--%s %s %s does not fit before --%s %s %s", operand_names[past],
             clattn_array_type_name(a->type), clattn_shape_text(a->rank, a->shape, old),
             operand_names[now], clattn_array_type_name(b->type),
             clattn_shape_text(b->rank, b->shape, new));
        return false;
    }
    reason why;
    clattn_array joined;
    if (!array_join(a, b, rows, &joined, &why)) {
        fail("--%s: %s", operand_names[past], why.text);
        return false;
    }
    inputs->past = a->shape[rows];
    clattn_array_free(a);
    clattn_array_free(b);
    *b = joined;
    return true;
}

/* Before shapes are read: with a past, k and v are what it makes of them. */
static bool join_pasts(const attend_options *options, attend_inputs *inputs)
{
    static const operand now[] = {IN_K, IN_V}, past[] = {IN_PAST_K, IN_PAST_V};
    static const result present[] = {OUT_PRESENT_K, OUT_PRESENT_V};
    for (int i = 0; i < 2; i++) {
        clattn_array *a = &inputs->in[now[i]];
        if (inputs->in[past[i]].data && !join_past(inputs, now[i], past[i])) {
            return false;
        }
        if (options->out[present[i]] &&
            clattn_array_convert(a, a->type, &inputs->present[i]) != CLATTN_OK) {
            fail("--%s: %s", result_names[present[i]], clattn_error());
            return false;
        }
    }
    return true;
}

/* ---- Optional operands -------------------------------------------------------------- */

static bool broadcast(attend_inputs *inputs, operand slot)
{
    clattn_array *a = &inputs->in[slot];
    const int64_t scores[4] = {inputs->batch, inputs->query_heads, inputs->n_q, inputs->n_k};
    reason why;
    if (!a->data || array_broadcast(a, 4, scores, &why)) {
        return true;
    }
    fail("--%s %s (batch, heads, queries, keys)", operand_names[slot], why.text);
    return false;
}

static bool check_kinds(const attend_inputs *inputs)
{
    static const struct {
        operand slot;
        bool needs_float;
        const char *needed;
    } kinds[] = {
        {IN_BIAS, true, "f2, f4, f8 or bf16 (a boolean one is --mask)"},
        {IN_ALIBI, true, "f4"},
        {IN_SINKS, true, "f4"},
        {IN_MASK, false, "boolean (an additive one is --bias)"},
        {IN_KV_LENGTH, false, "i4 or i8"},
        {IN_SPANS, false, "i4 or i8"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const clattn_array *a = &inputs->in[kinds[i].slot];
        const bool length = kinds[i].slot == IN_KV_LENGTH || kinds[i].slot == IN_SPANS;
        if (!a->data || (array_is_float(a) == kinds[i].needs_float &&
                         (!length || a->type == CLATTN_ARRAY_I32 || a->type == CLATTN_ARRAY_I64))) {
            continue;
        }
        fail("--%s is %s, and must be %s", operand_names[kinds[i].slot],
             clattn_array_type_name(a->type), kinds[i].needed);
        return false;
    }
    return true;
}

static bool check_kv_length(const attend_inputs *inputs)
{
    const clattn_array *a = &inputs->in[IN_KV_LENGTH];
    for (int64_t b = 0; a->data && b < inputs->batch; b++) {
        const double length = clattn_array_get(a, b);
        if (length < 0 || length > (double)inputs->n_k) {
            fail("--kv-length: %.0f for batch %" PRId64 " is not within 0 and %" PRId64 " keys",
                 length, b, inputs->n_k);
            return false;
        }
    }
    return true;
}

/* Cut points say no overlaps and leave no gaps, but for the ends. */
static bool check_spans(const attend_inputs *inputs)
{
    const clattn_array *a = &inputs->in[IN_SPANS];
    char is[CLATTN_SHAPE_BYTES];
    if (!a->data) {
        return true;
    }
    if (a->rank != 1 || a->shape[0] < 2) {
        fail("--spans has shape %s and must have one axis, of two cut points or more",
             clattn_shape_text(a->rank, a->shape, is));
        return false;
    }
    const int64_t last = a->shape[0] - 1;
    for (int64_t s = 1; s <= last; s++) {
        if (clattn_array_get(a, s) < clattn_array_get(a, s - 1)) {
            fail("--spans: cut point %" PRId64 ", %.0f, is below the one before it, %.0f: spans "
                 "would overlap",
                 s, clattn_array_get(a, s), clattn_array_get(a, s - 1));
            return false;
        }
    }
    if (clattn_array_get(a, 0) != 0) {
        fail("--spans: the first cut point is %.0f and must be 0", clattn_array_get(a, 0));
        return false;
    }
    if (clattn_array_get(a, last) != (double)inputs->n_k) {
        fail("--spans: the last cut point is %.0f and must be %" PRId64 ", where the keys end",
             clattn_array_get(a, last), inputs->n_k);
        return false;
    }
    return true;
}

static bool check_optional(attend_inputs *inputs)
{
    const int64_t heads[1] = {inputs->query_heads}, batch[1] = {inputs->batch};
    return check_kinds(inputs) && broadcast(inputs, IN_BIAS) && broadcast(inputs, IN_MASK) &&
           check_shape(inputs, IN_ALIBI, 1, heads, "one for each query head") &&
           check_shape(inputs, IN_SINKS, 1, heads, "one for each query head") &&
           check_shape(inputs, IN_KV_LENGTH, 1, batch, "one for each batch") &&
           check_kv_length(inputs) && check_spans(inputs);
}

/* ---- Types ---------------------------------------------------------------------------- */

static clattn_type device_type(const attend_options *options, const attend_inputs *inputs)
{
    const clattn_array *source = &inputs->in[inputs->layer ? IN_X : IN_Q];
    if (options->type != TYPE_OF_INPUT) {
        static const clattn_type types[] = {
            [TYPE_F32] = CLATTN_F32, [TYPE_F16] = CLATTN_F16, [TYPE_BF16] = CLATTN_BF16};
        return types[options->type];
    }
    return source->type == CLATTN_ARRAY_F16    ? CLATTN_F16
           : source->type == CLATTN_ARRAY_BF16 ? CLATTN_BF16
                                               : CLATTN_F32;
}

static clattn_array_type type_for(const attend_inputs *inputs, operand slot)
{
    static const clattn_array_type data[] = {[CLATTN_F32] = CLATTN_ARRAY_F32,
                                             [CLATTN_F16] = CLATTN_ARRAY_F16,
                                             [CLATTN_BF16] = CLATTN_ARRAY_BF16};
    const clattn_array_type own = inputs->in[slot].type;
    switch (slot) {
    case IN_BIAS:
        return own == CLATTN_ARRAY_F16 || own == CLATTN_ARRAY_BF16 ? own : CLATTN_ARRAY_F32;
    case IN_MASK: return CLATTN_ARRAY_BOOL;
    case IN_ALIBI:
    case IN_SINKS: return CLATTN_ARRAY_F32;
    case IN_KV_LENGTH:
    case IN_SPANS: return CLATTN_ARRAY_I32;
    default: return data[inputs->type];
    }
}

static bool convert_all(attend_inputs *inputs)
{
    for (int i = 0; i < OPERANDS; i++) {
        clattn_array *a = &inputs->in[i], converted;
        const clattn_array_type type = type_for(inputs, (operand)i);
        if (!a->data || a->type == type) {
            continue;
        }
        if (clattn_array_convert(a, type, &converted) != CLATTN_OK) {
            fail("--%s: %s", operand_names[i], clattn_error());
            return false;
        }
        clattn_array_free(a);
        *a = converted;
    }
    return true;
}

/* The device knows all biases or none (Whisper, for one, has none for keys). */
static bool fill_biases(attend_inputs *inputs)
{
    if (!inputs->in[IN_BQ].data && !inputs->in[IN_BK].data && !inputs->in[IN_BV].data) {
        return true;
    }
    for (int i = 0; i < 3; i++) {
        clattn_array *bias = &inputs->in[IN_BQ + i];
        const clattn_array *weight = &inputs->in[IN_WQ + i];
        if (!bias->data && clattn_array_make(weight->type, 1, weight->shape, bias) != CLATTN_OK) {
            fail("--%s: %s", operand_names[IN_BQ + i], clattn_error());
            return false;
        }
    }
    return true;
}

/* ---- Work ------------------------------------------------------------------------------- */

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* What semantics.md says is visible, the masks given as arrays left aside. */
static double count_pairs(const attend_options *options, const attend_inputs *inputs)
{
    const clattn_array *lengths = &inputs->in[IN_KV_LENGTH];
    const clattn_window *window = &options->window;
    double pairs = 0;
    for (int64_t b = 0; b < inputs->batch; b++) {
        const double keys = lengths->data ? clattn_array_get(lengths, b) : (double)inputs->n_k;
        const double offset = options->offset.align == CLATTN_BOTTOM_RIGHT
                                  ? keys - (double)inputs->n_q
                                  : options->offset.value;
        for (int64_t i = 0; i < inputs->n_q; i++) {
            const double position = (double)i + offset;
            double first = 0, end = keys;
            if (options->causal) {
                end = clamp(position + 1, 0, end);
            }
            if (window->on && window->right >= 0) {
                end = clamp(position + window->right + 1, 0, end);
            }
            if (window->on && window->left >= 0) {
                first = clamp(position - window->left, 0, end);
            }
            pairs += end - first;
        }
    }
    return pairs * inputs->query_heads;
}

/* ---- All of it ---------------------------------------------------------------------------- */

bool attend_inputs_load(const attend_options *options, attend_inputs *inputs)
{
    *inputs = (attend_inputs){.layer = options->in[IN_X] != NULL};
    if (!load_all(options, inputs)) {
        return false;
    }
    inputs->rank = inputs->in[inputs->layer ? IN_X : IN_Q].rank;
    inputs->heads_first = inputs->rank == 4 && !options->layout_bnhd;
    if (inputs->layer) {
        if (!shapes_of_layer(options, inputs) || !fill_biases(inputs)) {
            return false;
        }
    } else if (!check_ranks(inputs) || !join_pasts(options, inputs) ||
               !shapes_of_qkv(options, inputs)) {
        return false;
    }
    if (!check_optional(inputs)) {
        return false;
    }
    inputs->type = device_type(options, inputs);
    inputs->pairs = count_pairs(options, inputs);
    return convert_all(inputs);
}

void attend_inputs_free(attend_inputs *inputs)
{
    for (int i = 0; i < OPERANDS; i++) {
        clattn_array_free(&inputs->in[i]);
    }
    clattn_array_free(&inputs->present[0]);
    clattn_array_free(&inputs->present[1]);
}
