/* ops/layer/ffn.c and ops/moe/moe.c: what their descriptors and calls may say, and that one is made
 * of the other.  Results are tests/check's. */
#include "support/fixture.h"
#include "support/refusals.h"
#include "support/tensors.h"

#include <clattn/moe.h>

enum { B = 2, ROWS = 3, MODEL = 12, HIDDEN = 10, EXPERTS = 4, K = 2 };

static void close_all(void)
{
    tensors_release();
    fixture_close();
}

static clattn_linear linear(unsigned seed, int64_t experts, int64_t out, int64_t in)
{
    return (clattn_linear){tensor_random(seed, experts, out, 1, in),
                           tensor_random(seed + 10, experts, 1, 1, out)};
}

static clattn_ffn_desc ffn_desc(void)
{
    return (clattn_ffn_desc){.model_dim = MODEL,
                             .hidden_dim = HIDDEN,
                             .activation = CLATTN_SILU,
                             .gated = true,
                             .up = linear(1, 1, HIDDEN, MODEL),
                             .gate = linear(2, 1, HIDDEN, MODEL),
                             .down = linear(3, 1, MODEL, HIDDEN)};
}

static clattn_moe_desc moe_desc(int32_t experts, int32_t k)
{
    return (clattn_moe_desc){.model_dim = MODEL,
                             .hidden_dim = HIDDEN,
                             .experts = experts,
                             .k = k,
                             .renormalise = true,
                             .activation = CLATTN_SILU,
                             .gated = true,
                             .router = linear(4, 1, experts, MODEL),
                             .up = linear(1, experts, HIDDEN, MODEL),
                             .gate = linear(2, experts, HIDDEN, MODEL),
                             .down = linear(3, experts, MODEL, HIDDEN)};
}

static clattn_ffn_args ffn_args(void)
{
    return (clattn_ffn_args){.x = tensor_random(5, B, ROWS, 1, MODEL),
                             .y = tensor_zeros(CLATTN_F32, B, ROWS, 1, MODEL)};
}

static clattn_moe_args moe_args(void)
{
    const clattn_ffn_args args = ffn_args();
    return (clattn_moe_args){.x = args.x, .y = args.y};
}

static clattn_op *ffn_make(void)
{
    const clattn_ffn_desc desc = ffn_desc();
    clattn_op *op = NULL;
    assert_ok(clattn_ffn_create(fixture.context, &desc, &op));
    return op;
}

static clattn_op *moe_make(int32_t experts, int32_t k)
{
    const clattn_moe_desc desc = moe_desc(experts, k);
    clattn_op *op = NULL;
    assert_ok(clattn_moe_create(fixture.context, &desc, &op));
    return op;
}

static const int32_t no_dims[] = {0, -1, INT32_MIN, INT32_MAX, (1 << 24) + 1};
enum { NO_DIMS = sizeof no_dims / sizeof *no_dims };

/* What both have. */
#define COMMON_REFUSED(op, good)                                                                   \
    do {                                                                                           \
        for (int i = 0; i < NO_DIMS; i++) {                                                        \
            DESC_REFUSED(op, good, desc.model_dim = no_dims[i], "model_dim");                      \
            DESC_REFUSED(op, good, desc.hidden_dim = no_dims[i], "hidden_dim");                    \
        }                                                                                          \
        DESC_REFUSED(op, good, desc.type = CLATTN_I32, "type");                                    \
        DESC_REFUSED(op, good, desc.out_type = (clattn_type)-1, "out_type");                       \
        DESC_REFUSED(op, good, desc.activation = (clattn_activation)-1, "activation");             \
        DESC_REFUSED(op, good, desc.activation = (clattn_activation)(CLATTN_SILU + 1),             \
                     "activation");                                                                \
        DESC_REFUSED(op, good, desc.gated = false, "gate is given");                               \
        DESC_REFUSED(op, good, desc.up.weight.mem = NULL, "up.weight is absent");                  \
        DESC_REFUSED(op, good, desc.gate.weight.mem = NULL, "gate.weight is absent");              \
        DESC_REFUSED(op, good, desc.down.weight.mem = NULL, "down.weight is absent");              \
        DESC_REFUSED(op, good, desc.up.weight.size[1]--, "weight.size[1]");                        \
        DESC_REFUSED(op, good, desc.down.weight.size[3]++, "weight.size[3]");                      \
        DESC_REFUSED(op, good, desc.up.weight.type = CLATTN_I32, "weight");                        \
        DESC_REFUSED(op, good, desc.kernel = "none", "none");                                      \
    } while (0)

#define CALLS_REFUSED(op, made, good)                                                              \
    do {                                                                                           \
        CALL_REFUSED(op, made, good, args.x.mem = NULL, "args.x is required");                     \
        CALL_REFUSED(op, made, good, args.y.mem = NULL, "args.y is required");                     \
        CALL_REFUSED(op, made, good, args.x.type = CLATTN_F16, "args.x.type");                     \
        CALL_REFUSED(op, made, good, args.y.type = CLATTN_F16, "args.y.type");                     \
        CALL_REFUSED(op, made, good, args.x.size[3]--, "args.x.size[3]");                          \
        CALL_REFUSED(op, made, good, args.y.size[1]--, "args.y.size[1]");                          \
        CALL_REFUSED(op, made, good, args.x.size[0] = -1, "args.x.size");                          \
        CALL_REFUSED(op, made, good, args.x.size[1] = INT64_MAX, "args.x.size");                   \
        CALL_REFUSED(op, made, good, args.x.offset = 1, "args.x reaches");                         \
        CALL_REFUSED(op, made, good,                                                               \
                     args.scratch = memory_make(clattn_##op##_scratch(made, &args) - 1),           \
                     "args.scratch");                                                              \
    } while (0)

START_TEST(feed_forwards_that_make_no_sense_are_refused_by_name)
{
    COMMON_REFUSED(ffn, ffn_desc());
}
END_TEST

START_TEST(mixtures_that_make_no_sense_are_refused_by_name)
{
    const clattn_moe_desc good = moe_desc(EXPERTS, K);
    COMMON_REFUSED(moe, good);
    DESC_REFUSED(moe, good, desc.experts = 0, "experts is 0");
    DESC_REFUSED(moe, good, desc.experts = -1, "experts is -1");
    DESC_REFUSED(moe, good, desc.k = 0, "k is 0");
    DESC_REFUSED(moe, good, desc.k = -1, "k is -1");
    DESC_REFUSED(moe, good, desc.k = EXPERTS + 1, "k is 5, must be 1..4");
    DESC_REFUSED(moe, good, desc.routing = (clattn_routing)2, "routing");
    DESC_REFUSED(moe, good, desc.router.weight.mem = NULL, "router.weight is absent");
    DESC_REFUSED(moe, good, desc.router.weight.size[1]--, "router");
    DESC_REFUSED(moe, good, desc.gate.weight.size[0]--, "desc.gate.weight.size[0]");
    DESC_REFUSED(moe, good, desc.down.bias.size[0] = 1, "desc.down.bias.size[0]");
}
END_TEST

START_TEST(calls_that_do_not_fit_are_refused_by_name)
{
    clattn_op *ffn = ffn_make(), *moe = moe_make(EXPERTS, K);
    CALLS_REFUSED(ffn, ffn, ffn_args());
    CALLS_REFUSED(moe, moe, moe_args());
    clattn_op_destroy(ffn);
    clattn_op_destroy(moe);
}
END_TEST

static void ignore(void *user, const char *kernel, const char *refusal)
{
    (void)user;
    (void)kernel;
    (void)refusal;
}

START_TEST(what_is_missing_is_named)
{
    const clattn_ffn_desc desc = ffn_desc();
    const clattn_ffn_args args = ffn_args();
    clattn_op *ffn = ffn_make(), *moe = moe_make(EXPERTS, K), *none = NULL;
    MISSING_REFUSED(moe, moe_desc(EXPERTS, K), moe, ffn);
    assert_refused(clattn_moe_variants(fixture.context, NULL, ignore, NULL), "desc is NULL");
    assert_refused(clattn_ffn_create(NULL, &desc, &none), "ffn: context is NULL");
    assert_refused(clattn_ffn_create(fixture.context, NULL, &none), "ffn: desc is NULL");
    assert_refused(clattn_ffn_create(fixture.context, &desc, NULL), "ffn: out is NULL");
    assert_refused(clattn_ffn_run(NULL, fixture.queue, &args, NULL), "ffn: op is NULL");
    assert_refused(clattn_ffn_run(ffn, fixture.queue, NULL, NULL), "ffn: args is NULL");
    assert_refused(clattn_ffn_run(moe, fixture.queue, &args, NULL), "of another kind, moe");
    ck_assert_uint_eq(clattn_ffn_scratch(moe, &args), 0);
    ck_assert_uint_eq(clattn_ffn_scratch(ffn, NULL), 0);
    ck_assert_uint_eq(clattn_moe_scratch(moe, NULL), 0);
    clattn_op_destroy(ffn);
    clattn_op_destroy(moe);
}
END_TEST

/* The weight of the only expert is 1; results may take the place of x; scratches of the caller
 * serve. */
START_TEST(a_mixture_of_one_is_a_feed_forward)
{
    clattn_op *ffn = ffn_make(), *moe = moe_make(1, 1);
    clattn_ffn_args one = ffn_args();
    clattn_moe_args other = moe_args();
    const size_t one_bytes = clattn_ffn_scratch(ffn, &one),
                 other_bytes = clattn_moe_scratch(moe, &other);
    cl_event event = NULL;
    other.y = other.x;
    one.scratch = scratch_make(one_bytes);
    other.scratch = scratch_make(other_bytes);
    assert_ok(clattn_ffn_run(ffn, fixture.queue, &one, NULL));
    assert_ok(clattn_moe_run(moe, fixture.queue, &other, &event));
    ck_assert_int_eq(clWaitForEvents(1, &event), CL_SUCCESS);
    ck_assert_int_eq(clReleaseEvent(event), CL_SUCCESS);
    assert_same_tensors(&other.y, &one.y, 1e-5f);
    assert_scratch_kept(one.scratch, one_bytes);
    assert_scratch_kept(other.scratch, other_bytes);
    clattn_op_destroy(ffn);
    clattn_op_destroy(moe);
}
END_TEST

static cl_uint references(cl_mem mem)
{
    cl_uint count = 0;
    clGetMemObjectInfo(mem, CL_MEM_REFERENCE_COUNT, sizeof count, &count, NULL);
    return count;
}

START_TEST(weights_are_let_go)
{
    clattn_moe_desc desc = moe_desc(EXPERTS, K);
    const clattn_tensor *kept[] = {&desc.up.weight,   &desc.up.bias,   &desc.gate.weight,
                                   &desc.down.weight, &desc.down.bias, &desc.router.bias};
    const char *const kernels[] = {NULL, "experts"};
    for (int n = 0; n < 2; n++) {
        clattn_op *op = NULL;
        desc.kernel = kernels[n];
        assert_ok(clattn_moe_create(fixture.context, &desc, &op));
        clattn_op_destroy(op);
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
            ck_assert_uint_eq(references(kept[i]->mem), 1);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ffn");
    TCase *refusals = suite_group(suite, "refusals", fixture_open, close_all);
    tcase_add_test(refusals, feed_forwards_that_make_no_sense_are_refused_by_name);
    tcase_add_test(refusals, mixtures_that_make_no_sense_are_refused_by_name);
    tcase_add_test(refusals, calls_that_do_not_fit_are_refused_by_name);
    tcase_add_test(refusals, what_is_missing_is_named);
    TCase *results = suite_group(suite, "results", fixture_open, close_all);
    tcase_add_test(results, a_mixture_of_one_is_a_feed_forward);
    tcase_add_test(results, weights_are_let_go);
    return suite_run_on_device(suite);
}
