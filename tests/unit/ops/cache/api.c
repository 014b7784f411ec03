/* ops/cache/append.c, ops/cache/merge.c and attention over caches: what descriptors and calls may
 * say. */
#include "support/fixture.h"
#include "support/refusals.h"
#include "support/tensors.h"

enum { B = 2, NEW = 3, KV = 2, HEADS = 4, DIM = 12, PAGES = 4, PAGE_ROWS = 8, TABLE = 2 };

static clattn_op *append, *merge, *attention;

/* ---- Good ones, on pages ----------------------------------------------------------- */

static clattn_append_desc good_append(void)
{
    return (clattn_append_desc){.head_dim = DIM, .page_rows = PAGE_ROWS};
}

static clattn_append_args append_args(void)
{
    return (clattn_append_args){
        .k = tensor_random(1, B, NEW, KV, DIM),
        .v = tensor_random(2, B, NEW, KV, DIM),
        .k_cache = tensor_zeros(CLATTN_F32, PAGES, PAGE_ROWS, KV, DIM),
        .v_cache = tensor_zeros(CLATTN_F32, PAGES, PAGE_ROWS, KV, DIM),
        .page_table = tensor_zeros(CLATTN_I32, B, 1, 1, TABLE),
        .kv_length = tensor_zeros(CLATTN_I32, B, 1, 1, 1),
    };
}

static clattn_attention_desc good_attention(void)
{
    return (clattn_attention_desc){.head_dim = DIM,
                                   .query_heads = HEADS,
                                   .kv_heads = KV,
                                   .page_rows = PAGE_ROWS,
                                   .kernel = "row"};
}

static clattn_attention_args attention_args(void)
{
    return (clattn_attention_args){
        .q = tensor_random(1, B, NEW, HEADS, DIM),
        .k = tensor_zeros(CLATTN_F32, PAGES, PAGE_ROWS, KV, DIM),
        .v = tensor_zeros(CLATTN_F32, PAGES, PAGE_ROWS, KV, DIM),
        .out = tensor_zeros(CLATTN_F32, B, NEW, HEADS, DIM),
        .page_table = tensor_zeros(CLATTN_I32, B, 1, 1, TABLE),
        .kv_length = tensor_zeros(CLATTN_I32, B, 1, 1, 1),
    };
}

static clattn_merge_desc good_merge(void) { return (clattn_merge_desc){.type = CLATTN_F32}; }

static clattn_merge_args merge_args(void)
{
    return (clattn_merge_args){
        .a = tensor_random(1, B, NEW, HEADS, DIM),
        .b = tensor_random(2, B, NEW, HEADS, DIM),
        .a_lse = tensor_random(3, B, NEW, HEADS, 1),
        .b_lse = tensor_random(4, B, NEW, HEADS, 1),
        .out = tensor_zeros(CLATTN_F32, B, NEW, HEADS, DIM),
        .lse = tensor_zeros(CLATTN_F32, B, NEW, HEADS, 1),
    };
}

static void open_ops(void)
{
    fixture_open();
    const clattn_append_desc a = good_append();
    const clattn_merge_desc m = good_merge();
    const clattn_attention_desc t = good_attention();
    assert_ok(clattn_append_create(fixture.context, &a, &append));
    assert_ok(clattn_merge_create(fixture.context, &m, &merge));
    assert_ok(clattn_attention_create(fixture.context, &t, &attention));
}

static void close_ops(void)
{
    clattn_op_destroy(append);
    clattn_op_destroy(merge);
    clattn_op_destroy(attention);
    tensors_release();
    fixture_close();
}

/* ---- Descriptors --------------------------------------------------------------------- */

START_TEST(a_field_of_append_out_of_range_is_refused)
{
    const int32_t wrong[] = {-1, 513, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        DESC_REFUSED(append, good_append(), desc.head_dim = wrong[i], "head_dim");
        DESC_REFUSED(append, good_append(), desc.value_dim = wrong[i], "value_dim");
    }
    DESC_REFUSED(append, good_append(), desc.head_dim = 0, "head_dim is 0, must be 1..512");
    DESC_REFUSED(append, good_append(), desc.type = CLATTN_I8, "type");
    DESC_REFUSED(append, good_append(), desc.kv_type = CLATTN_I32, "kv_type");
    DESC_REFUSED(append, good_append(), desc.page_rows = -1, "page_rows is -1");
    DESC_REFUSED(append, good_append(), desc.page_rows = (1 << 16) + 1, "page_rows is 65537");
    DESC_REFUSED(append, good_append(), desc.ring = true, "ring is set with page_rows, 8");
    DESC_REFUSED(append, good_append(), desc.kernel = "none", "cache/append");
}
END_TEST

START_TEST(keys_are_turned_by_whole_pairs_of_their_own_columns)
{
    const int32_t wrong[] = {7, 1, -2, DIM + 1, DIM + 2, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        clattn_append_desc desc = good_append();
        clattn_op *made = NULL;
        desc.rotate = true;
        desc.rope.rotary_dim = wrong[i];
        assert_refused(clattn_append_create(fixture.context, &desc, &made), "rotary_dim");
        assert_contains(clattn_error(), "must be even, 2..12 (head_dim)");
        ck_assert_ptr_null(made);
    }
    DESC_REFUSED(append, good_append(), (desc.rotate = true, desc.rope.head_dim = DIM + 2),
                 "rope.head_dim is 14, must be head_dim, 12");
    DESC_REFUSED(append, good_append(), (desc.rotate = true, desc.rope.tables = true),
                 "rope.tables");
}
END_TEST

START_TEST(a_layout_that_attention_cannot_read_is_refused)
{
#define REFUSED(statement, words) DESC_REFUSED(attention, good_attention(), statement, words)
    REFUSED(desc.page_rows = -1, "page_rows is -1, must be 0..65536");
    REFUSED(desc.page_rows = (1 << 16) + 1, "page_rows is 65537");
    REFUSED(desc.ring = true, "ring is set with page_rows, 8");
    REFUSED(desc.kv_type = CLATTN_I32, "kv_type");
    for (unsigned with = 1; with <= CLATTN_WITH_WEIGHTS; with *= 2) {
        if (with != CLATTN_WITH_ALIBI) {
            REFUSED((desc.page_rows = 0, desc.ring = true, desc.with = with), "ring is set");
            REFUSED((desc.packed = true, desc.with = with), "packed is set");
        }
    }
#undef REFUSED
}
END_TEST

START_TEST(a_type_of_merge_that_is_no_float_is_refused)
{
    DESC_REFUSED(merge, good_merge(), desc.type = CLATTN_I32, "type");
    DESC_REFUSED(merge, good_merge(), desc.out_type = CLATTN_I8, "out_type");
    DESC_REFUSED(merge, good_merge(), desc.kernel = "none", "cache/merge");
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    MISSING_REFUSED(append, good_append(), append, merge);
    MISSING_REFUSED(merge, good_merge(), merge, append);
}
END_TEST

/* ---- Calls --------------------------------------------------------------------------- */

START_TEST(an_append_that_does_not_fit_its_cache_is_refused)
{
#define REFUSED(statement, words) CALL_REFUSED(append, append, append_args(), statement, words)
    REFUSED(args.k.mem = NULL, "args.k ");
    REFUSED(args.v.size[1] = NEW - 1, "args.v");
    REFUSED(args.v.size[2] = 1, "args.v");
    REFUSED(args.k.type = CLATTN_F16, "args.k");
    REFUSED(args.k_cache.size[1] = PAGE_ROWS - 1, "args.k_cache");
    REFUSED(args.k_cache.size[3] = DIM - 1, "args.k_cache");
    REFUSED(args.v_cache.size[0] = PAGES - 1, "args.v_cache");
    REFUSED(args.v_cache.type = CLATTN_I8, "args.v_cache");
    REFUSED(args.v_cache.mem = NULL, "args.v_cache");
    REFUSED(args.v_cache = args.k_cache, "k_cache");
    REFUSED(args.page_table.mem = NULL, "args.page_table");
    REFUSED(args.page_table.size[0] = 1, "args.page_table");
    REFUSED(args.page_table.type = CLATTN_F32, "args.page_table");
    REFUSED(args.kv_length.mem = NULL, "args.kv_length");
    REFUSED(args.kv_length.size[0] = 1, "args.kv_length");
    REFUSED(args.start = args.kv_length, "args.start is given");
    REFUSED(args.positions = tensor_zeros(CLATTN_I32, B, NEW, 1, 1), "args.positions is given");
    REFUSED(args.k_scale = tensor_zeros(CLATTN_F32, PAGES, PAGE_ROWS, KV, 1),
            "args.k_scale is given");
    REFUSED(args.k.size[1] = -1, "args.k");
#undef REFUSED
}
END_TEST

START_TEST(attention_over_pages_needs_its_table)
{
#define REFUSED(statement, words)                                                                  \
    CALL_REFUSED(attention, attention, attention_args(), statement, words)
    REFUSED(args.page_table.mem = NULL, "args.page_table");
    REFUSED(args.page_table.size[0] = 1, "args.page_table");
    REFUSED(args.page_table.size[3] = INT32_MAX, "page_table.size[3] times page_rows");
    REFUSED(args.page_table.size[3] = INT64_MAX, "page_table.size[3] times page_rows");
    REFUSED(args.page_table.type = CLATTN_F32, "args.page_table");
    REFUSED(args.k.size[0] = args.v.size[0] = 0, "args.k.size[0] (page) is 0");
    REFUSED(args.k.size[1] = PAGE_ROWS + 1, "args.k");
    REFUSED(args.v.size[0] = PAGES - 1, "args.v");
    REFUSED(args.q_start = args.kv_length, "args.q_start is given, but desc lacks packed");
    REFUSED(args.k_start = args.kv_length, "args.k_start is given, but desc lacks packed");
    REFUSED(args.k_scale = tensor_zeros(CLATTN_F32, PAGES, PAGE_ROWS, KV, 1),
            "args.k_scale is given, but desc lacks kv_type I8");
#undef REFUSED
}
END_TEST

START_TEST(parts_of_other_sizes_are_not_merged)
{
#define REFUSED(statement, words) CALL_REFUSED(merge, merge, merge_args(), statement, words)
    REFUSED(args.a.mem = NULL, "args.a");
    REFUSED(args.b.size[0] = 1, "args.b");
    REFUSED(args.b.size[3] = DIM - 1, "args.b");
    REFUSED(args.b.type = CLATTN_F16, "args.b");
    REFUSED(args.a_lse.mem = NULL, "args.a_lse");
    REFUSED(args.b_lse.size[2] = KV, "args.b_lse");
    REFUSED(args.b_lse.type = CLATTN_F16, "args.b_lse");
    REFUSED(args.out.size[1] = NEW - 1, "args.out");
    REFUSED(args.lse.size[1] = NEW - 1, "args.lse");
    REFUSED(args.lse = args.out, "args.lse");
    REFUSED((args.out = args.a, args.out.offset = 1), "args.out");
#undef REFUSED
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache_api");
    TCase *desc = suite_group(suite, "descriptors", open_ops, close_ops);
    tcase_add_test(desc, a_field_of_append_out_of_range_is_refused);
    tcase_add_test(desc, keys_are_turned_by_whole_pairs_of_their_own_columns);
    tcase_add_test(desc, a_layout_that_attention_cannot_read_is_refused);
    tcase_add_test(desc, a_type_of_merge_that_is_no_float_is_refused);
    tcase_add_test(desc, what_is_missing_is_named);
    TCase *calls = suite_group(suite, "calls", open_ops, close_ops);
    tcase_add_test(calls, an_append_that_does_not_fit_its_cache_is_refused);
    tcase_add_test(calls, attention_over_pages_needs_its_table);
    tcase_add_test(calls, parts_of_other_sizes_are_not_merged);
    return suite_run_on_device(suite);
}
