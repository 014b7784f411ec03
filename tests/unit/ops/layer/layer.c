/* Whole layers against the formulas in double precision, and a layer that is run piece by piece
 * over a cache against itself. */
#include "formulas.h"

#include <math.h>
#include <stdlib.h>

static unsigned seed;

static clattn_linear linear(int64_t out, int64_t in)
{
    clattn_linear l = {.weight = tensor_random(seed, 1, out, 1, in),
                       .bias = tensor_random(seed + 1, 1, 1, 1, out)};
    seed += 2;
    return l;
}

static clattn_norm_weights norm(bool bias)
{
    clattn_norm_weights n = {.weight = tensor_random(seed++, 1, 1, 1, MODEL)};
    if (bias) {
        n.bias = tensor_random(seed++, 1, 1, 1, MODEL);
    }
    return n;
}

static clattn_attention_weights attention(int64_t source, bool bias)
{
    return (clattn_attention_weights){.q = linear(HEADS * DIM, MODEL),
                                      .k = linear(KV * DIM, source),
                                      .v = linear(KV * DIM, source),
                                      .out = linear(MODEL, HEADS * DIM),
                                      .norm = norm(bias)};
}

static clattn_layer_desc encoder(void)
{
    seed = 1;
    return (clattn_layer_desc){
        .model_dim = MODEL,
        .hidden_dim = HIDDEN,
        .attention = {.head_dim = DIM, .query_heads = HEADS, .kv_heads = KV},
        .norm = CLATTN_LAYER_NORM,
        .activation = CLATTN_GELU,
        .self_attention = attention(MODEL, true),
        .ffn = {.up = linear(HIDDEN, MODEL), .down = linear(MODEL, HIDDEN), .norm = norm(true)}};
}

static clattn_layer_desc decoder(void)
{
    clattn_layer_desc desc = encoder();
    desc.attention.causal = true;
    desc.norm = CLATTN_RMS_NORM;
    desc.pre_norm = desc.gated = desc.rotate = true;
    desc.activation = CLATTN_SILU;
    desc.ffn.gate = linear(HIDDEN, MODEL);
    return desc;
}

static clattn_layer_desc with_cross(clattn_layer_desc desc)
{
    desc.cross = true;
    desc.context_dim = SOURCE;
    desc.cross_attention = attention(SOURCE, true);
    return desc;
}

/* Weights of the same input as one, their rows one after the other. */
static clattn_linear joined(const clattn_linear *const *parts, int count)
{
    float weight[MOST], bias[MOST];
    int64_t rows = 0;
    for (int i = 0; i < count; i++) {
        const int64_t part = parts[i]->weight.size[1];
        ck_assert((rows + part) * MODEL <= MOST);
        tensor_read(&parts[i]->weight, weight + rows * MODEL, (size_t)(part * MODEL));
        tensor_read(&parts[i]->bias, bias + rows, (size_t)part);
        rows += part;
    }
    return (clattn_linear){tensor_of(weight, 1, rows, 1, MODEL), tensor_of(bias, 1, 1, 1, rows)};
}

/* The same layer with fewer products. */
static clattn_layer_desc with_joined_weights(clattn_layer_desc desc)
{
    clattn_attention_weights *self = &desc.self_attention;
    const clattn_linear *const qkv[] = {&self->q, &self->k, &self->v};
    self->qkv = joined(qkv, 3);
    self->q = self->k = self->v = (clattn_linear){0};
    if (desc.gated) {
        const clattn_linear *const gate_up[] = {&desc.ffn.gate, &desc.ffn.up};
        desc.ffn.gate_up = joined(gate_up, 2);
        desc.ffn.gate = desc.ffn.up = (clattn_linear){0};
    }
    return desc;
}

/* ---- Layers --------------------------------------------------------------------------- */

static void assert_layer(const clattn_layer_desc *desc)
{
    static double expected[MOST];
    static float got[MOST];
    clattn_op *op = NULL;
    const clattn_tensor x = tensor_random(100, BATCH, ROWS, 1, MODEL);
    const clattn_tensor context = tensor_random(101, BATCH, CONTEXT, 1, SOURCE);
    clattn_layer_args args = {.x = x, .out = tensor_zeros(CLATTN_F32, BATCH, ROWS, 1, MODEL)};
    if (desc->cross) {
        args.context = context;
    }
    assert_ok(clattn_layer_create(fixture.context, desc, &op));
    assert_ok(clattn_layer_run(op, fixture.queue, &args, NULL));
    tensor_read(&args.out, got, MOST);
    double *in = formula_numbers(&x), *source = formula_numbers(&context);
    formula_layer(desc, in, source, expected);
    for (int n = 0; n < BATCH * ROWS * MODEL; n++) {
        ck_assert_msg(fabs(got[n] - expected[n]) <= 3e-5 * (1 + fabs(expected[n])),
                      "out[%d] is %g, expected %g", n, got[n], expected[n]);
    }
    free(in);
    free(source);
    clattn_op_destroy(op);
}

START_TEST(an_encoder_layer_is_what_the_formulas_say)
{
    const clattn_layer_desc desc = encoder();
    assert_layer(&desc);
}
END_TEST

START_TEST(a_decoder_layer_is_what_the_formulas_say)
{
    const clattn_layer_desc desc = decoder();
    assert_layer(&desc);
}
END_TEST

START_TEST(cross_attention_stands_between_the_parts)
{
    const clattn_layer_desc post = with_cross(encoder()), pre = with_cross(decoder());
    assert_layer(&post);
    assert_layer(&pre);
}
END_TEST

START_TEST(a_layer_may_work_in_place)
{
    const clattn_layer_desc desc = encoder();
    clattn_op *op = NULL;
    assert_ok(clattn_layer_create(fixture.context, &desc, &op));
    clattn_layer_args args = {.x = tensor_random(100, BATCH, ROWS, 1, MODEL),
                              .out = tensor_zeros(CLATTN_F32, BATCH, ROWS, 1, MODEL)};
    assert_ok(clattn_layer_run(op, fixture.queue, &args, NULL));
    const clattn_tensor apart = args.out;
    args.out = args.x;
    assert_ok(clattn_layer_run(op, fixture.queue, &args, NULL));
    assert_same_tensors(&args.out, &apart, 0);
    clattn_op_destroy(op);
}
END_TEST

START_TEST(joined_weights_change_nothing)
{
    const clattn_layer_desc descs[] = {encoder(), decoder()};
    for (size_t i = 0; i < sizeof descs / sizeof *descs; i++) {
        const clattn_layer_desc one = with_joined_weights(descs[i]);
        clattn_op *apart = NULL, *together = NULL;
        assert_ok(clattn_layer_create(fixture.context, &descs[i], &apart));
        assert_ok(clattn_layer_create(fixture.context, &one, &together));
        clattn_layer_args args = {.x = tensor_random(100, BATCH, ROWS, 1, MODEL),
                                  .out = tensor_zeros(CLATTN_F32, BATCH, ROWS, 1, MODEL)};
        const clattn_tensor expected = args.out;
        assert_ok(clattn_layer_run(apart, fixture.queue, &args, NULL));
        args.out = tensor_zeros(CLATTN_F32, BATCH, ROWS, 1, MODEL);
        assert_ok(clattn_layer_run(together, fixture.queue, &args, NULL));
        assert_same_tensors(&args.out, &expected, 1e-5f);
        clattn_op_destroy(apart);
        clattn_op_destroy(together);
    }
}
END_TEST

/* A view of rows first .. first + count. */
static clattn_tensor rows(clattn_tensor tensor, int64_t first, int64_t count)
{
    const int64_t row = tensor.size[2] * tensor.size[3];
    tensor.offset += first * row;
    tensor.stride[0] = tensor.size[1] * row;
    tensor.stride[1] = row;
    tensor.stride[2] = tensor.size[3];
    tensor.stride[3] = 1;
    tensor.size[1] = count;
    return tensor;
}

START_TEST(a_cache_changes_nothing)
{
    static const int64_t pieces[] = {4, 1, 3, 1};
    clattn_layer_desc desc = decoder();
    clattn_op *whole = NULL, *piecewise = NULL;
    assert_ok(clattn_layer_create(fixture.context, &desc, &whole));
    desc.cached = true;
    assert_ok(clattn_layer_create(fixture.context, &desc, &piecewise));
    const clattn_tensor x = tensor_random(100, BATCH, ROWS, 1, MODEL);
    const clattn_tensor at_once = tensor_zeros(CLATTN_F32, BATCH, ROWS, 1, MODEL);
    const clattn_tensor in_pieces = tensor_zeros(CLATTN_F32, BATCH, ROWS, 1, MODEL);
    const clattn_layer_args all = {.x = x, .out = at_once};
    assert_ok(clattn_layer_run(whole, fixture.queue, &all, NULL));
    clattn_layer_args args = {.k_cache = tensor_zeros(CLATTN_F32, BATCH, ROWS + 3, KV, DIM),
                              .v_cache = tensor_zeros(CLATTN_F32, BATCH, ROWS + 3, KV, DIM),
                              .used = tensor_zeros(CLATTN_I32, BATCH, 1, 1, 1)};
    args.attention.kv_length = tensor_zeros(CLATTN_I32, BATCH, 1, 1, 1);
    int32_t used = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; used += (int32_t)pieces[i], i++) {
        const int32_t before[BATCH] = {used, used};
        const int32_t after[BATCH] = {used + (int32_t)pieces[i], used + (int32_t)pieces[i]};
        tensor_write(&args.used, before);
        tensor_write(&args.attention.kv_length, after);
        args.x = rows(x, used, pieces[i]);
        args.out = rows(in_pieces, used, pieces[i]);
        assert_ok(clattn_layer_run(piecewise, fixture.queue, &args, NULL));
    }
    ck_assert_int_eq(used, ROWS);
    assert_same_tensors(&in_pieces, &at_once, 5e-5f);
    clattn_op_destroy(whole);
    clattn_op_destroy(piecewise);
}
END_TEST

/* ---- Seen from outside ------------------------------------------------------------------ */

START_TEST(who_asks_sees_what_the_attention_was_run_with)
{
    enum { MASSES = BATCH * ROWS * HEADS * ROWS };
    static float mass[MASSES];
    const clattn_layer_desc desc = decoder();
    const clattn_attribution_desc what = {.attention = desc.attention};
    clattn_op *op = NULL, *attribution = NULL;
    clattn_attribution_args asked = {.mass = tensor_zeros(CLATTN_F32, BATCH, ROWS, HEADS, ROWS)};
    assert_ok(clattn_layer_create(fixture.context, &desc, &op));
    assert_ok(clattn_attribution_create(fixture.context, &what, &attribution));
    clattn_layer_args args = {.x = tensor_random(100, BATCH, ROWS, 1, MODEL),
                              .out = tensor_zeros(CLATTN_F32, BATCH, ROWS, 1, MODEL)};
    args.attention.lse = tensor_zeros(CLATTN_F32, BATCH, ROWS, HEADS, 1);
    assert_refused(clattn_layer_attention(op, &args, &asked.attention), "scratch");
    args.scratch = memory_make(clattn_layer_scratch(op, &args));
    assert_ok(clattn_layer_run(op, fixture.queue, &args, NULL));
    assert_ok(clattn_layer_attention(op, &args, &asked.attention));
    assert_ok(clattn_attribution_run(attribution, fixture.queue, &asked, NULL));
    tensor_read(&asked.mass, mass, MASSES);
    for (int row = 0; row < BATCH * ROWS * HEADS; row++) {
        double sum = 0;
        for (int j = 0; j < ROWS; j++) {
            sum += mass[row * ROWS + j];
        }
        ck_assert_msg(fabs(sum - 1) < 1e-5, "row %d sums to %g", row, sum);
    }
    clattn_op_destroy(attribution);
    clattn_op_destroy(op);
}
END_TEST

/* ---- Refusals ----------------------------------------------------------------------------- */

static void assert_create_refused(clattn_layer_desc desc, const char *words)
{
    clattn_op *op = NULL;
    assert_fails(clattn_layer_create(fixture.context, &desc, &op), CLATTN_ERR_ARGUMENT, words);
    ck_assert_ptr_null(op);
}

START_TEST(descriptors_that_make_no_sense_are_refused)
{
    clattn_layer_desc desc = encoder();
    desc.hidden_dim = 0;
    assert_create_refused(desc, "layer: hidden_dim is 0");
    desc = encoder();
    desc.attention.query_heads = -1;
    assert_create_refused(desc, "layer: attention.query_heads is -1");
    desc = encoder();
    desc.attention.with = CLATTN_WITH_WEIGHTS;
    assert_create_refused(desc, "asks for weights");
    desc = encoder();
    desc.attention.page_rows = 16;
    assert_create_refused(desc, "page_rows is set, but cached is not");
    desc = decoder();
    desc.self_attention.qkv = linear((HEADS + 2 * KV) * DIM, MODEL);
    assert_create_refused(desc, "self_attention.qkv is given, and so is self_attention.q");
    desc = with_cross(encoder());
    desc.cross_attention.qkv = desc.cross_attention.q;
    assert_create_refused(desc, "cross_attention.qkv is given");
    desc = decoder();
    desc.ffn.gate_up = linear(2 * HIDDEN, MODEL);
    assert_create_refused(desc, "gate_up is given, and so is gate");
    desc = encoder();
    desc.ffn.gate_up = linear(2 * HIDDEN, MODEL);
    assert_create_refused(desc, "gate_up is given, but gated is not set");
}
END_TEST

START_TEST(weights_that_do_not_fit_are_refused_by_name)
{
    clattn_layer_desc desc = encoder();
    desc.ffn.down = linear(MODEL, HIDDEN + 1);
    assert_create_refused(desc, "ffn: down: project: desc.weight");
    desc = decoder();
    desc.ffn.gate.weight = (clattn_tensor){0};
    assert_create_refused(desc, "ffn: gate.weight is absent");
    desc = with_cross(encoder());
    desc.cross_attention.k = linear(KV * DIM, MODEL);
    assert_create_refused(desc, "layer: cross_attention.k");
}
END_TEST

START_TEST(operands_that_were_not_announced_are_refused)
{
    const clattn_layer_desc desc = encoder();
    clattn_op *op = NULL;
    assert_ok(clattn_layer_create(fixture.context, &desc, &op));
    const clattn_tensor x = tensor_random(100, BATCH, ROWS, 1, MODEL);
    clattn_layer_args args = {.x = x, .out = x, .context = x};
    assert_refused(clattn_layer_run(op, fixture.queue, &args, NULL), "args.context is given");
    args = (clattn_layer_args){.x = x, .out = x, .k_cache = x};
    assert_refused(clattn_layer_run(op, fixture.queue, &args, NULL), "args.k_cache is given");
    args = (clattn_layer_args){.x = x, .out = x};
    args.attention.q = x;
    assert_refused(clattn_layer_run(op, fixture.queue, &args, NULL), "args.attention.q is given");
    args = (clattn_layer_args){.x = x};
    assert_refused(clattn_layer_run(op, fixture.queue, &args, NULL), "args.out");
    assert_refused(clattn_layer_run(op, fixture.queue, NULL, NULL), "args is NULL");
    clattn_op_destroy(op);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layer");
    TCase *formulas = suite_group(suite, "formulas", fixture_open, fixture_close);
    tcase_add_test(formulas, an_encoder_layer_is_what_the_formulas_say);
    tcase_add_test(formulas, a_decoder_layer_is_what_the_formulas_say);
    tcase_add_test(formulas, cross_attention_stands_between_the_parts);
    tcase_add_test(formulas, a_layer_may_work_in_place);
    tcase_add_test(formulas, joined_weights_change_nothing);
    tcase_add_test(formulas, a_cache_changes_nothing);
    tcase_add_test(formulas, who_asks_sees_what_the_attention_was_run_with);
    TCase *refusals = suite_group(suite, "refusals", fixture_open, fixture_close);
    tcase_add_test(refusals, descriptors_that_make_no_sense_are_refused);
    tcase_add_test(refusals, weights_that_do_not_fit_are_refused_by_name);
    tcase_add_test(refusals, operands_that_were_not_announced_are_refused);
    return suite_run_on_device(suite);
}
