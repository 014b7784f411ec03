/* Caches that are appended to and freed at random: attention over them is attention over the rows
 * themselves, whichever way they lie, and NaN in rows that are not in use stays there. */
#include "support/caches.h"
#include "support/fixture.h"
#include "support/tensors.h"

#include <math.h>
#include <stdlib.h>

/* ---- Attention ------------------------------------------------------------------------ */

static const char *const kernels[] = {"decode_wide", "wide", "tiled", "row"};
enum { KERNELS = sizeof kernels / sizeof *kernels, BEST = 2 }; /* the best are enough for most */

/* Where the device has no such kernel: false. */
static bool attend(clattn_attention_desc desc, clattn_attention_args args, float out[OUTS])
{
    clattn_op *op = NULL;
    desc.head_dim = DIM;
    desc.query_heads = HEADS;
    desc.kv_heads = KV;
    desc.causal = true;
    desc.split_keys = SPLIT;
    args.q = rows.q;
    args.out = tensor_zeros(CLATTN_F32, args.q.size[0], args.q.size[1], HEADS, DIM);
    if (desc.packed) {
        args.q = tensor_view(args.q, 0, 1, OUT_ROWS, HEADS, DIM);
        args.out = tensor_view(args.out, 0, 1, OUT_ROWS, HEADS, DIM);
    }
    tensor_fill(&args.out, NAN);
    const clattn_status status = clattn_attention_create(fixture.context, &desc, &op);
    if (status == CLATTN_ERR_UNSUPPORTED) {
        return false;
    }
    assert_ok(status);
    assert_ok(clattn_attention_run(op, fixture.queue, &args, NULL));
    tensor_read(&args.out, out, OUTS);
    clattn_op_destroy(op);
    return true;
}

static bool attend_cache(const struct cache *c, const char *kernel, float out[OUTS])
{
    if (c->page_rows) {
        tensor_write(&c->table, c->pages);
    }
    tensor_write(&rows.lengths, rows.length);
    return attend(
        (clattn_attention_desc){
            .kernel = kernel, .kv_type = c->type, .page_rows = c->page_rows, .ring = c->ring},
        (clattn_attention_args){.k = c->k,
                                .v = c->v,
                                .k_scale = c->k_scale,
                                .v_scale = c->v_scale,
                                .page_table = c->table,
                                .kv_length = rows.lengths},
        out);
}

/* The newest rows of each sequence, at most so many, in order; NaN behind them. */
static bool attend_rows(const float *k, const float *v, int newest, const char *kernel,
                        float out[OUTS])
{
    const clattn_tensor tensors[] = {tensor_zeros(CLATTN_F32, SEQUENCES, CAPACITY, KV, DIM),
                                     tensor_zeros(CLATTN_F32, SEQUENCES, CAPACITY, KV, DIM)};
    const clattn_tensor lengths = tensor_zeros(CLATTN_I32, SEQUENCES, 1, 1, 1);
    int32_t kept[SEQUENCES];
    for (int s = 0; s < SEQUENCES; s++) {
        kept[s] = rows.length[s] < newest ? rows.length[s] : newest;
    }
    for (int n = 0; n < 2; n++) {
        tensor_fill(&tensors[n], NAN);
        for (int s = 0; s < SEQUENCES; s++) {
            const clattn_tensor part =
                tensor_view(tensors[n], (int64_t)rows_at(s, 0), 1, kept[s], KV, DIM);
            tensor_write(&part, (n ? v : k) + rows_at(s, rows.length[s] - kept[s]));
        }
    }
    tensor_write(&lengths, kept);
    return attend((clattn_attention_desc){.kernel = kernel},
                  (clattn_attention_args){.k = tensors[0], .v = tensors[1], .kv_length = lengths},
                  out);
}

/* The rows of all sequences one after the other. */
static bool attend_packed(const char *kernel, float out[OUTS])
{
    int32_t q_start[SEQUENCES + 1], k_start[SEQUENCES + 1] = {0};
    for (int s = 0; s <= SEQUENCES; s++) {
        q_start[s] = s * QUERIES;
        k_start[s] = s ? k_start[s - 1] + rows.length[s - 1] : 0;
    }
    const clattn_tensor starts[] = {tensor_zeros(CLATTN_I32, 1, 1, 1, SEQUENCES + 1),
                                    tensor_zeros(CLATTN_I32, 1, 1, 1, SEQUENCES + 1)};
    const clattn_tensor k = tensor_zeros(CLATTN_F32, 1, k_start[SEQUENCES], KV, DIM);
    const clattn_tensor v = tensor_zeros(CLATTN_F32, 1, k_start[SEQUENCES], KV, DIM);
    for (int s = 0; s < SEQUENCES; s++) {
        const clattn_tensor to_k =
            tensor_view(k, (int64_t)k_start[s] * ROW, 1, rows.length[s], KV, DIM);
        const clattn_tensor to_v =
            tensor_view(v, (int64_t)k_start[s] * ROW, 1, rows.length[s], KV, DIM);
        tensor_write(&to_k, rows.k + rows_at(s, 0));
        tensor_write(&to_v, rows.v + rows_at(s, 0));
    }
    tensor_write(&starts[0], q_start);
    tensor_write(&starts[1], k_start);
    return attend(
        (clattn_attention_desc){.kernel = kernel, .packed = true},
        (clattn_attention_args){
            .k = k, .v = v, .q_start = starts[0], .k_start = starts[1], .most_queries = QUERIES},
        out);
}

/* tolerance 0: to the last bit. */
static void assert_same(const char *what, const char *kernel, const float *got,
                        const float *expected, float tolerance)
{
    for (int n = 0; n < OUTS; n++) {
        const bool same = got[n] == expected[n] || fabsf(got[n] - expected[n]) <= tolerance;
        must(same, "%s, %s, seed %u, sequence %d: element %d is %.9g, expected %.9g", what, kernel,
             random_seed, n / (QUERIES * HEADS * DIM), n, got[n], expected[n]);
    }
}

/* Rows of an i8 cache as numbers; each is as near to what was appended as the header says. */
static void dequantise(const struct cache *c, const clattn_tensor *values,
                       const clattn_tensor *scales, const float *truth, float *to)
{
    const size_t count = (size_t)tensor_elements(values);
    int8_t *stored = malloc(count);
    float *scale = malloc(count / SCALED * sizeof *scale);
    ck_assert(stored && scale);
    tensor_read(values, stored, count);
    tensor_read(scales, scale, count / SCALED);
    for (int s = 0; s < SEQUENCES; s++) {
        for (int n = 0; n < rows.length[s] * ROW; n++) {
            const int j = n / ROW, page = c->pages[s * c->most + j / c->page_rows];
            const size_t at =
                ((size_t)page * (size_t)c->page_rows + (size_t)(j % c->page_rows)) * ROW +
                (size_t)(n % ROW);
            const size_t i = rows_at(s, 0) + (size_t)n;
            to[i] = (float)stored[at] * scale[at / SCALED];
            const float bound = 127 * scale[at / SCALED] / 254;
            ck_assert_msg(fabsf(to[i] - truth[i]) <= bound * 1.0001f,
                          "row %d of sequence %d is %.9g, expected %.9g to %.9g", j, s, to[i],
                          truth[i], bound);
        }
    }
    free(stored);
    free(scale);
}

/* ---- Tests ---------------------------------------------------------------------------- */

static void assert_all_same(struct cache *caches, int count, bool every_kernel)
{
    static float got[OUTS], expected[OUTS];
    for (int n = 0; n < (every_kernel ? KERNELS : 1); n++) {
        const char *const kernel = kernels[n];
        if (!attend_rows(rows.k, rows.v, CAPACITY, kernel, expected)) {
            continue;
        }
        for (int i = 0; i < OUTS; i++) {
            must(isfinite(expected[i]), "%s of plain rows is %g", kernel, expected[i]);
        }
        /* Kernels that look rows up one by one do it the same way for pages of each size. */
        for (int c = 0; c < count && (n == 0 || c < 2); c++) {
            attend_cache(&caches[c], kernel, got);
            assert_same(caches[c].name, kernel, got, expected, 0);
        }
        attend_packed(kernel, got);
        assert_same("packed", kernel, got, expected, 0);
    }
}

static void run_random(void)
{
    struct cache caches[] = {
        {.name = "in order"},
        {.name = "pages of 16", .page_rows = 16},
        {.name = "pages of 1", .page_rows = 1},
        {.name = "pages of 64", .page_rows = 64},
        {.name = "pages of 256", .page_rows = 256},
    };
    const int count = sizeof caches / sizeof *caches;
    for (int c = 0; c < count; c++) {
        cache_open(&caches[c]);
    }
    for (int n = 1; n <= APPENDS; n++) {
        caches_append(caches, count);
        if (n == 20 || n == 300) {
            assert_all_same(caches, count, false);
        }
        if (n % 90 == 0) {
            caches_free(caches, count);
        }
    }
    ck_assert_int_eq(rows.length[0], 0);
    ck_assert_int_eq(rows.length[SEQUENCES - 1], CAPACITY);
    assert_all_same(caches, count, true);
    for (int c = 0; c < count; c++) {
        cache_close(&caches[c]);
    }
}

START_TEST(attention_over_pages_has_the_bits_of_attention_over_the_rows)
{
    random_begin(1);
    run_random();
}
END_TEST

START_TEST(a_ring_is_attention_over_its_newest_rows)
{
    static float got[OUTS], expected[OUTS];
    struct cache ring = {.name = "ring", .ring = true};
    random_begin(2);
    cache_open(&ring);
    for (int n = 1; n <= APPENDS; n++) {
        caches_append(&ring, 1);
        if (n == 15 || n == 100 || n == APPENDS) {
            for (int i = 0; i < BEST; i++) {
                if (attend_rows(rows.k, rows.v, RING, kernels[i], expected)) {
                    attend_cache(&ring, kernels[i], got);
                    assert_same(ring.name, kernels[i], got, expected, 2e-6f);
                }
            }
        }
        if (n % 90 == 0) {
            caches_free(&ring, 1);
        }
    }
    cache_close(&ring);
}
END_TEST

START_TEST(i8_pages_hold_their_rows_to_the_stated_bound)
{
    static float got[OUTS], expected[OUTS], exact[OUTS];
    struct cache i8 = {.name = "i8", .page_rows = 16, .type = CLATTN_I8};
    const size_t bytes = (size_t)SEQUENCES * CAPACITY * ROW * sizeof(float);
    float *k = malloc(bytes), *v = malloc(bytes);
    ck_assert(k && v);
    random_begin(3);
    cache_open(&i8);
    for (int n = 1; n <= APPENDS; n++) {
        caches_append(&i8, 1);
        if (n % 90 == 0) {
            caches_free(&i8, 1);
        }
    }
    dequantise(&i8, &i8.k, &i8.k_scale, rows.k, k);
    dequantise(&i8, &i8.v, &i8.v_scale, rows.v, v);
    for (int n = 0; n < BEST; n++) {
        if (attend_rows(k, v, CAPACITY, kernels[n], expected)) {
            attend_cache(&i8, kernels[n], got);
            assert_same(i8.name, kernels[n], got, expected, 2e-6f);
            /* Numbers below 1 are off by at most 1/254; a weighted mean of values is, too, and its
             * weights change by a few times that. */
            attend_rows(rows.k, rows.v, CAPACITY, kernels[n], exact);
            assert_same("i8 beside f32", kernels[n], got, exact, 0.02f);
        }
    }
    free(k);
    free(v);
    cache_close(&i8);
}
END_TEST

static void write_numbers(clattn_tensor *tensor, int count, const int32_t *numbers)
{
    *tensor = tensor_zeros(CLATTN_I32, count, 1, 1, 1);
    tensor_write(tensor, numbers);
}

/* A page that is not there, a length below zero or over what is there: nothing is written. */
START_TEST(rows_without_a_place_are_not_written)
{
    struct cache caches[] = {
        {.name = "in order"}, {.name = "pages", .page_rows = 16}, {.name = "ring", .ring = true}};
    const int32_t lengths[SEQUENCES] = {-1, CAPACITY, INT32_MAX, INT32_MIN, -MOST_NEW};
    int32_t start[SEQUENCES + 1];
    for (int s = 0; s <= SEQUENCES; s++) {
        start[s] = s;
    }
    for (int c = 0; c < 3; c++) {
        float *left = malloc((size_t)SEQUENCES * CAPACITY * ROW * sizeof *left);
        ck_assert_ptr_nonnull(left);
        cache_open(&caches[c]);
        tensor_write(&rows.start, start);
        memcpy(rows.length, lengths, sizeof lengths);
        if (caches[c].ring) { /* goes on without end */
            rows.length[1] = rows.length[2] = -2;
        }
        tensor_write(&rows.lengths, rows.length);
        cache_append(&caches[c], SEQUENCES);
        if (caches[c].page_rows) { /* pages of none, then lengths that are good */
            memset(rows.length, 0, sizeof rows.length);
            tensor_write(&rows.lengths, rows.length);
            cache_append(&caches[c], SEQUENCES);
        }
        const size_t count = (size_t)tensor_elements(&caches[c].k);
        tensor_read(&caches[c].k, left, count);
        for (size_t n = 0; n < count; n++) {
            must(isnan(left[n]), "%s: element %zu was written", caches[c].name, n);
        }
        free(left);
        cache_close(&caches[c]);
    }
}
END_TEST

/* Starts that run backwards or beyond the rows are sequences that end where they begin. */
START_TEST(starts_that_run_backwards_are_empty_sequences)
{
    const int32_t backwards[] = {9, 4, -5, 2, 1 << 30, 3};
    static float got[OUTS];
    const clattn_tensor starts = tensor_zeros(CLATTN_I32, 1, 1, 1, SEQUENCES + 1);
    const clattn_tensor rows_of_all = tensor_random(1, 1, 9, KV, DIM);
    tensor_write(&starts, backwards);
    for (int n = 0; n < KERNELS; n++) {
        attend((clattn_attention_desc){.kernel = kernels[n], .packed = true},
               (clattn_attention_args){.k = rows_of_all,
                                       .v = rows_of_all,
                                       .q_start = starts,
                                       .k_start = starts,
                                       .most_queries = OUT_ROWS},
               got);
    }
    /* Sequence 2 has rows 0 and 1 of q and k, 3 has the rest; 9 .. 4 is none. */
    for (int n = 0; n < OUTS; n++) {
        must(isfinite(got[n]), "element %d is %g", n, got[n]);
    }
}
END_TEST

/* ---- A prompt that all share ----------------------------------------------------------- */

enum { PROMPT = 300, MOST_OWN = 40 };

static clattn_attention_args parts_of(int64_t batch, int64_t queries)
{
    return (clattn_attention_args){
        .q = tensor_view(rows.q, 0, batch, queries, HEADS, DIM),
        .out = tensor_zeros(CLATTN_F32, batch, queries, HEADS, DIM),
        .lse = tensor_zeros(CLATTN_F32, batch, queries, HEADS, 1),
    };
}

static void run_once(const clattn_attention_desc *desc, const clattn_attention_args *args)
{
    clattn_op *op = NULL;
    assert_ok(clattn_attention_create(fixture.context, desc, &op));
    assert_ok(clattn_attention_run(op, fixture.queue, args, NULL));
    ck_assert_int_eq(clFinish(fixture.queue), CL_SUCCESS);
    clattn_op_destroy(op);
}

/* The prompt's rows, then NaN, where each sequence's own follow. */
static clattn_tensor joined(const clattn_tensor *prompt, const clattn_tensor *own)
{
    const clattn_tensor all = tensor_zeros(CLATTN_F32, SEQUENCES, PROMPT + MOST_OWN, KV, DIM);
    static float values[(PROMPT + MOST_OWN) * ROW];
    for (int s = 0; s < SEQUENCES; s++) {
        const int64_t own_at = (int64_t)s * MOST_OWN * ROW,
                      at = (int64_t)s * (PROMPT + MOST_OWN) * ROW;
        const clattn_tensor from = tensor_view(*own, own_at, 1, MOST_OWN, KV, DIM);
        const clattn_tensor to = tensor_view(all, at, 1, PROMPT + MOST_OWN, KV, DIM);
        tensor_read(prompt, values, PROMPT * ROW);
        tensor_read(&from, values + PROMPT * ROW, MOST_OWN * ROW);
        tensor_write(&to, values);
    }
    return all;
}

START_TEST(a_shared_prompt_is_attended_once_and_merged_with_what_each_has)
{
    const clattn_attention_desc shared = {.head_dim = DIM, .query_heads = HEADS, .kv_heads = KV};
    clattn_attention_desc causal = shared;
    causal.causal = true;
    const int32_t own[SEQUENCES] = {QUERIES, MOST_OWN, 17, 16, 4};
    int32_t all[SEQUENCES];
    clattn_tensor own_lengths, all_lengths;
    for (int s = 0; s < SEQUENCES; s++) {
        all[s] = PROMPT + own[s];
    }
    write_numbers(&own_lengths, SEQUENCES, own);
    write_numbers(&all_lengths, SEQUENCES, all);
    const clattn_tensor sinks = tensor_random(9, 1, 1, HEADS, 1);
    const clattn_tensor prompt_k = tensor_random(3, 1, PROMPT, KV, DIM);
    const clattn_tensor prompt_v = tensor_random(4, 1, PROMPT, KV, DIM);
    const clattn_tensor own_k = tensor_random(5, SEQUENCES, MOST_OWN, KV, DIM);
    const clattn_tensor own_v = tensor_random(6, SEQUENCES, MOST_OWN, KV, DIM);

    clattn_attention_args whole = parts_of(SEQUENCES, QUERIES),
                          suffix = parts_of(SEQUENCES, QUERIES);
    clattn_attention_args prompt = parts_of(1, OUT_ROWS);
    whole.k = joined(&prompt_k, &own_k), whole.v = joined(&prompt_v, &own_v);
    whole.kv_length = all_lengths;
    suffix.k = own_k, suffix.v = own_v, suffix.kv_length = own_lengths;
    prompt.k = prompt_k, prompt.v = prompt_v;
    whole.sinks = prompt.sinks = sinks;
    run_once(&causal, &whole);
    run_once(&causal, &suffix);
    run_once(&shared, &prompt);

    const clattn_merge_desc desc = {.type = CLATTN_F32};
    clattn_op *op = NULL;
    assert_ok(clattn_merge_create(fixture.context, &desc, &op));
    const clattn_merge_args merge = {
        .a = prompt.out,
        .a_lse = prompt.lse,
        .b = tensor_view(suffix.out, 0, 1, OUT_ROWS, HEADS, DIM),
        .b_lse = tensor_view(suffix.lse, 0, 1, OUT_ROWS, HEADS, 1),
        .out = prompt.out,
        .lse = prompt.lse,
    };
    assert_ok(clattn_merge_run(op, fixture.queue, &merge, NULL));
    clattn_op_destroy(op);
    const clattn_tensor out = tensor_view(prompt.out, 0, SEQUENCES, QUERIES, HEADS, DIM);
    const clattn_tensor lse = tensor_view(prompt.lse, 0, SEQUENCES, QUERIES, HEADS, 1);
    assert_same_tensors(&out, &whole.out, 2e-6f);
    assert_same_tensors(&lse, &whole.lse, 1e-5f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache");
    TCase *random = suite_group(suite, "random appends", rows_open, rows_close);
    tcase_add_test(random, attention_over_pages_has_the_bits_of_attention_over_the_rows);
    tcase_add_test(random, a_ring_is_attention_over_its_newest_rows);
    tcase_add_test(random, i8_pages_hold_their_rows_to_the_stated_bound);
    TCase *bounds = suite_group(suite, "what tables say is bounded", rows_open, rows_close);
    tcase_add_test(bounds, rows_without_a_place_are_not_written);
    tcase_add_test(bounds, starts_that_run_backwards_are_empty_sequences);
    TCase *shared = suite_group(suite, "shared prompts", rows_open, rows_close);
    tcase_add_test(shared, a_shared_prompt_is_attended_once_and_merged_with_what_each_has);
    return suite_run_on_device(suite);
}
