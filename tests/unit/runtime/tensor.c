/* tensor.c, seen through attention: every operand that does not fit is refused by name,
 * before anything is read or written.  One table of operands, one test for each way to be wrong:
 * long, as there are many ways. */
#include "support/attention.h"
#include "support/fixture.h"

#include <stdio.h>

static clattn_op *op;
static clattn_attention_args good;

static void open_op(void)
{
    fixture_open();
    op = attention_make(full_desc());
    good = full_args();
}

static void close_op(void)
{
    clattn_op_destroy(op);
    tensors_release();
    fixture_close();
}

/* Every operand of a call, and what it may be. */
static const struct operand {
    const char *name;
    size_t place;
    clattn_type wrong_type;
    bool output;
} operands[] = {
#define OPERAND(name, wrong, output)                                                               \
    {                                                                                              \
#name, offsetof(clattn_attention_args, name), wrong, output                                \
    }
    OPERAND(q, CLATTN_F16, false),         OPERAND(k, CLATTN_BF16, false),
    OPERAND(v, CLATTN_I32, false),         OPERAND(out, CLATTN_F16, true),
    OPERAND(bias, CLATTN_F16, false),      OPERAND(mask, CLATTN_I32, false),
    OPERAND(alibi, CLATTN_F16, false),     OPERAND(sinks, CLATTN_BF16, false),
    OPERAND(kv_length, CLATTN_F32, false), OPERAND(offset, CLATTN_U8, false),
    OPERAND(lse, CLATTN_F16, true),        OPERAND(weights, CLATTN_F16, true),
#undef OPERAND
};

enum { OPERANDS = sizeof operands / sizeof *operands };

static clattn_tensor *tensor_at(clattn_attention_args *args, int i)
{
    return (clattn_tensor *)(void *)((char *)args + operands[i].place);
}

static void assert_args_refused(const clattn_attention_args *args, const char *name,
                                const char *words)
{
    char field[64];
    cl_event event = NULL;
    snprintf(field, sizeof field, "args.%s", name);
    const clattn_status status = clattn_attention_run(op, fixture.queue, args, &event);
    ck_assert_msg(status == CLATTN_ERR_ARGUMENT, "%s was not refused: %s", field,
                  clattn_status_name(status));
    assert_contains(clattn_error(), field);
    assert_contains(clattn_error(), words);
    assert_contains(clattn_error(), "attention: ");
    ck_assert_ptr_null(event);
}

/* A test that runs for operand i = 0, 1, 2, ... */
#define FOR_EACH_OPERAND(test)                                                                     \
    static void test##_of(int i);                                                                  \
    START_TEST(test)                                                                               \
    {                                                                                              \
        for (int i = 0; i < OPERANDS; i++) {                                                       \
            test##_of(i);                                                                          \
        }                                                                                          \
    }                                                                                              \
    END_TEST                                                                                       \
    static void test##_of(int i)

/* The good call's copy, operand i of which is to be spoilt. */
#define SPOIL(args, tensor)                                                                        \
    clattn_attention_args args = good;                                                             \
    clattn_tensor *const tensor = tensor_at(&args, i)

START_TEST(the_call_itself_is_accepted) { attention_run(op, &good); }
END_TEST

/* ---- Types ----------------------------------------------------------------- */

FOR_EACH_OPERAND(another_type_is_refused)
{
    SPOIL(args, tensor);
    tensor->type = operands[i].wrong_type;
    assert_args_refused(&args, operands[i].name, ".type is ");
    assert_contains(clattn_error(), clattn_type_name(operands[i].wrong_type));
}

FOR_EACH_OPERAND(a_value_that_is_no_type_is_refused)
{
    SPOIL(args, tensor);
    tensor->type = (clattn_type)77;
    assert_args_refused(&args, operands[i].name, ".type is unknown type");
    tensor->type = (clattn_type)-1;
    assert_args_refused(&args, operands[i].name, ".type is unknown type");
}

/* ---- Sizes ----------------------------------------------------------------- */

FOR_EACH_OPERAND(another_size_is_refused)
{
    for (int axis = 0; axis < 4; axis++) {
        for (int by = -1; by <= 1; by += 2) {
            SPOIL(args, tensor);
            tensor->size[axis] += by;
            /* q says how many there are, so it is the others that then have the wrong size. */
            const bool counts = (!strcmp(operands[i].name, "q") && axis < 2) ||
                                (!strcmp(operands[i].name, "k") && axis == 1);
            /* Size 1 may be repeated. */
            if (!counts && !(tensor->size[axis] == 1 && strcmp(operands[i].name, "q"))) {
                assert_args_refused(&args, operands[i].name, ".size[");
            } else if (counts) {
                assert_args_refused(&args, "", "");
            }
        }
    }
}

FOR_EACH_OPERAND(a_negative_size_is_refused)
{
    for (int axis = 0; axis < 4; axis++) {
        SPOIL(args, tensor);
        tensor->size[axis] = -1;
        assert_args_refused(&args, operands[i].name, "size[");
        tensor->size[axis] = INT64_MIN;
        assert_args_refused(&args, operands[i].name, "size[");
    }
}

FOR_EACH_OPERAND(a_size_near_the_end_of_64_bits_is_refused)
{
    for (int axis = 0; axis < 4; axis++) {
        SPOIL(args, tensor);
        tensor->size[axis] = INT64_MAX;
        assert_args_refused(&args, operands[i].name, "");
        tensor->size[axis] = INT64_MAX / 2;
        assert_args_refused(&args, operands[i].name, "");
    }
}

/* ---- Places ---------------------------------------------------------------- */

FOR_EACH_OPERAND(a_negative_offset_is_refused)
{
    SPOIL(args, tensor);
    tensor->offset = -1;
    assert_args_refused(&args, operands[i].name, ".offset is -1");
    tensor->offset = INT64_MIN;
    assert_args_refused(&args, operands[i].name, ".offset is ");
}

FOR_EACH_OPERAND(a_place_behind_the_buffer_is_refused)
{
    const int64_t offsets[] = {
        1, 1000, (int64_t)1 << 32, INT64_MAX / 16, INT64_MAX / 4, INT64_MAX - 1, INT64_MAX};
    for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++) {
        SPOIL(args, tensor);
        tensor->offset = offsets[o];
        assert_args_refused(&args, operands[i].name, "");
    }
}

FOR_EACH_OPERAND(a_buffer_one_byte_too_small_is_refused)
{
    SPOIL(args, tensor);
    const size_t bytes = (size_t)tensor_elements(tensor) * clattn_type_size(tensor->type);
    tensor->mem = memory_make(bytes - 1);
    char reaches[64];
    snprintf(reaches, sizeof reaches, "reaches byte %zu of a buffer of %zu bytes", bytes,
             bytes - 1);
    assert_args_refused(&args, operands[i].name, reaches);
}

/* ---- Strides --------------------------------------------------------------- */

static void set_dense_strides(clattn_tensor *tensor)
{
    tensor->stride[3] = 1;
    for (int a = 2; a >= 0; a--) {
        tensor->stride[a] = tensor->stride[a + 1] * tensor->size[a + 1];
    }
}

FOR_EACH_OPERAND(dense_strides_may_be_said)
{
    SPOIL(args, tensor);
    set_dense_strides(tensor);
    attention_run(op, &args);
}

FOR_EACH_OPERAND(a_negative_stride_is_refused)
{
    for (int axis = 0; axis < 4; axis++) {
        SPOIL(args, tensor);
        set_dense_strides(tensor);
        tensor->stride[axis] = -1;
        assert_args_refused(&args, operands[i].name, "stride[");
        tensor->stride[axis] = INT64_MIN;
        assert_args_refused(&args, operands[i].name, "stride[");
    }
}

FOR_EACH_OPERAND(a_column_stride_other_than_1_is_refused)
{
    SPOIL(args, tensor);
    if (tensor->size[3] > 1) {
        set_dense_strides(tensor);
        tensor->stride[3] = 2;
        assert_args_refused(&args, operands[i].name, ".stride[3] is 2, must be 1");
        tensor->stride[3] = 0;
        assert_args_refused(&args, operands[i].name, ".stride[3] is 0, must be 1");
    }
}

FOR_EACH_OPERAND(a_stride_that_leaves_the_buffer_is_refused)
{
    const int64_t strides[] = {100000, (int64_t)1 << 40, INT64_MAX / 2, INT64_MAX};
    for (int axis = 0; axis < 3; axis++) {
        for (size_t s = 0; s < sizeof strides / sizeof *strides; s++) {
            SPOIL(args, tensor);
            set_dense_strides(tensor);
            if (tensor->size[axis] > 1) {
                tensor->stride[axis] = strides[s];
                assert_args_refused(&args, operands[i].name, "");
            }
        }
    }
}

FOR_EACH_OPERAND(strides_that_together_leave_64_bits_are_refused)
{
    SPOIL(args, tensor);
    int long_axes = 0;
    set_dense_strides(tensor);
    for (int axis = 0; axis < 3; axis++) {
        if (tensor->size[axis] > 1) {
            tensor->stride[axis] = INT64_MAX / (tensor->size[axis] - 1) - 1;
            long_axes++;
        }
    }
    if (long_axes > 1) {
        assert_args_refused(&args, operands[i].name, "does not fit 64-bit sizes");
    }
}

FOR_EACH_OPERAND(the_stride_of_an_axis_of_size_1_does_not_matter)
{
    SPOIL(args, tensor);
    set_dense_strides(tensor);
    bool any = false;
    for (int axis = 0; axis < 3; axis++) {
        if (tensor->size[axis] == 1) {
            tensor->stride[axis] = INT64_MAX;
            any = true;
        }
    }
    if (any) {
        attention_run(op, &args);
    }
}

/* ---- Inputs may repeat, outputs may not ------------------------------------ */

FOR_EACH_OPERAND(a_repeated_axis_is_read_but_not_written)
{
    for (int axis = 0; axis < 3; axis++) {
        SPOIL(args, tensor);
        if (tensor->size[axis] == 1) {
            continue;
        }
        set_dense_strides(tensor);
        tensor->stride[axis] = 0;
        if (operands[i].output) {
            assert_args_refused(&args, operands[i].name, "elements coincide");
        } else {
            attention_run(op, &args);
        }
    }
}

FOR_EACH_OPERAND(an_output_cannot_be_broadcast_by_size)
{
    for (int axis = 0; axis < 3; axis++) {
        SPOIL(args, tensor);
        if (operands[i].output && tensor->size[axis] > 1) {
            tensor->size[axis] = 1;
            assert_args_refused(&args, operands[i].name, ".size[");
        }
    }
}

START_TEST(an_output_whose_rows_interleave_wrongly_is_refused)
{
    clattn_attention_args args = good;
    set_dense_strides(&args.out);
    args.out.stride[2] = VALUE_DIM - 1; /* heads share a column */
    assert_args_refused(&args, "out", "elements coincide");
    args = good;
    set_dense_strides(&args.out);
    args.out.stride[1] = HEADS * VALUE_DIM - 1; /* rows share a column */
    assert_args_refused(&args, "out", "elements coincide");
}
END_TEST

/* Every pair of small strides, against a search for two indexes that give one place. */
START_TEST(outputs_whose_elements_are_distinct_are_accepted)
{
    clattn_attention_args args = good;
    args.lse.mem = memory_make(4096);
    for (int64_t batch = 0; batch < 9; batch++) {
        for (int64_t row = 0; row < 9; row++) {
            args.lse.stride[0] = batch;
            args.lse.stride[1] = row;
            args.lse.stride[2] = 100;
            args.lse.stride[3] = 1;
            bool distinct = true, taken[64] = {false};
            for (int i = 0; i < BATCH * N_Q; i++) {
                const int64_t at = i / N_Q * batch + i % N_Q * row;
                distinct = distinct && !taken[at];
                taken[at] = true;
            }
            const clattn_status status = clattn_attention_run(op, fixture.queue, &args, NULL);
            /* Strides that interleave without coinciding, such as 2 and 3, may be refused. */
            ck_assert_msg(distinct || status != CLATTN_OK, "%d %d", (int)batch, (int)row);
            const bool nested = row >= 1 && (batch > 2 * row || (batch >= 1 && row > batch));
            ck_assert_msg(!nested || status == CLATTN_OK, "%d %d: %s", (int)batch, (int)row,
                          clattn_error());
        }
    }
    clFinish(fixture.queue);
}
END_TEST

/* ---- Overlap --------------------------------------------------------------- */

FOR_EACH_OPERAND(an_output_may_not_overlap_any_other_operand)
{
    const cl_mem shared = memory_make(1 << 16);
    for (int other = 0; other < OPERANDS; other++) {
        SPOIL(args, tensor);
        if (operands[i].output && other != i) {
            tensor->mem = shared;
            tensor_at(&args, other)->mem = shared;
            assert_args_refused(&args, operands[i].name, "overlaps");
            char field[64];
            snprintf(field, sizeof field, "args.%s", operands[other].name);
            assert_contains(clattn_error(), field);
        }
    }
}

START_TEST(neighbours_in_one_buffer_do_not_overlap)
{
    clattn_attention_args args = good;
    const cl_mem shared = memory_make(1 << 16);
    int64_t bytes = 0; /* of the operands so far */
    for (int i = 0; i < OPERANDS; i++) {
        clattn_tensor *tensor = tensor_at(&args, i);
        const int64_t size = (int64_t)clattn_type_size(tensor->type);
        bytes = (bytes + 3) / 4 * 4;
        tensor->mem = shared;
        tensor->offset = bytes / size;
        bytes += tensor_elements(tensor) * size;
    }
    attention_run(op, &args);
    /* One element less, and out reaches into v. */
    args.out.offset--;
    assert_args_refused(&args, "out", "overlaps args.v");
    /* One more, and out reaches into what follows. */
    args.out.offset += 2;
    assert_args_refused(&args, "out", "overlaps args.");
}
END_TEST

START_TEST(inputs_may_share_a_buffer)
{
    clattn_attention_args args = good;
    args.k.mem = args.q.mem = memory_make(1 << 14);
    args.v.mem = args.q.mem;
    attention_run(op, &args);
}
END_TEST

static void add_each(TCase *tests)
{
    tcase_add_test(tests, another_type_is_refused);
    tcase_add_test(tests, a_value_that_is_no_type_is_refused);
    tcase_add_test(tests, another_size_is_refused);
    tcase_add_test(tests, a_negative_size_is_refused);
    tcase_add_test(tests, a_size_near_the_end_of_64_bits_is_refused);
    tcase_add_test(tests, a_negative_offset_is_refused);
    tcase_add_test(tests, a_place_behind_the_buffer_is_refused);
    tcase_add_test(tests, a_buffer_one_byte_too_small_is_refused);
    tcase_add_test(tests, dense_strides_may_be_said);
    tcase_add_test(tests, a_negative_stride_is_refused);
    tcase_add_test(tests, a_column_stride_other_than_1_is_refused);
    tcase_add_test(tests, a_stride_that_leaves_the_buffer_is_refused);
    tcase_add_test(tests, strides_that_together_leave_64_bits_are_refused);
    tcase_add_test(tests, the_stride_of_an_axis_of_size_1_does_not_matter);
    tcase_add_test(tests, a_repeated_axis_is_read_but_not_written);
    tcase_add_test(tests, an_output_cannot_be_broadcast_by_size);
    tcase_add_test(tests, an_output_may_not_overlap_any_other_operand);
}

int main(void)
{
    Suite *suite = suite_create("tensor");
    TCase *tests = suite_group(suite, "tensor", open_op, close_op);
    tcase_add_test(tests, the_call_itself_is_accepted);
    add_each(tests);
    tcase_add_test(tests, an_output_whose_rows_interleave_wrongly_is_refused);
    tcase_add_test(tests, outputs_whose_elements_are_distinct_are_accepted);
    tcase_add_test(tests, neighbours_in_one_buffer_do_not_overlap);
    tcase_add_test(tests, inputs_may_share_a_buffer);
    return suite_run_on_device(suite);
}
