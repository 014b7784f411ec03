/* Keys and values that are kept from call to call.
 *
 * A cache is two tensors, k and v, that the caller owns, and a length for each batch entry: the
 * rows in use.  append writes rows at the end, clattn_attention_run reads them with the same
 * layout in its descriptor (page_rows, ring, packed, kv_type) and its lengths in kv_length.
 *
 *   in order   {batch, capacity, kv_heads, columns}
 *   ring       the same, row j at j mod capacity: the newest capacity rows; positions go on
 *   paged      {pages, page_rows, kv_heads, columns} and page_table, I32 {batch, 1, 1, most}
 *
 * Stored as i8, every 32 columns of a row share an F32 scale, their largest magnitude / 127: a
 * number is off by at most 1/254 of that magnitude.  Scales are tensors as k and v with
 * (columns + 31) / 32 columns. */
#ifndef CLATTN_CACHE_H
#define CLATTN_CACHE_H

#include <clattn/attention.h>
#include <clattn/block.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Append: k and v at the end of a cache --------------------------------- */

typedef struct clattn_append_desc {
    int32_t head_dim;    /* columns of k; required, 1..512 */
    int32_t value_dim;   /* columns of v; 0 = head_dim */
    clattn_type type;    /* of the new k and v: F32, F16 or BF16 */
    clattn_type kv_type; /* of the cache: F16, BF16 or I8; 0 = type */
    int32_t page_rows;   /* as in clattn_attention_desc */
    bool ring;
    bool packed;           /* new rows of all sequences one after the other (args.start) */
    bool rotate;           /* keys are turned by rope on their way */
    clattn_rope_desc rope; /* with rotate; its head_dim 0 = head_dim; tables is not supported */
    const char *kernel;    /* force a variant by name; NULL = best that fits */
} clattn_append_desc;

/* Row i of entry b becomes row kv_length[b] + i of its cache; the caller's lengths grow
 * afterwards.  Rows that have no place (behind the capacity, on a page that is not there) are
 * not written. */
typedef struct clattn_append_args {
    clattn_tensor k;          /* {batch, n, kv_heads, head_dim} */
    clattn_tensor v;          /* {batch, n, kv_heads, value_dim} */
    clattn_tensor k_cache;    /* out */
    clattn_tensor v_cache;    /* out */
    clattn_tensor k_scale;    /* out, required with kv_type I8 */
    clattn_tensor v_scale;    /* out, the same */
    clattn_tensor page_table; /* required with page_rows */
    clattn_tensor kv_length;  /* I32 {batch, 1, 1, 1}: rows in use before */
    clattn_tensor start;      /* with packed, I32 {1, 1, 1, sequences + 1}: as q_start of attention;
                               * k and v have batch 1 then */
    clattn_tensor positions;  /* optional, I32 {batch, n, 1, 1} ({1, n, 1, 1} packed): for rope, if
                               * they are not the rows' own numbers */
    clattn_tensor q; /* optional with rotate, {batch, n, query_heads, head_dim} of type: the
                      * same rows' queries, turned as the keys are, in place; those of rows
                      * that have no place, too */
} clattn_append_args;

CLATTN_API clattn_status clattn_append_create(clattn_context *context,
                                              const clattn_append_desc *desc, clattn_op **out);
CLATTN_API clattn_status clattn_append_variants(clattn_context *context,
                                                const clattn_append_desc *desc,
                                                clattn_variant_report *report, void *user);
CLATTN_API clattn_status clattn_append_run(const clattn_op *op, cl_command_queue queue,
                                           const clattn_append_args *args, cl_event *event);

/* ---- Merge: results over two disjoint sets of keys ------------------------- */

/* out = sum_p exp(lse_p - lse) out_p with lse = log(sum_p exp(lse_p)), of two parts.  Associative
 * and commutative, so any number of parts is merged pair by pair: a prompt that many sequences
 * share is attended once, as one batch entry with all their queries, and merged with what each
 * has of its own.  A part that saw nothing is (0, -inf); two of them give that again.  A sink
 * must be in one part only. */
typedef struct clattn_merge_desc {
    clattn_type type;     /* of the parts: F32, F16 or BF16 */
    clattn_type out_type; /* of out, the same */
    const char *kernel;   /* force a variant by name; NULL = best that fits */
} clattn_merge_desc;

typedef struct clattn_merge_args {
    clattn_tensor a, b;         /* {batch, rows, heads, value_dim} */
    clattn_tensor a_lse, b_lse; /* F32 {batch, rows, heads, 1} */
    clattn_tensor out;          /* out, as a of out_type; or a or b itself */
    clattn_tensor lse;          /* out, optional, as a_lse; or a_lse or b_lse itself */
} clattn_merge_args;

CLATTN_API clattn_status clattn_merge_create(clattn_context *context, const clattn_merge_desc *desc,
                                             clattn_op **out);
CLATTN_API clattn_status clattn_merge_variants(clattn_context *context,
                                               const clattn_merge_desc *desc,
                                               clattn_variant_report *report, void *user);
CLATTN_API clattn_status clattn_merge_run(const clattn_op *op, cl_command_queue queue,
                                          const clattn_merge_args *args, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_CACHE_H */
