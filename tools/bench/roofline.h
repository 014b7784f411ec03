/* The two ceilings of a device that every timing is held against, measured on it by
 * microkernels (roofline.cl): Williams, Waterman and Patterson 2009. */
#ifndef TOOLS_ROOFLINE_H
#define TOOLS_ROOFLINE_H

#include "shared/message.h"
#include "shared/session.h"

typedef struct roofline {
    double gflops; /* fused multiply-adds in f32, two operations each */
    double gbytes; /* read from memory, GB/s (1e9) */
} roofline;

/* Measures both for about so many seconds each and raises what best holds: a ceiling is what
 * was reached at any time of a run.  small: in little memory, for a quick look. */
bool roofline_measure(const session *s, double seconds, bool small, roofline *best, reason *why);

#endif /* TOOLS_ROOFLINE_H */
