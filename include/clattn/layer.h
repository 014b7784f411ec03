/* Whole transformer layers (Vaswani et al. 2017): their weights in a descriptor, one call to run
 * them.  Made of the public ops alone; whoever needs another order calls those. */
#ifndef CLATTN_LAYER_H
#define CLATTN_LAYER_H

#include <clattn/cache.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of a norm; both are optional. */
typedef struct clattn_norm_weights {
    clattn_tensor weight, bias; /* {1, 1, 1, model_dim} */
} clattn_norm_weights;

typedef struct clattn_attention_weights {
    clattn_linear q, k, v, out;
    clattn_linear qkv; /* of self-attention, instead of q, k and v: their rows one after the other,
                        * {1, (query_heads + kv_heads) * head_dim + kv_heads * value_dim, 1,
                        * model_dim}; one product instead of three */
    clattn_norm_weights norm;
} clattn_attention_weights;

/* As in clattn_ffn_desc. */
typedef struct clattn_ffn_weights {
    clattn_linear up, gate, down;
    clattn_linear gate_up;
    clattn_norm_weights norm;
} clattn_ffn_weights;

/* An encoder or a decoder layer.  Weights are used as create found them: it keeps packed copies,
 * or retains the buffers. */
typedef struct clattn_layer_desc {
    int32_t model_dim;               /* columns of x; required */
    int32_t hidden_dim;              /* between up and down; required */
    int32_t context_dim;             /* with cross; 0 = model_dim */
    clattn_attention_desc attention; /* of the self-attention: heads, masks, caches.  type is that
                                      * of everything but norms' weights; out_type is ignored */
    bool rotate;                     /* queries and keys are turned by rope */
    clattn_rope_desc rope;           /* its head_dim and type 0 = attention's */
    bool cached;                     /* keys and values go to a cache and are read from there */
    bool cross;                      /* attention to args.context between the other two parts */
    clattn_norm_kind norm;
    clattn_type norm_type; /* of norms' weights and biases */
    float epsilon;         /* 0 = 1e-5 */
    bool pre_norm; /* x + part(norm(x)) (GPT-2, Llama) instead of norm(x + part(x)) (BERT) */
    clattn_activation activation;
    bool gated;
    clattn_attention_weights self_attention, cross_attention;
    clattn_ffn_weights ffn;
} clattn_layer_desc;

typedef struct clattn_layer_args {
    clattn_tensor x;         /* {batch, n, 1, model_dim} */
    clattn_tensor out;       /* out, as x; may be x itself */
    clattn_tensor context;   /* {batch, m, 1, context_dim}, required with cross */
    clattn_tensor positions; /* optional, I32 {batch, n, 1, 1}: for rope, if not 0, 1, 2, .. or the
                              * rows' numbers in the cache */
    /* With desc.cached: as in clattn_append_args; used is the rows in use before this call, and
     * attention.kv_length those in use with the new ones. */
    clattn_tensor k_cache, v_cache, used;
    clattn_attention_args attention; /* of the self-attention: its optional operands; q, k, v (of a
                                      * cache too), out and scratch stay absent */
    clattn_tensor context_length;    /* optional, I32 {batch, 1, 1, 1}: rows of context in use */
    cl_mem scratch;                  /* clattn_layer_scratch() bytes; NULL = taken for this call */
} clattn_layer_args;

CLATTN_API clattn_status clattn_layer_create(clattn_context *context, const clattn_layer_desc *desc,
                                             clattn_op **out);
CLATTN_API size_t clattn_layer_scratch(const clattn_op *op, const clattn_layer_args *args);
CLATTN_API clattn_status clattn_layer_run(const clattn_op *op, cl_command_queue queue,
                                          const clattn_layer_args *args, cl_event *event);

/* The self-attention of a run as clattn_attention_run was given it, for what explains it
 * (clattn/attribution.h): args.attention with q, k and v, which lie in args.scratch (required) or
 * the cache.  What is in the scratch stays until that is used again.  Not with desc.cross. */
CLATTN_API clattn_status clattn_layer_attention(const clattn_op *op, const clattn_layer_args *args,
                                                clattn_attention_args *attention);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_LAYER_H */
