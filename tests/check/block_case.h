/* What cases of the smaller ops say; each op's own file has the options. */
#ifndef CHECK_BLOCK_CASE_H
#define CHECK_BLOCK_CASE_H

#include <clattn/base.h>

struct norm_case {
    bool rms;
    bool residual, sum, weight, bias, stats;
    char in_place[16]; /* "x" or "residual": what y (or sum, if kept) is written over */
    clattn_type weight_type;
    float epsilon, mean; /* mean: of the values */
};

struct rope_case {
    int32_t rotary_dim;
    bool interleaved, in_place, no_key;
    char tables[16];    /* "cache" or "rows" */
    char positions[16]; /* "ids", "start"; "" = 0, 1, 2, .. */
    int32_t first;      /* the lowest position, or start */
    char scaling[16];   /* "linear", "ntk", "yarn", "llama3" */
    float base, factor;
    int32_t original;
    bool divisors;
    clattn_type table_type;
};

struct activation_case {
    char kind[16];
    bool fused, residual, in_place; /* fused: x and up are halves of one tensor */
    float spread;                   /* of the values */
};

struct embed_case {
    int32_t vocabulary;
    bool positions, position_ids, types, type_ids;
};

struct softmax_case {
    float temperature;
    bool masked, in_place; /* masked: some -inf, a row of nothing else */
};

struct topk_case {
    int32_t k;
    bool ties; /* few different values */
};

struct project_case {
    clattn_type weight_type;
    bool constant; /* the descriptor has the weight */
    bool gated, residual;
    char activation[16]; /* "" = none */
};

struct ffn_case {
    clattn_type weight_type;
    char activation[16]; /* "" = silu */
    bool joined;         /* gate and up are one weight */
    bool residual;
};

struct moe_case {
    struct ffn_case ffn; /* first: what both have is read as ffn's */
    int32_t experts, k;
    bool sigmoid, renormalise, ties; /* ties: all logits are equal */
    int32_t favour;                  /* so many experts, the last, are before all others */
};

struct append_case {
    bool rope, interleaved, positions;
    bool queries; /* are turned, too */
    int32_t rotary_dim;
};

struct attribution_case {
    int32_t spans;             /* 0 = every key is one */
    char cuts[64];             /* where they begin and end; "" = anywhere */
    char rows[16], joined[16]; /* "" = each; sum, by-span; of heads mean, max */
    bool values, row_weight, accumulate;
};

struct cache_case {
    struct append_case append;
    struct attribution_case attribution;
    int32_t page_rows, ring, split_keys; /* ring: its capacity */
    bool stray;                          /* tables, lengths and starts name what is not there */
    bool packed, apart;                  /* sequences in a row; apart: but their keys are not */
    char q_length[64];                   /* of packed sequences, as kv_length */
    clattn_type kv_type;
};

struct classic_case {
    char kind[16];     /* of Luong's scores: dot, general, concat */
    char projected[4]; /* which of q and k come projected: "q", "k", "qk" */
    int32_t hidden;    /* columns in which queries and keys meet; 0 = head_dim */
};

#endif /* CHECK_BLOCK_CASE_H */
