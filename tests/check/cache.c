/* Attention over keys that do not lie in order. */
#include "cached.h"
#include "random.h"

static void expect_entry(struct trial *t, int64_t b, const struct ref_attention *a)
{
    const struct test_case *c = t->c;
    const int64_t row = cached_first_query(c, b) * c->heads;
    double *unread = ref_array(a->n_q * c->heads);
    ref_attention(a, t->expected[OUT] + row * c->value_dim,
                  t->expected[LSE] ? t->expected[LSE] + row : unread, NULL);
    free(unread);
}

static bool expect(struct trial *t) { return cached_visit(t, expect_entry); }

static clattn_status create(const struct trial *t, clattn_context *context, const char *kernel,
                            clattn_op **op)
{
    const clattn_attention_desc desc = cached_desc(t->c, kernel);
    return clattn_attention_create(context, &desc, op);
}

static clattn_status run(const struct trial *t, const clattn_op *op, cl_command_queue queue)
{
    const clattn_attention_args args = cached_args(t);
    return clattn_attention_run(op, queue, &args, NULL);
}

static const char *kernel_of(const struct trial *t, const clattn_op *op)
{
    const clattn_attention_args args = cached_args(t);
    return clattn_attention_kernel(op, &args);
}

static const struct trial_kind trial = {cached_describe, cached_fill, expect,
                                        create,          run,         .kernel = kernel_of};

static clattn_status variants(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user)
{
    const clattn_attention_desc desc = cached_desc(c, c->kernel[0] ? c->kernel : NULL);
    return clattn_attention_variants(context, &desc, report, user);
}

static void random_words(struct rng *rng, char *line, size_t bytes)
{
    static const char *const kinds[] = {"", " --packed", " --packed --apart"};
    static const int pages[] = {1, 4, 16, 24, 64, 256};
    const int kv = (int)rng_below(rng, 3) + 1, keys = (int)rng_below(rng, 300) + 1;
    random_add(line, bytes, " --batch 3 --heads %d --kv-heads %d --head-dim %d --nq %d --nk %d",
               kv * ((int)rng_below(rng, 4) + 1), kv, (int)rng_below(rng, 70) + 1,
               (int)rng_below(rng, 40) + 1, keys);
    random_add(line, bytes, " --kv-length %d,%d,%d --q-length %d,%d,%d --type %s%s",
               (int)rng_below(rng, keys + 1), (int)rng_below(rng, keys + 1), keys,
               (int)rng_below(rng, 50), (int)rng_below(rng, 3), (int)rng_below(rng, 20) + 1,
               random_type(rng), rng_below(rng, 3) ? "" : " --kv-type i8");
    random_add(line, bytes, "%s", kinds[rng_below(rng, 3)]);
    switch (rng_below(rng, 3)) {
    case 0: random_add(line, bytes, " --page-rows %d", pages[rng_below(rng, 6)]); break;
    case 1: random_add(line, bytes, " --ring %d", (int)rng_below(rng, keys) + 1); break;
    default: break;
    }
    random_add(line, bytes, "%s%s%s%s --seed %d", rng_below(rng, 2) ? " --causal" : "",
               rng_below(rng, 4) ? "" : " --sinks", rng_below(rng, 2) ? " --lse" : "",
               rng_below(rng, 3) ? "" : " --split-keys 37", (int)rng_below(rng, 1000000));
}

static const struct case_option options[] = {CACHED_OPTIONS, {0}};

const struct check_op check_cache = {
    .name = "cache",
    .options = options,
    .trial = &trial,
    .variants = variants,
    .random = random_words,
};
