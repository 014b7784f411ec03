/* ops/block/rope.c: what its descriptor and call may say, and what in place means. */
#include "support/fixture.h"
#include "support/refusals.h"
#include "support/tensors.h"

#include <math.h>

enum { B = 2, ROWS = 3, HEADS = 4, KV_HEADS = 2, DIM = 12, PAIRS = DIM / 2, CACHE = 9 };

static clattn_op *op, *by_tables;

static clattn_rope_desc good_desc(void)
{
    return (clattn_rope_desc){.head_dim = DIM, .kernel = "rope"};
}

static clattn_rope_desc scaled(clattn_rope_scaling scaling)
{
    clattn_rope_desc desc = good_desc();
    desc.scaling = scaling;
    desc.factor = 4;
    desc.original = scaling >= CLATTN_ROPE_YARN ? 2048 : 0;
    return desc;
}

static void open_rope(void)
{
    fixture_open();
    clattn_rope_desc desc = good_desc();
    assert_ok(clattn_rope_create(fixture.context, &desc, &op));
    desc.tables = true;
    assert_ok(clattn_rope_create(fixture.context, &desc, &by_tables));
}

static void close_all(void)
{
    clattn_op_destroy(op);
    clattn_op_destroy(by_tables);
    op = by_tables = NULL;
    tensors_release();
    fixture_close();
}

static clattn_rope_args good_args(void)
{
    return (clattn_rope_args){
        .q = tensor_random(1, B, ROWS, HEADS, DIM),
        .k = tensor_random(2, B, ROWS, KV_HEADS, DIM),
        .q_out = tensor_zeros(CLATTN_F32, B, ROWS, HEADS, DIM),
        .k_out = tensor_zeros(CLATTN_F32, B, ROWS, KV_HEADS, DIM),
        .start = tensor_zeros(CLATTN_I32, B, 1, 1, 1),
    };
}

static clattn_rope_args with_tables(void)
{
    clattn_rope_args args = good_args();
    args.cos = tensor_random(3, 1, CACHE, 1, PAIRS);
    args.sin = tensor_random(4, 1, CACHE, 1, PAIRS);
    return args;
}

/* ---- Descriptor ----------------------------------------------------------------- */

#define REFUSED(good, statement, words) DESC_REFUSED(rope, good, statement, words)

START_TEST(a_field_out_of_range_is_refused)
{
    const int32_t wrong[] = {1, -2, 513, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        REFUSED(good_desc(), desc.head_dim = wrong[i], "head_dim");
        REFUSED(good_desc(), desc.rotary_dim = wrong[i], "rotary_dim");
    }
    REFUSED(good_desc(), desc.head_dim = 0, "head_dim");
    REFUSED(good_desc(), desc.head_dim = 13, "rotary_dim is 13, must be even");
    REFUSED(good_desc(), desc.rotary_dim = 7, "rotary_dim is 7, must be even");
    REFUSED(good_desc(), desc.rotary_dim = DIM + 2, "rotary_dim is 14, must be even, 2..12");
    REFUSED(good_desc(), desc.type = CLATTN_I32, "rope: type");
    REFUSED(good_desc(), desc.table_type = CLATTN_U8, "table_type");
    REFUSED(good_desc(), desc.kernel = "none", "block/rope_wide");
    const float bases[] = {1, 0.5f, -10000, NAN, INFINITY};
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        REFUSED(good_desc(), desc.base = bases[i], "base");
    }
}
END_TEST

START_TEST(a_scaling_needs_its_numbers_and_takes_no_others)
{
    REFUSED(good_desc(), desc.scaling = (clattn_rope_scaling)5, "scaling");
    REFUSED(good_desc(), desc.scaling = (clattn_rope_scaling)-1, "scaling");
    for (int s = CLATTN_ROPE_LINEAR; s <= CLATTN_ROPE_LLAMA3; s++) {
        const float wrong[] = {0, -1, NAN, INFINITY};
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            REFUSED(scaled((clattn_rope_scaling)s), desc.factor = wrong[i], "factor");
        }
    }
    REFUSED(good_desc(), desc.factor = 2, "factor is 2, but this scaling has none");
    REFUSED(good_desc(), desc.original = 2048, "original");
    REFUSED(scaled(CLATTN_ROPE_NTK), desc.original = 2048, "original");
    REFUSED(scaled(CLATTN_ROPE_YARN), desc.original = 0, "original");
    REFUSED(scaled(CLATTN_ROPE_YARN), desc.original = -1, "original");
    REFUSED(scaled(CLATTN_ROPE_LLAMA3), desc.original = 0, "original");
    REFUSED(scaled(CLATTN_ROPE_YARN), desc.beta_fast = -1, "beta_fast");
    REFUSED(scaled(CLATTN_ROPE_YARN), desc.beta_slow = 33, "beta_slow");
    REFUSED(scaled(CLATTN_ROPE_YARN), desc.magnitude = NAN, "magnitude");
    REFUSED(scaled(CLATTN_ROPE_YARN), desc.low_factor = 1, "low_factor");
    REFUSED(scaled(CLATTN_ROPE_LLAMA3), desc.low_factor = 4, "low_factor");
    REFUSED(scaled(CLATTN_ROPE_LLAMA3), desc.high_factor = -1, "high_factor");
    REFUSED(scaled(CLATTN_ROPE_LLAMA3), desc.beta_fast = 32, "beta_fast");
    REFUSED(scaled(CLATTN_ROPE_LINEAR), desc.magnitude = 1, "magnitude");
    const float zero[PAIRS] = {1, 1, 0, 1, 1, 1};
    REFUSED(good_desc(), desc.divisors = zero, "divisors[2] is 0");
}
END_TEST

START_TEST(with_tables_there_is_nothing_to_compute)
{
    const float ones[PAIRS] = {1, 1, 1, 1, 1, 1};
    REFUSED(good_desc(), desc.tables = true; desc.base = 10000, "base is given");
    REFUSED(scaled(CLATTN_ROPE_LINEAR), desc.tables = true, "scaling is given");
    REFUSED(good_desc(), desc.tables = true; desc.divisors = ones, "divisors is given");
}
END_TEST

/* ---- Call ------------------------------------------------------------------------- */

#define SPOILT(statement, words) CALL_REFUSED(rope, op, good_args(), statement, words)
#define SPOILT_TABLES(statement, words)                                                            \
    CALL_REFUSED(rope, by_tables, with_tables(), statement, words)

START_TEST(an_operand_that_does_not_fit_is_refused_by_name)
{
    SPOILT(args.q.mem = NULL, "args.q is required");
    SPOILT(args.k.mem = NULL, "args.k_out is given, but args.k is not");
    SPOILT(args.q.type = CLATTN_BF16, "args.q.type");
    SPOILT(args.k.type = CLATTN_F16, "args.k.type");
    SPOILT(args.q_out.type = CLATTN_BF16, "args.q_out.type");
    SPOILT(args.k_out.type = CLATTN_I32, "args.k_out.type");
    SPOILT(args.start.type = CLATTN_F32, "args.start.type");
    SPOILT(args.q.size[3]--, "args.q.size[3]");
    SPOILT(args.k.size[0]--, "args.k.size[0]");
    SPOILT(args.k.size[1]--, "args.k.size[1]");
    SPOILT(args.q_out.size[2]--, "args.q_out.size[2]");
    SPOILT(args.k_out.size[2]++, "args.k_out.size[2]");
    SPOILT(args.start.size[1] = 2, "args.start.size[1]");
    SPOILT(args.positions = tensor_zeros(CLATTN_I32, B, ROWS, 1, 1),
           "args.start is given, but args.positions is too");
    SPOILT(args.start.mem = NULL;
           args.positions = tensor_zeros(CLATTN_I32, B, ROWS + 1, 1, 1), "args.positions.size[1]");
    SPOILT(args.cos = tensor_random(3, 1, CACHE, 1, PAIRS), "args.cos is given, but desc lacks");
    SPOILT(args.sin = tensor_random(3, 1, CACHE, 1, PAIRS), "args.sin is given, but desc lacks");
    SPOILT(args.q.size[2] = -1, "args.q.size[2]");
    SPOILT(args.q.size[1] = INT64_MAX, "args.q.size[1]");
}
END_TEST

START_TEST(tables_that_do_not_fit_are_refused_by_name)
{
    SPOILT_TABLES(args.cos.mem = NULL, "args.cos is required");
    SPOILT_TABLES(args.sin.mem = NULL, "args.sin is required");
    SPOILT_TABLES(args.cos.type = CLATTN_F16, "args.cos.type");
    SPOILT_TABLES(args.cos.size[3]--, "args.cos.size[3]");
    SPOILT_TABLES(args.sin.size[1]--, "args.sin.size[1]");
    SPOILT_TABLES(args.cos.size[0] = 2, "args.cos.size[0]");
    /* Without positions a table has a row for each. */
    SPOILT_TABLES(args.start.mem = NULL, "args.cos.size[1] (row) is 9, must be 3");
}
END_TEST

START_TEST(an_output_over_an_operand_is_refused)
{
    const cl_mem shared = memory_make(1 << 14);
    SPOILT(args.q_out.mem = args.k.mem = shared, "args.q_out overlaps args.k");
    SPOILT(args.q_out.mem = args.k_out.mem = shared, "args.q_out overlaps args.k_out");
    SPOILT(args.q_out.mem = args.q.mem = shared;
           args.q_out.offset = 1, "args.q_out overlaps args.q");
    SPOILT(args.q_out.mem = NULL; args.q.mem = args.k.mem = shared, "args.q overlaps args.k");
    SPOILT(args.q_out.mem = NULL; args.q.stride[3] = 1, "args.q is an output whose strides");
}
END_TEST

START_TEST(a_missing_op_or_call_and_an_op_of_another_kind_are_refused)
{
    const clattn_softmax_desc desc = {.kernel = "softmax"};
    clattn_op *other = NULL;
    assert_ok(clattn_softmax_create(fixture.context, &desc, &other));
    MISSING_REFUSED(rope, good_desc(), op, other);
    clattn_op_destroy(other);
}
END_TEST

/* ---- Results ------------------------------------------------------------------------ */

static const int64_t fused_stride[4] = {ROWS * (HEADS + 2 * KV_HEADS) * DIM,
                                        (HEADS + 2 * KV_HEADS) * DIM, DIM, 1};

/* As projections leave them: one buffer, a row q, k and v. */
START_TEST(slices_of_one_buffer_are_turned_in_place)
{
    enum { HEADS_IN_ALL = HEADS + 2 * KV_HEADS, COUNT = B * ROWS * HEADS_IN_ALL * DIM };
    const clattn_tensor fused = tensor_random(5, B, ROWS, HEADS_IN_ALL, DIM);
    clattn_rope_args args = {.q = fused, .k = fused};
    args.q.size[2] = HEADS;
    args.k.size[2] = KV_HEADS;
    args.k.offset = HEADS * DIM;
    memcpy(args.q.stride, fused_stride, sizeof fused_stride);
    memcpy(args.k.stride, fused_stride, sizeof fused_stride);
    clattn_rope_args apart = args;
    apart.q_out = tensor_zeros(CLATTN_F32, B, ROWS, HEADS, DIM);
    apart.k_out = tensor_zeros(CLATTN_F32, B, ROWS, KV_HEADS, DIM);
    float before[COUNT], after[COUNT], q[B * ROWS * HEADS * DIM], k[B * ROWS * KV_HEADS * DIM];
    tensor_read(&fused, before, COUNT);
    assert_ok(clattn_rope_run(op, fixture.queue, &apart, NULL));
    assert_ok(clattn_rope_run(op, fixture.queue, &args, NULL));
    tensor_read(&fused, after, COUNT);
    tensor_read(&apart.q_out, q, B * ROWS * HEADS * DIM);
    tensor_read(&apart.k_out, k, B * ROWS * KV_HEADS * DIM);
    for (int n = 0; n < COUNT; n++) {
        const int row = n / (HEADS_IN_ALL * DIM), at = n % (HEADS_IN_ALL * DIM);
        const float expected = at < HEADS * DIM ? q[row * HEADS * DIM + at]
                               : at < (HEADS + KV_HEADS) * DIM
                                   ? k[row * KV_HEADS * DIM + at - HEADS * DIM]
                                   : before[n];
        ck_assert_float_eq(after[n], expected);
    }
}
END_TEST

/* Turning row i by its position is turning row 0 of a start there. */
START_TEST(a_start_is_the_position_of_the_first_row)
{
    clattn_rope_args args = good_args();
    const int32_t start[B] = {70000, -5};
    const int32_t positions[B * ROWS] = {70000, 70001, 70002, -5, -4, -3};
    tensor_write(&args.start, start);
    assert_ok(clattn_rope_run(op, fixture.queue, &args, NULL));
    clattn_rope_args by_id = args;
    by_id.start = (clattn_tensor){0};
    by_id.positions = tensor_zeros(CLATTN_I32, B, ROWS, 1, 1);
    tensor_write(&by_id.positions, positions);
    by_id.q_out = tensor_zeros(CLATTN_F32, B, ROWS, HEADS, DIM);
    by_id.k_out = tensor_zeros(CLATTN_F32, B, ROWS, KV_HEADS, DIM);
    assert_ok(clattn_rope_run(op, fixture.queue, &by_id, NULL));
    assert_same_tensors(&by_id.q_out, &args.q_out, 0);
    assert_same_tensors(&by_id.k_out, &args.k_out, 0);
}
END_TEST

/* RoPE's reason: a dot product of turned rows depends on the distance of their positions only,
 * however far out they are. */
START_TEST(a_dot_product_depends_on_the_distance_alone)
{
    float products[2];
    const int32_t starts[2][B] = {{0, 0}, {8000000, 8000000}};
    for (int s = 0; s < 2; s++) {
        clattn_rope_args args = good_args();
        tensor_write(&args.start, starts[s]);
        assert_ok(clattn_rope_run(op, fixture.queue, &args, NULL));
        float q[B * ROWS * HEADS * DIM], k[B * ROWS * KV_HEADS * DIM];
        tensor_read(&args.q_out, q, B * ROWS * HEADS * DIM);
        tensor_read(&args.k_out, k, B * ROWS * KV_HEADS * DIM);
        products[s] = 0;
        for (int c = 0; c < DIM; c++) {
            products[s] += q[2 * HEADS * DIM + c] * k[c];
        }
    }
    ck_assert_float_eq_tol(products[0], products[1], 3e-6f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rope api");
    TCase *descriptor = suite_group(suite, "descriptor", open_rope, close_all);
    tcase_add_test(descriptor, a_field_out_of_range_is_refused);
    tcase_add_test(descriptor, a_scaling_needs_its_numbers_and_takes_no_others);
    tcase_add_test(descriptor, with_tables_there_is_nothing_to_compute);
    TCase *call = suite_group(suite, "call", open_rope, close_all);
    tcase_add_test(call, an_operand_that_does_not_fit_is_refused_by_name);
    tcase_add_test(call, tables_that_do_not_fit_are_refused_by_name);
    tcase_add_test(call, an_output_over_an_operand_is_refused);
    tcase_add_test(call, a_missing_op_or_call_and_an_op_of_another_kind_are_refused);
    TCase *results = suite_group(suite, "results", open_rope, close_all);
    tcase_add_test(results, slices_of_one_buffer_are_turned_in_place);
    tcase_add_test(results, a_start_is_the_position_of_the_first_row);
    tcase_add_test(results, a_dot_product_depends_on_the_distance_alone);
    return suite_run_on_device(suite);
}
