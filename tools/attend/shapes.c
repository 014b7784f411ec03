#include "shapes.h"
#include "shared/message.h"

#include <inttypes.h>

static const char *shape_of(const attend_inputs *inputs, operand slot,
                            char text[CLATTN_SHAPE_BYTES])
{
    return clattn_shape_text(inputs->in[slot].rank, inputs->in[slot].shape, text);
}

bool check_shape(const attend_inputs *inputs, operand slot, int rank, const int64_t *shape,
                 const char *meaning)
{
    const clattn_array *a = &inputs->in[slot];
    bool fits = a->rank == rank;
    for (int i = 0; i < rank && fits; i++) {
        fits = a->shape[i] == shape[i];
    }
    if (!a->data || fits) {
        return true;
    }
    char is[CLATTN_SHAPE_BYTES], wanted[CLATTN_SHAPE_BYTES];
    fail("--%s has shape %s and must have %s, %s", operand_names[slot], shape_of(inputs, slot, is),
         clattn_shape_text(rank, shape, wanted), meaning);
    return false;
}

static bool check_rank(const attend_inputs *inputs, operand slot, int rank, const char *axes)
{
    char is[CLATTN_SHAPE_BYTES];
    if (!inputs->in[slot].data || inputs->in[slot].rank == rank) {
        return true;
    }
    fail("--%s has shape %s and must have %d axes, %s", operand_names[slot],
         shape_of(inputs, slot, is), rank, axes);
    return false;
}

/* Two operands must have one size, here a of the first and b of the second. */
static bool check_same(const attend_inputs *inputs, operand first, operand second, const char *what,
                       int64_t a, int64_t b)
{
    char one[CLATTN_SHAPE_BYTES], other[CLATTN_SHAPE_BYTES];
    if (a == b) {
        return true;
    }
    fail("--%s %s does not fit --%s %s: %s %" PRId64 " and %" PRId64, operand_names[second],
         shape_of(inputs, second, other), operand_names[first], shape_of(inputs, first, one), what,
         b, a);
    return false;
}

/* A number of heads or columns, as the library takes it. */
static bool store_size(const attend_inputs *inputs, operand slot, const char *what, int64_t size,
                       int32_t *out)
{
    char is[CLATTN_SHAPE_BYTES];
    *out = (int32_t)size;
    if (size >= 1 && size <= INT32_MAX) {
        return true;
    }
    fail("--%s %s: %s is %" PRId64, operand_names[slot], shape_of(inputs, slot, is), what, size);
    return false;
}

static bool check_groups(const attend_inputs *inputs, operand query, operand key)
{
    char q[CLATTN_SHAPE_BYTES], k[CLATTN_SHAPE_BYTES];
    if (inputs->query_heads % inputs->kv_heads == 0) {
        return true;
    }
    fail("--%s %s with %d heads cannot share the %d heads of --%s %s: they do not divide",
         operand_names[query], shape_of(inputs, query, q), inputs->query_heads, inputs->kv_heads,
         operand_names[key], shape_of(inputs, key, k));
    return false;
}

/* ---- q, k and v --------------------------------------------------------------------- */

bool check_ranks(const attend_inputs *inputs)
{
    char text[CLATTN_SHAPE_BYTES];
    if (inputs->rank != 3 && inputs->rank != 4) {
        fail("--q has shape %s and must have 4 axes, or 3 with --heads",
             shape_of(inputs, IN_Q, text));
        return false;
    }
    return check_same(inputs, IN_Q, IN_K, "axes", inputs->rank, inputs->in[IN_K].rank) &&
           check_same(inputs, IN_Q, IN_V, "axes", inputs->rank, inputs->in[IN_V].rank);
}

typedef struct head_sizes {
    int64_t batch, rows, heads, columns;
} head_sizes;

/* 3-D arrays are cut in heads of equal width; 4-D ones say their heads themselves. */
static bool read_heads(const attend_inputs *inputs, operand slot, const char *option, int32_t heads,
                       head_sizes *sizes)
{
    const clattn_array *a = &inputs->in[slot];
    const int64_t *shape = a->shape;
    char text[CLATTN_SHAPE_BYTES];
    if (a->rank == 4) {
        const int head = inputs->heads_first ? 1 : 2;
        *sizes = (head_sizes){shape[0], shape[3 - head], shape[head], shape[3]};
        if (heads && sizes->heads != heads) {
            fail("--%s %s has %" PRId64 " heads and %s says %d", operand_names[slot],
                 shape_of(inputs, slot, text), sizes->heads, option, heads);
            return false;
        }
        return true;
    }
    if (!heads) {
        fail("--%s %s has 3 axes and needs --heads", operand_names[slot],
             shape_of(inputs, slot, text));
        return false;
    }
    if (shape[2] % heads != 0) {
        fail("--%s %s: %" PRId64 " columns do not divide into the %d heads of %s",
             operand_names[slot], shape_of(inputs, slot, text), shape[2], heads, option);
        return false;
    }
    *sizes = (head_sizes){shape[0], shape[1], heads, shape[2] / heads};
    return true;
}

bool shapes_of_qkv(const attend_options *options, attend_inputs *inputs)
{
    head_sizes q, k, v;
    const bool says_kv = options->kv_heads || inputs->rank == 4;
    const int32_t kv_heads = says_kv ? options->kv_heads : options->heads;
    const char *kv_option = options->kv_heads ? "--kv-heads" : "--heads";
    if (!read_heads(inputs, IN_Q, "--heads", options->heads, &q) ||
        !read_heads(inputs, IN_K, kv_option, kv_heads, &k) ||
        !read_heads(inputs, IN_V, kv_option, kv_heads, &v)) {
        return false;
    }
    if (!check_same(inputs, IN_Q, IN_K, "batch", q.batch, k.batch) ||
        !check_same(inputs, IN_Q, IN_K, "head size", q.columns, k.columns) ||
        !check_same(inputs, IN_K, IN_V, "batch", k.batch, v.batch) ||
        !check_same(inputs, IN_K, IN_V, "keys", k.rows, v.rows) ||
        !check_same(inputs, IN_K, IN_V, "heads", k.heads, v.heads)) {
        return false;
    }
    inputs->batch = q.batch;
    inputs->n_q = q.rows;
    inputs->n_k = k.rows;
    return store_size(inputs, IN_Q, "heads", q.heads, &inputs->query_heads) &&
           store_size(inputs, IN_K, "heads", k.heads, &inputs->kv_heads) &&
           store_size(inputs, IN_Q, "head size", q.columns, &inputs->head_dim) &&
           store_size(inputs, IN_V, "head size", v.columns, &inputs->value_dim) &&
           check_groups(inputs, IN_Q, IN_K);
}

/* ---- A layer -------------------------------------------------------------------------- */

/* The head size that rows (or columns) of a weight make, cut in heads. */
static bool read_head_size(const attend_inputs *inputs, operand slot, int64_t rows, int64_t heads,
                           int32_t *size)
{
    char text[CLATTN_SHAPE_BYTES];
    if (rows > 0 && rows % heads == 0) {
        return store_size(inputs, slot, "head size", rows / heads, size);
    }
    fail("--%s %s: %" PRId64 " does not divide into %" PRId64 " heads", operand_names[slot],
         shape_of(inputs, slot, text), rows, heads);
    return false;
}

static bool read_head_sizes(attend_inputs *inputs)
{
    const clattn_array *in = inputs->in;
    const int64_t q = inputs->query_heads, kv = inputs->kv_heads;
    if (!in[IN_WQKV].data) {
        int32_t key_dim;
        return read_head_size(inputs, IN_WQ, in[IN_WQ].shape[0], q, &inputs->head_dim) &&
               read_head_size(inputs, IN_WK, in[IN_WK].shape[0], kv, &key_dim) &&
               read_head_size(inputs, IN_WV, in[IN_WV].shape[0], kv, &inputs->value_dim) &&
               check_same(inputs, IN_WQ, IN_WK, "head size", inputs->head_dim, key_dim);
    }
    const int64_t rows = in[IN_WQKV].shape[0];
    if (in[IN_WO].data) { /* else nothing says that values are not as wide as keys */
        return read_head_size(inputs, IN_WO, in[IN_WO].shape[1], q, &inputs->value_dim) &&
               read_head_size(inputs, IN_WQKV, rows - kv * inputs->value_dim, q + kv,
                              &inputs->head_dim);
    }
    if (!read_head_size(inputs, IN_WQKV, rows, q + 2 * kv, &inputs->head_dim)) {
        return false;
    }
    inputs->value_dim = inputs->head_dim;
    return true;
}

static bool check_weights(const attend_inputs *inputs)
{
    const clattn_array *in = inputs->in;
    const int64_t q = (int64_t)inputs->query_heads * inputs->head_dim;
    const int64_t k = (int64_t)inputs->kv_heads * inputs->head_dim;
    const int64_t v = (int64_t)inputs->kv_heads * inputs->value_dim;
    const int64_t o = (int64_t)inputs->query_heads * inputs->value_dim;
    const int64_t e = inputs->model_dim, c = inputs->context_dim;
    const int64_t rows = in[IN_WO].data ? in[IN_WO].shape[0] : 0;
    const struct {
        operand slot;
        int rank;
        int64_t shape[2];
        const char *meaning;
    } wanted[] = {
        {IN_WQ, 2, {q, e}, "heads * head size and columns of --x"},
        {IN_WK, 2, {k, c}, "kv heads * head size and columns of the keys' source"},
        {IN_WV, 2, {v, c}, "kv heads * head size and columns of the keys' source"},
        {IN_WQKV, 2, {q + k + v, e}, "rows of q, k and v, and columns of --x"},
        {IN_WO, 2, {rows, o}, "columns: heads * head size of the values"},
        {IN_BQ, 1, {q, 0}, "rows of --wq"},
        {IN_BK, 1, {k, 0}, "rows of --wk"},
        {IN_BV, 1, {v, 0}, "rows of --wv"},
        {IN_BQKV, 1, {q + k + v, 0}, "rows of --wqkv"},
        {IN_BO, 1, {rows, 0}, "rows of --wo"},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (!check_shape(inputs, wanted[i].slot, wanted[i].rank, wanted[i].shape,
                         wanted[i].meaning)) {
            return false;
        }
    }
    return !in[IN_WQKV].data || check_same(inputs, IN_X, IN_CONTEXT, "columns", e, c);
}

bool shapes_of_layer(const attend_options *options, attend_inputs *inputs)
{
    static const char axes[] = "rows and columns";
    const clattn_array *in = inputs->in;
    const operand source = in[IN_CONTEXT].data ? IN_CONTEXT : IN_X;
    if (!check_rank(inputs, IN_X, 3, "batch, rows and columns") ||
        !check_rank(inputs, IN_CONTEXT, 3, "batch, rows and columns") ||
        !check_same(inputs, IN_X, source, "batch", in[IN_X].shape[0], in[source].shape[0])) {
        return false;
    }
    for (int slot = IN_WQ; slot <= IN_WO; slot++) {
        if (!check_rank(inputs, (operand)slot, 2, axes)) {
            return false;
        }
    }
    inputs->batch = in[IN_X].shape[0];
    inputs->n_q = in[IN_X].shape[1];
    inputs->n_k = in[source].shape[1];
    inputs->query_heads = options->heads;
    inputs->kv_heads = options->kv_heads ? options->kv_heads : options->heads;
    if (inputs->query_heads % inputs->kv_heads != 0) {
        fail("--kv-heads %d does not divide --heads %d", inputs->kv_heads, inputs->query_heads);
        return false;
    }
    return store_size(inputs, IN_X, "columns", in[IN_X].shape[2], &inputs->model_dim) &&
           store_size(inputs, source, "columns", in[source].shape[2], &inputs->context_dim) &&
           (!in[IN_WO].data ||
            store_size(inputs, IN_WO, "rows", in[IN_WO].shape[0], &inputs->out_dim)) &&
           read_head_sizes(inputs) && check_weights(inputs);
}
