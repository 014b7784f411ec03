/* ops/attention/desc.c: what a descriptor may say, and what its zeros stand for. */
#include "support/attention.h"
#include "support/fixture.h"

#include <math.h>
#include <stdlib.h>

static void close_all(void)
{
    tensors_release();
    fixture_close();
}

static void assert_desc_refused(clattn_attention_desc desc, const char *field)
{
    clattn_op *const before = (clattn_op *)(void *)&fixture, *op = before;
    const clattn_status status = clattn_attention_create(fixture.context, &desc, &op);
    ck_assert_msg(status == CLATTN_ERR_ARGUMENT, "%s was not refused: %s", field,
                  clattn_status_name(status));
    assert_contains(clattn_error(), field);
    assert_contains(clattn_error(), "attention: ");
    ck_assert_ptr_eq(op, before);
}

/* REFUSED(field, value): the plain descriptor with this field is refused by its name. */
#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        clattn_attention_desc desc = plain_desc();                                                 \
        desc.field = value;                                                                        \
        assert_desc_refused(desc, #field);                                                         \
    } while (0)

START_TEST(a_dimension_out_of_range_is_refused)
{
    const int32_t wrong[] = {-1, 513, 1 << 20, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        REFUSED(head_dim, wrong[i]);
        REFUSED(value_dim, wrong[i]);
    }
    REFUSED(head_dim, 0);
}
END_TEST

START_TEST(heads_that_do_not_divide_are_refused)
{
    REFUSED(query_heads, 0);
    REFUSED(query_heads, -1);
    REFUSED(query_heads, INT32_MIN);
    REFUSED(query_heads, INT32_MAX);
    REFUSED(kv_heads, 3);
    REFUSED(kv_heads, 8);
    REFUSED(kv_heads, -1);
    REFUSED(kv_heads, -2);
    REFUSED(kv_heads, INT32_MIN);
}
END_TEST

START_TEST(a_type_that_is_no_storage_type_is_refused)
{
    const clattn_type wrong[] = {CLATTN_I32, CLATTN_U8, (clattn_type)5, (clattn_type)-1,
                                 (clattn_type)1000};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        REFUSED(type, wrong[i]);
        REFUSED(out_type, wrong[i]);
        REFUSED(bias_type, wrong[i]);
    }
}
END_TEST

START_TEST(a_choice_that_is_none_is_refused)
{
    REFUSED(align, (clattn_align)3);
    REFUSED(align, (clattn_align)-1);
    REFUSED(weights_stage, (clattn_stage)4);
    REFUSED(weights_stage, (clattn_stage)-1);
    REFUSED(with, 16);
    REFUSED(with, 0x80000000u);
    REFUSED(kernel, "none");
}
END_TEST

START_TEST(a_number_that_is_not_finite_is_refused)
{
    REFUSED(scale, NAN);
    REFUSED(scale, INFINITY);
    REFUSED(scale, -INFINITY);
    REFUSED(softcap, NAN);
    REFUSED(softcap, INFINITY);
    REFUSED(softcap, -1);
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    clattn_op *op = NULL;
    const clattn_attention_desc desc = plain_desc();
    assert_refused(clattn_attention_create(NULL, &desc, &op), "context is NULL");
    assert_refused(clattn_attention_create(fixture.context, NULL, &op), "desc is NULL");
    assert_refused(clattn_attention_create(fixture.context, &desc, NULL), "out is NULL");
    ck_assert_ptr_null(op);
}
END_TEST

START_TEST(dimensions_at_their_limits_are_accepted)
{
    const int32_t dims[] = {1, 2, 3, 512};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        const clattn_attention_desc desc = {
            .head_dim = dims[i], .value_dim = 513 - dims[i], .query_heads = 1, .kernel = "row"};
        clattn_op_destroy(attention_make(desc));
    }
}
END_TEST

START_TEST(the_descriptor_may_be_freed)
{
    clattn_attention_desc *desc = malloc(sizeof *desc);
    char *kernel = strdup("row");
    ck_assert(desc && kernel);
    *desc = plain_desc();
    desc->kernel = kernel;
    clattn_op *op = NULL;
    assert_ok(clattn_attention_create(fixture.context, desc, &op));
    memset(kernel, 'x', 3);
    memset(desc, 0xff, sizeof *desc);
    free(kernel);
    free(desc);
    const clattn_attention_args args = plain_args();
    clattn_attention_args again = plain_args();
    clattn_op *other = attention_make(plain_desc());
    attention_run(op, &args);
    attention_run(other, &again);
    assert_same_tensors(&args.out, &again.out, 1e-5f);
    ck_assert_int_eq(strncmp(clattn_op_kernel(op), "attention/row ", 14), 0);
    clattn_op_destroy(op);
    clattn_op_destroy(other);
}
END_TEST

/* The outputs of both descriptors for one call are bit for bit the same. */
static void assert_same_op(clattn_attention_desc a, clattn_attention_desc b)
{
    clattn_attention_args args = plain_args();
    const clattn_tensor first = args.out;
    clattn_op *op = attention_make(a);
    attention_run(op, &args);
    clattn_op_destroy(op);
    args.out = tensor_zeros(CLATTN_F32, BATCH, N_Q, HEADS, args.v.size[3]);
    op = attention_make(b);
    attention_run(op, &args);
    clattn_op_destroy(op);
    assert_same_tensors(&args.out, &first, 0);
}

START_TEST(zero_stands_for_the_default)
{
    clattn_attention_desc zero = plain_desc(), said = plain_desc();
    said.scale = (float)(1 / sqrt(HEAD_DIM));
    assert_same_op(zero, said);
    said = zero;
    said.window = (clattn_window){true, -1, -1};
    assert_same_op(zero, said);
    said.window = (clattn_window){true, INT32_MAX, INT32_MAX};
    assert_same_op(zero, said);
    said.window = (clattn_window){false, 0, 0};
    assert_same_op(zero, said);
    zero.causal = said.causal = true;
    said.window = (clattn_window){true, -1, 0};
    assert_same_op(zero, said);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attention descriptor");
    TCase *tests = suite_group(suite, "descriptor", fixture_open, close_all);
    tcase_add_test(tests, a_dimension_out_of_range_is_refused);
    tcase_add_test(tests, heads_that_do_not_divide_are_refused);
    tcase_add_test(tests, a_type_that_is_no_storage_type_is_refused);
    tcase_add_test(tests, a_choice_that_is_none_is_refused);
    tcase_add_test(tests, a_number_that_is_not_finite_is_refused);
    tcase_add_test(tests, what_is_missing_is_named);
    tcase_add_test(tests, dimensions_at_their_limits_are_accepted);
    tcase_add_test(tests, the_descriptor_may_be_freed);
    tcase_add_test(tests, zero_stands_for_the_default);
    return suite_run_on_device(suite);
}
