#include "gguf_types.h"

/* Names by their numbers in the file; where there is no block, the type cannot be had. */
static const struct {
    const char *name;
    short elements, bytes;
} types[] = {
    [CLATTN_GGUF_F32] = {"F32", 1, 4},
    [CLATTN_GGUF_F16] = {"F16", 1, 2},
    [CLATTN_GGUF_Q4_0] = {"Q4_0", 32, 18},
    [CLATTN_GGUF_Q4_1] = {"Q4_1", 32, 20},
    [6] = {"Q5_0", 0, 0},
    [7] = {"Q5_1", 0, 0},
    [CLATTN_GGUF_Q8_0] = {"Q8_0", 32, 34},
    [9] = {"Q8_1", 0, 0},
    [10] = {"Q2_K", 0, 0},
    [11] = {"Q3_K", 0, 0},
    [CLATTN_GGUF_Q4_K] = {"Q4_K", 256, 144},
    [13] = {"Q5_K", 0, 0},
    [CLATTN_GGUF_Q6_K] = {"Q6_K", 256, 210},
    [15] = {"Q8_K", 0, 0},
    [16] = {"IQ2_XXS", 0, 0},
    [17] = {"IQ2_XS", 0, 0},
    [18] = {"IQ3_XXS", 0, 0},
    [19] = {"IQ1_S", 0, 0},
    [20] = {"IQ4_NL", 0, 0},
    [21] = {"IQ3_S", 0, 0},
    [22] = {"IQ2_S", 0, 0},
    [23] = {"IQ4_XS", 0, 0},
    [24] = {"I8", 0, 0},
    [25] = {"I16", 0, 0},
    [26] = {"I32", 0, 0},
    [27] = {"I64", 0, 0},
    [28] = {"F64", 0, 0},
    [29] = {"IQ1_M", 0, 0},
    [CLATTN_GGUF_BF16] = {"BF16", 1, 2},
    [34] = {"TQ1_0", 0, 0},
    [35] = {"TQ2_0", 0, 0},
    [39] = {"MXFP4", 0, 0},
};
enum { TYPES = sizeof types / sizeof types[0] };

const char *clattn_gguf_type_name(uint32_t type)
{
    return type < TYPES && types[type].name ? types[type].name : "unknown";
}

int clattn__gguf_block_elements(uint32_t type) { return types[type].elements; }
int clattn__gguf_block_bytes(uint32_t type) { return types[type].bytes; }

bool clattn__gguf_can_be_had(uint32_t type) { return type < TYPES && types[type].elements > 0; }
