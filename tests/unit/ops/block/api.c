/* ops/common/simple.c and the ops it serves: what descriptors and calls of activation, embed,
 * softmax and topk may say.  Results are tests/check's. */
#include "calls.h"

#include <math.h>

/* ---- Activation ------------------------------------------------------------------ */

static clattn_activation_desc activation_desc(void)
{
    return (clattn_activation_desc){
        .kind = CLATTN_SILU, .gated = true, .residual = true, .kernel = "activation"};
}

static void open_activation(void)
{
    fixture_open();
    const clattn_activation_desc desc = activation_desc();
    assert_ok(clattn_activation_create(fixture.context, &desc, &op));
}

static clattn_activation_args activation_args(void)
{
    return (clattn_activation_args){.x = rows(1), .up = rows(2), .residual = rows(3), .y = rows(4)};
}

#define SPOILT(statement, words) CALL_REFUSED(activation, op, activation_args(), statement, words)

START_TEST(an_activation_is_refused_by_name)
{
    DESC_REFUSED(activation, activation_desc(), desc.kind = (clattn_activation)5, "kind");
    DESC_REFUSED(activation, activation_desc(), desc.kind = (clattn_activation)-1, "kind");
    DESC_REFUSED(activation, activation_desc(), desc.kernel = "none", "block/activation_wide");
    for (int i = 0; i < NO_FLOATS; i++) {
        DESC_REFUSED(activation, activation_desc(), desc.type = no_floats[i], "activation: type");
        DESC_REFUSED(activation, activation_desc(), desc.out_type = no_floats[i], "out_type");
    }
    SPOILT(args.x.mem = NULL, "args.x is required");
    SPOILT(args.up.mem = NULL, "args.up is required");
    SPOILT(args.residual.mem = NULL, "args.residual is required");
    SPOILT(args.y.mem = NULL, "args.y is required");
    SPOILT(args.x = narrow(args.x), "args.x.type");
    SPOILT(args.up = narrow(args.up), "args.up.type");
    SPOILT(args.residual = narrow(args.residual), "args.residual.type");
    SPOILT(args.y = narrow(args.y), "args.y.type");
    SPOILT(args.up.size[3]--, "args.up.size[3]");
    SPOILT(args.residual.size[2]--, "args.residual.size[2]");
    SPOILT(args.y.size[0]--, "args.y.size[0]");
    SPOILT(args.y.mem = args.up.mem; args.y.offset = 1, "args.y");
    const clattn_activation_desc desc = {.kind = CLATTN_RELU, .kernel = "activation"};
    clattn_op *alone = NULL;
    assert_ok(clattn_activation_create(fixture.context, &desc, &alone));
    CALL_REFUSED(activation, alone, activation_args(), args.residual.mem = NULL,
                 "args.up is given, but desc lacks gated");
    CALL_REFUSED(activation, alone, activation_args(), args.up.mem = NULL,
                 "args.residual is given, but desc lacks residual");
    clattn_op_destroy(alone);
}
END_TEST

#undef SPOILT

START_TEST(each_input_may_be_the_output)
{
    const clattn_activation_args apart = activation_args();
    assert_ok(clattn_activation_run(op, fixture.queue, &apart, NULL));
    for (int i = 0; i < 3; i++) {
        clattn_activation_args args = activation_args();
        const clattn_tensor *inputs[] = {&args.x, &args.up, &args.residual};
        args.y = *inputs[i];
        assert_ok(clattn_activation_run(op, fixture.queue, &args, NULL));
        assert_same_tensors(&args.y, &apart.y, 0);
    }
}
END_TEST

/* ---- Embedding --------------------------------------------------------------------- */

static void open_embed(void)
{
    fixture_open();
    const clattn_embed_desc desc = {.kernel = "embed"};
    assert_ok(clattn_embed_create(fixture.context, &desc, &op));
}

static clattn_embed_args embed_args(void)
{
    return (clattn_embed_args){
        .ids = tensor_zeros(CLATTN_I32, B, ROWS, 1, 1),
        .table = tensor_random(1, 1, VOCABULARY, 1, COLUMNS),
        .position_ids = tensor_zeros(CLATTN_I32, B, ROWS, 1, 1),
        .position_table = tensor_random(2, 1, ROWS, 1, COLUMNS),
        .type_ids = tensor_zeros(CLATTN_I32, B, ROWS, 1, 1),
        .type_table = tensor_random(3, 1, 2, 1, COLUMNS),
        .y = tensor_zeros(CLATTN_F32, B, ROWS, 1, COLUMNS),
    };
}

#define SPOILT(statement, words) CALL_REFUSED(embed, op, embed_args(), statement, words)

START_TEST(an_embedding_is_refused_by_name)
{
    const clattn_embed_desc good = {.kernel = "embed"};
    DESC_REFUSED(embed, good, desc.scale = NAN, "scale");
    DESC_REFUSED(embed, good, desc.scale = INFINITY, "scale");
    DESC_REFUSED(embed, good, desc.kernel = "none", "block/embed_wide");
    for (int i = 0; i < NO_FLOATS; i++) {
        DESC_REFUSED(embed, good, desc.type = no_floats[i], "embed: type");
        DESC_REFUSED(embed, good, desc.out_type = no_floats[i], "out_type");
    }
    SPOILT(args.ids.mem = NULL, "args.ids is required");
    SPOILT(args.table.mem = NULL, "args.table is required");
    SPOILT(args.y.mem = NULL, "args.y is required");
    SPOILT(args.ids.type = CLATTN_F32, "args.ids.type is f32, must be i32");
    SPOILT(args.table = narrow(args.table), "args.table.type");
    SPOILT(args.position_ids.type = CLATTN_F32, "args.position_ids.type");
    SPOILT(args.type_ids.type = CLATTN_U8, "args.type_ids.type");
    SPOILT(args.position_table = narrow(args.position_table), "args.position_table.type");
    SPOILT(args.ids.size[2] = 2, "args.ids.size[2]");
    SPOILT(args.table.size[0] = 2, "args.table.size[0]");
    SPOILT(args.position_ids.size[1] = 2, "args.position_ids.size[1]");
    SPOILT(args.position_table.size[3]--, "args.position_table.size[3]");
    SPOILT(args.type_table.size[3]--, "args.type_table.size[3]");
    SPOILT(args.y.size[3]--, "args.y.size[3]");
    SPOILT(args.position_table.mem = NULL, "args.position_ids is given, but args.position_table");
    SPOILT(args.type_table.mem = NULL, "args.type_ids is given, but args.type_table is not");
    SPOILT(args.y.mem = args.table.mem, "args.y overlaps args.table");
}
END_TEST

#undef SPOILT

static void assert_one_row_of_ids(const clattn_op *embed)
{
    clattn_embed_args args = embed_args();
    const int32_t ids[ROWS] = {2, 0, 1};
    args.position_ids = args.type_ids = tensor_zeros(CLATTN_I32, 1, ROWS, 1, 1);
    tensor_write(&args.position_ids, ids);
    assert_ok(clattn_embed_run(embed, fixture.queue, &args, NULL));
    float table[VOCABULARY * COLUMNS], positions[ROWS * COLUMNS], types[2 * COLUMNS],
        y[B * ROWS * COLUMNS];
    tensor_read(&args.table, table, VOCABULARY * COLUMNS);
    tensor_read(&args.position_table, positions, ROWS * COLUMNS);
    tensor_read(&args.type_table, types, 2 * COLUMNS);
    tensor_read(&args.y, y, B * ROWS * COLUMNS);
    for (int n = 0; n < B * ROWS * COLUMNS; n++) {
        const int id = ids[n / COLUMNS % ROWS], c = n % COLUMNS;
        const float type = id < 2 ? types[id * COLUMNS + c] : 0;
        ck_assert_float_eq_tol(y[n], table[c] + positions[id * COLUMNS + c] + type, 1e-6f);
    }
}

/* Also a table's first row, which lies at the begin of its buffer. */
START_TEST(ids_of_positions_and_types_may_be_one_row_for_the_batch)
{
    const clattn_embed_desc wide = {.kernel = "embed_wide"};
    assert_one_row_of_ids(op);
    clattn_op_destroy(op);
    op = NULL;
    if (clattn_embed_create(fixture.context, &wide, &op) == CLATTN_OK) { /* on CPUs */
        assert_one_row_of_ids(op);
    }
}
END_TEST

/* ---- Softmax and the largest ---------------------------------------------------------- */

static void open_softmax(void)
{
    fixture_open();
    const clattn_softmax_desc desc = {.kernel = "softmax"};
    assert_ok(clattn_softmax_create(fixture.context, &desc, &op));
}

#define SPOILT(statement, words)                                                                   \
    CALL_REFUSED(softmax, op, ((clattn_softmax_args){.x = rows(1), .y = rows(2)}), statement, words)

START_TEST(a_softmax_is_refused_by_name)
{
    const clattn_softmax_desc good = {.kernel = "softmax"};
    DESC_REFUSED(softmax, good, desc.kernel = "none", "block/softmax_wide");
    for (int i = 0; i < NO_FLOATS; i++) {
        DESC_REFUSED(softmax, good, desc.type = no_floats[i], "softmax: type");
        DESC_REFUSED(softmax, good, desc.out_type = no_floats[i], "out_type");
    }
    SPOILT(args.temperature = -1, "args.temperature");
    SPOILT(args.temperature = NAN, "args.temperature");
    SPOILT(args.temperature = INFINITY, "args.temperature");
    SPOILT(args.temperature = 1e-38f, "args.temperature");
    SPOILT(args.x.mem = NULL, "args.x is required");
    SPOILT(args.y.mem = NULL, "args.y is required");
    SPOILT(args.x = narrow(args.x), "args.x.type");
    SPOILT(args.y = narrow(args.y), "args.y.type");
    SPOILT(args.y.size[3]--, "args.y.size[3]");
    SPOILT(args.y.mem = args.x.mem; args.y.size[0] = args.x.size[0] = 1;
           args.y.offset = 1, "args.y overlaps args.x");
}
END_TEST

#undef SPOILT

enum { K = 4 };

static void open_topk(void)
{
    fixture_open();
    const clattn_topk_desc desc = {.k = K, .kernel = "topk"};
    assert_ok(clattn_topk_create(fixture.context, &desc, &op));
}

static clattn_topk_args topk_args(void)
{
    return (clattn_topk_args){.x = rows(1),
                              .values = tensor_zeros(CLATTN_F32, B, ROWS, HEADS, K),
                              .indices = tensor_zeros(CLATTN_I32, B, ROWS, HEADS, K)};
}

#define SPOILT(statement, words) CALL_REFUSED(topk, op, topk_args(), statement, words)

START_TEST(a_topk_is_refused_by_name)
{
    const clattn_topk_desc good = {.k = K, .kernel = "topk"};
    const int32_t wrong[] = {0, -1, 1025, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        DESC_REFUSED(topk, good, desc.k = wrong[i], "topk: k is");
    }
    DESC_REFUSED(topk, good, desc.kernel = "none", "block/topk_wide");
    for (int i = 0; i < NO_FLOATS; i++) {
        DESC_REFUSED(topk, good, desc.type = no_floats[i], "topk: type");
    }
    SPOILT(args.x.mem = NULL, "args.x is required");
    SPOILT(args.values.mem = NULL, "args.values is required");
    SPOILT(args.indices.mem = NULL, "args.indices is required");
    SPOILT(args.x = narrow(args.x), "args.x.type");
    SPOILT(args.values = narrow(args.values), "args.values.type");
    SPOILT(args.indices.type = CLATTN_F32, "args.indices.type");
    SPOILT(args.values.size[3]++, "args.values.size[3]");
    SPOILT(args.indices.size[3]--, "args.indices.size[3]");
    SPOILT(args.x.size[3] = K - 1, "args.x.size[3] is 3, must be at least k, 4");
    SPOILT(args.values.mem = args.x.mem, "args.values overlaps args.x");
    SPOILT(args.indices.mem = args.values.mem, "overlaps");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block api");
    TCase *activation = suite_group(suite, "activation", open_activation, close_all);
    tcase_add_test(activation, an_activation_is_refused_by_name);
    tcase_add_test(activation, each_input_may_be_the_output);
    TCase *embed = suite_group(suite, "embed", open_embed, close_all);
    tcase_add_test(embed, an_embedding_is_refused_by_name);
    tcase_add_test(embed, ids_of_positions_and_types_may_be_one_row_for_the_batch);
    tcase_add_test(suite_group(suite, "softmax", open_softmax, close_all),
                   a_softmax_is_refused_by_name);
    tcase_add_test(suite_group(suite, "topk", open_topk, close_all), a_topk_is_refused_by_name);
    return suite_run_on_device(suite);
}
