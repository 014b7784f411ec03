/* A tensor argument: a pointer, and its place as long4 {offset, batch, row, head}. */
#define IN(name) __global const void *name, const long4 name##_at
#define OUT(name) __global void *name, const long4 name##_at
