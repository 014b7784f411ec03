/* Ops that are one kernel over a few tensors and numbers.  An op's own file says what its
 * descriptor may be and lists the arguments of a call in the kernel's order; checking them,
 * building, binding and launching is the same for all and is here. */
#ifndef CLATTN_OPS_SIMPLE_H
#define CLATTN_OPS_SIMPLE_H

#include "registry/op.h"

enum { CLATTN__MAX_OPERANDS = 11, CLATTN__MAX_INTS = 6 };

/* A tensor of a call and what it must look like. */
struct clattn__operand {
    const char *field; /* of args; NULL ends the list */
    const clattn_tensor *tensor;
    int64_t size[4];
    unsigned types;  /* bit t: clattn_type t is accepted */
    unsigned repeat; /* bit a: axis a may have size 1 and is then repeated */
    bool optional, output;
    unsigned over;        /* of an output, bit n: it may be exactly operand n */
    const char *unwanted; /* why it must be absent; NULL = it need not be */
};

/* Of an operand that the descriptor's field of that name announces. */
#define CLATTN__ANNOUNCED(desc, name) ((desc)->name ? NULL : "desc lacks " #name)

/* The kernel's arguments: a pointer and long4 for each operand, those of the op's constant if it
 * has one, then the ints, then the float. */
struct clattn__call {
    struct clattn__operand operand[CLATTN__MAX_OPERANDS];
    int64_t ints[CLATTN__MAX_INTS];
    float real;
    int64_t extent[3]; /* for the variant's geometry */
};

struct clattn__simple {
    size_t desc_bytes, args_bytes;
    size_t kernel_at; /* offset of desc's field kernel */
    int ints;         /* numbers of a call */
    bool real, has_constant;
    clattn_status (*complete)(void *desc); /* fills in what zero stands for, then checks */
    void (*specialise)(const void *desc, struct clattn__options *options);
    void (*label)(const void *desc, char *text, size_t bytes); /* behind the variant's name */
    void (*describe)(const void *desc, const void *args, struct clattn__call *call);
    /* What sizes and types cannot say; NULL = nothing. */
    clattn_status (*check)(const void *desc, const void *args);
    /* Makes the op's own buffer, if it has one. */
    clattn_status (*constant)(clattn_context *context, const void *desc, cl_mem *out);
};

struct clattn__simple_op {
    clattn_op base;
    cl_mem constant;
    _Alignas(max_align_t) unsigned char desc[]; /* with every default filled in */
};

clattn_status clattn__simple_create(const struct clattn__family *family, clattn_context *context,
                                    const void *desc, clattn_op **out);
clattn_status clattn__simple_variants(const struct clattn__family *family, clattn_context *context,
                                      const void *desc, clattn_variant_report *report, void *user);
clattn_status clattn__simple_run(const struct clattn__family *family, const clattn_op *op,
                                 cl_command_queue queue, const void *args, cl_event *event);

/* ---- For the registry ---------------------------------------------------------- */

clattn_status clattn__simple_build(clattn_op *op, const void *desc);
void clattn__simple_release(clattn_op *op);

#define CLATTN__SIMPLE(name, registry, descriptor, simple, visit_usual)                            \
    {                                                                                              \
        .op = name, .variants = registry,                                                          \
        .op_bytes = sizeof(struct clattn__simple_op) + sizeof(descriptor),                         \
        .build = clattn__simple_build, .release = clattn__simple_release, .usual = visit_usual,    \
        .own = &simple                                                                             \
    }

/* The op's three public functions. */
#define CLATTN__SIMPLE_CALLS(name)                                                                 \
    clattn_status clattn_##name##_create(clattn_context *context,                                  \
                                         const clattn_##name##_desc *desc, clattn_op **out)        \
    {                                                                                              \
        return clattn__simple_create(&clattn__##name##_family, context, desc, out);                \
    }                                                                                              \
    clattn_status clattn_##name##_variants(clattn_context *context,                                \
                                           const clattn_##name##_desc *desc,                       \
                                           clattn_variant_report *report, void *user)              \
    {                                                                                              \
        return clattn__simple_variants(&clattn__##name##_family, context, desc, report, user);     \
    }                                                                                              \
    clattn_status clattn_##name##_run(const clattn_op *op, cl_command_queue queue,                 \
                                      const clattn_##name##_args *args, cl_event *event)           \
    {                                                                                              \
        return clattn__simple_run(&clattn__##name##_family, op, queue, args, event);               \
    }

/* For CPU devices: one work-item a block of params[1] rows, params[0] the vectors' width. */
void clattn__row_blocks(const int *params, const int64_t extent[3], size_t global[3],
                        size_t local[3]);
void clattn__adapt_width(const clattn_device_facts *facts, const void *desc, int *params);

#define CLATTN__WIDE_ROWS(rows)                                                                    \
    .fits = clattn__fits_wide, .params = {{"WIDTH", 16}, {"ROWS", rows}},                          \
    .adapt = clattn__adapt_width, .geometry = clattn__row_blocks

/* For any device: one work-item each, params[0] to a group, along the rows or along the columns
 * (extent[1]), which neighbours then share. */
void clattn__row_items(const int *params, const int64_t extent[3], size_t global[3],
                       size_t local[3]);
void clattn__column_items(const int *params, const int64_t extent[3], size_t global[3],
                          size_t local[3]);
void clattn__adapt_items(const clattn_device_facts *facts, const void *desc, int *params);

#define CLATTN__ITEMS(along)                                                                       \
    .params = {{"ITEMS", 64}}, .adapt = clattn__adapt_items, .geometry = along

/* ---- For descriptors ------------------------------------------------------------ */

/* A dimension or count of a descriptor, 1..most. */
struct clattn__count {
    const char *field; /* NULL ends the list */
    int32_t value, most;
};
enum { CLATTN__MAX_DIM = 1 << 24 };
clattn_status clattn__check_counts(const char *op, const struct clattn__count *counts);

/* Refuses what is not F32, F16 or BF16. */
clattn_status clattn__check_float(const char *op, const char *field, clattn_type type);

/* "f16" or "f16>f32" */
void clattn__label_types(clattn_type in, clattn_type out, char *text, size_t bytes);

#endif /* CLATTN_OPS_SIMPLE_H */
