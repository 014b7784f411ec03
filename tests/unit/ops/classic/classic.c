/* ops/classic*.c: projections, kinds and ways of giving weights agree with each other; that the
 * numbers are right is for `clattn check`. */
#include "support/classic.h"
#include "support/fixture.h"

#include <stdio.h>

static void close_all(void)
{
    tensors_release();
    fixture_close();
}

static const float tolerance = 1e-5f;

static clattn_tensor fresh_out(void) { return tensor_zeros(CLATTN_F32, B, N_Q, HEADS, DV); }

static void project(const clattn_tensor *x, const clattn_tensor *weight, const clattn_tensor *y)
{
    const clattn_project_desc desc = {
        .in_dim = (int32_t)weight->size[3], .out_dim = (int32_t)weight->size[1], .kernel = "plain"};
    const clattn_project_args args = {.x = *x, .weight = *weight, .y = *y};
    clattn_op *op = NULL;
    assert_ok(clattn_project_create(fixture.context, &desc, &op));
    assert_ok(clattn_project_run(op, fixture.queue, &args, NULL));
    clattn_op_destroy(op);
}

START_TEST(rows_projected_beforehand_give_the_same)
{
    for (int which = 1; which <= 3; which++) {
        const clattn_classic_args whole = classic_args(CLATTN_ADDITIVE, false);
        clattn_classic_desc desc = classic_desc(CLATTN_ADDITIVE, false);
        clattn_classic_args parts = whole;
        classic_run(desc, &whole);
        parts.attention.out = fresh_out();
        if (which & 1) {
            parts.attention.q = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, D);
            project(&whole.attention.q, &whole.wq, &parts.attention.q);
            parts.wq = (clattn_tensor){0};
            desc.query_dim = 0;
        }
        if (which & 2) {
            parts.attention.k = tensor_zeros(CLATTN_F32, B, N_K, KV, D);
            project(&whole.attention.k, &whole.wk, &parts.attention.k);
            parts.wk = (clattn_tensor){0};
            desc.key_dim = 0;
        }
        classic_run(desc, &parts);
        assert_same_tensors(&parts.attention.out, &whole.attention.out, tolerance);
    }
}
END_TEST

/* attention with scale 1, on keys that W took to the queries' columns */
START_TEST(general_scores_are_attention_on_projected_keys)
{
    const clattn_classic_args args = classic_args(CLATTN_LUONG_GENERAL, false);
    const clattn_classic_desc desc = classic_desc(CLATTN_LUONG_GENERAL, false);
    clattn_attention_desc attention_desc = desc.attention;
    clattn_attention_args attention = args.attention;
    classic_run(desc, &args);
    attention.k = tensor_zeros(CLATTN_F32, B, N_K, KV, D);
    attention.out = fresh_out();
    project(&args.attention.k, &args.wk, &attention.k);
    attention_desc.scale = 1;
    clattn_op *op = NULL;
    assert_ok(clattn_attention_create(fixture.context, &attention_desc, &op));
    assert_ok(clattn_attention_run(op, fixture.queue, &attention, NULL));
    clattn_op_destroy(op);
    assert_same_tensors(&args.attention.out, &attention.out, tolerance);
}
END_TEST

START_TEST(concat_is_additive_with_the_weight_cut_in_two)
{
    const clattn_classic_args concat = classic_args(CLATTN_LUONG_CONCAT, true);
    clattn_classic_args additive = concat;
    clattn_classic_desc desc = classic_desc(CLATTN_LUONG_CONCAT, true);
    classic_run(desc, &concat);
    const int64_t stride[4] = {0, QUERY + KEY, 0, 1};
    additive.wq = additive.wk = concat.w_concat;
    additive.wq.size[3] = QUERY;
    additive.wk.size[3] = KEY;
    additive.wk.offset = QUERY;
    memcpy(additive.wq.stride, stride, sizeof stride);
    memcpy(additive.wk.stride, stride, sizeof stride);
    additive.w_concat = (clattn_tensor){0};
    additive.attention.out = fresh_out();
    desc.kind = CLATTN_ADDITIVE;
    classic_run(desc, &additive);
    assert_same_tensors(&additive.attention.out, &concat.attention.out, tolerance);
}
END_TEST

START_TEST(weights_of_the_descriptor_give_the_same)
{
    const clattn_classic_kind kinds[] = {CLATTN_ADDITIVE, CLATTN_LUONG_GENERAL,
                                         CLATTN_LUONG_CONCAT};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const clattn_classic_args given = classic_args(kinds[i], false);
        clattn_classic_desc desc = classic_desc(kinds[i], false);
        clattn_classic_args constant = given;
        classic_run(desc, &given);
        desc.wq = given.wq;
        desc.wk = given.wk;
        desc.w_concat = given.w_concat;
        constant.wq = constant.wk = constant.w_concat = (clattn_tensor){0};
        constant.attention.out = fresh_out();
        classic_run(desc, &constant);
        assert_same_tensors(&constant.attention.out, &given.attention.out, tolerance);
    }
}
END_TEST

START_TEST(one_row_of_w_serves_all_heads)
{
    clattn_classic_args each = classic_args(CLATTN_ADDITIVE, false), shared = each;
    const clattn_classic_desc desc = classic_desc(CLATTN_ADDITIVE, false);
    float w[HEADS * D];
    tensor_read(&each.w, w, HEADS * D);
    for (int n = D; n < HEADS * D; n++) {
        w[n] = w[n % D];
    }
    shared.w = tensor_of(w, 1, 1, 1, D);
    shared.attention.out = fresh_out();
    each.w = tensor_of(w, 1, 1, HEADS, D);
    classic_run(desc, &each);
    classic_run(desc, &shared);
    assert_same_tensors(&shared.attention.out, &each.attention.out, 0);
}
END_TEST

START_TEST(weights_need_no_lse_and_sum_to_one)
{
    for (int kind = CLATTN_ADDITIVE; kind <= CLATTN_LUONG_CONCAT; kind++) {
        clattn_classic_desc desc = classic_desc((clattn_classic_kind)kind, false);
        clattn_classic_args args = classic_args((clattn_classic_kind)kind, false);
        float weights[B * N_Q * HEADS * N_K];
        desc.attention.with = CLATTN_WITH_WEIGHTS;
        args.attention.weights = tensor_zeros(CLATTN_F32, B, N_Q, HEADS, N_K);
        classic_run(desc, &args);
        tensor_read(&args.attention.weights, weights, B * N_Q * HEADS * N_K);
        for (int row = 0; row < B * N_Q * HEADS; row++) {
            float sum = 0;
            for (int j = 0; j < N_K; j++) {
                sum += weights[row * N_K + j];
            }
            ck_assert_float_eq_tol(sum, 1, 1e-5f);
        }
    }
}
END_TEST

START_TEST(no_rows_and_no_batch_are_no_work)
{
    for (int kind = CLATTN_ADDITIVE; kind <= CLATTN_LUONG_CONCAT; kind++) {
        clattn_op *op = classic_make(classic_desc((clattn_classic_kind)kind, false));
        clattn_classic_args args = classic_args((clattn_classic_kind)kind, false);
        clattn_attention_args *a = &args.attention;
        const clattn_tensor out = a->out, seven = fresh_out();
        tensor_fill(&out, 7);
        tensor_fill(&seven, 7);
        a->q.size[1] = a->out.size[1] = 0;
        for (int pass = 0; pass < 2; pass++) {
            cl_event event = NULL;
            assert_ok(clattn_classic_run(op, fixture.queue, &args, &event));
            ck_assert_int_eq(clWaitForEvents(1, &event), CL_SUCCESS);
            clReleaseEvent(event);
            a->q.size[0] = a->k.size[0] = a->v.size[0] = a->out.size[0] = 0;
        }
        assert_same_tensors(&out, &seven, 0);
        clattn_op_destroy(op);
    }
}
END_TEST

START_TEST(no_keys_give_nothing)
{
    for (int kind = CLATTN_ADDITIVE; kind <= CLATTN_LUONG_CONCAT; kind++) {
        clattn_classic_args args = classic_args((clattn_classic_kind)kind, false);
        const clattn_tensor zeros = fresh_out();
        tensor_fill(&args.attention.out, 7);
        args.attention.k.size[1] = args.attention.v.size[1] = 0;
        args.attention.k.mem = args.attention.v.mem = NULL;
        classic_run(classic_desc((clattn_classic_kind)kind, false), &args);
        assert_same_tensors(&args.attention.out, &zeros, 0);
    }
}
END_TEST

static void keep_first(void *user, const char *kernel, const char *refusal)
{
    char(*first)[64] = user;
    if (!(*first)[0] && !refusal) {
        snprintf(*first, sizeof *first, "%s", kernel);
    }
}

START_TEST(the_first_variant_that_fits_is_taken_and_any_can_be_forced)
{
    for (int kind = CLATTN_ADDITIVE; kind <= CLATTN_LUONG_CONCAT; kind++) {
        clattn_classic_desc desc = classic_desc((clattn_classic_kind)kind, false);
        const bool additive = kind == CLATTN_ADDITIVE || kind == CLATTN_LUONG_CONCAT;
        char first[64] = "";
        assert_ok(clattn_classic_variants(fixture.context, &desc, keep_first, &first));
        clattn_op *op = classic_make(desc);
        assert_contains(clattn_op_kernel(op), first);
        clattn_op_destroy(op);
        desc.attention.kernel = additive ? "additive_row" : "row";
        op = classic_make(desc);
        assert_contains(clattn_op_kernel(op), additive ? "classic/additive_row" : "attention/row");
        clattn_op_destroy(op);
    }
}
END_TEST

static void keep_params(void *user, const clattn_candidate *candidate)
{
    char(*first)[160] = user;
    if (!(*first)[0] && !candidate->in_use) {
        snprintf(*first, sizeof *first, "%s", candidate->params);
    }
}

START_TEST(other_parameters_give_the_same)
{
    for (int kind = CLATTN_ADDITIVE; kind <= CLATTN_LUONG_CONCAT; kind++) {
        const bool additive = kind == CLATTN_ADDITIVE || kind == CLATTN_LUONG_CONCAT;
        clattn_classic_desc desc = classic_desc((clattn_classic_kind)kind, false);
        clattn_classic_args args = classic_args((clattn_classic_kind)kind, false);
        char params[160] = "";
        desc.attention.kernel = additive ? "additive_row" : "row";
        classic_run(desc, &args);
        const clattn_tensor expected = args.attention.out;
        assert_ok(clattn_classic_candidates(fixture.context, &desc, keep_params, &params));
        desc.attention.params = params;
        args.attention.out = fresh_out();
        clattn_op *op = classic_make(desc);
        assert_ok(clattn_classic_run(op, fixture.queue, &args, NULL));
        ck_assert(!additive || !strcmp(clattn_op_params(op), params));
        assert_same_tensors(&args.attention.out, &expected, tolerance);
        clattn_op_destroy(op);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("classic");
    TCase *tests = suite_group(suite, "classic", fixture_open, close_all);
    tcase_add_test(tests, rows_projected_beforehand_give_the_same);
    tcase_add_test(tests, general_scores_are_attention_on_projected_keys);
    tcase_add_test(tests, concat_is_additive_with_the_weight_cut_in_two);
    tcase_add_test(tests, weights_of_the_descriptor_give_the_same);
    tcase_add_test(tests, one_row_of_w_serves_all_heads);
    tcase_add_test(tests, weights_need_no_lse_and_sum_to_one);
    tcase_add_test(tests, no_rows_and_no_batch_are_no_work);
    tcase_add_test(tests, no_keys_give_nothing);
    tcase_add_test(tests, the_first_variant_that_fits_is_taken_and_any_can_be_forced);
    tcase_add_test(tests, other_parameters_give_the_same);
    return suite_run_on_device(suite);
}
