/* A bar on stderr for what takes long. */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include "message.h"
#include "options.h"

/* Whether there is one to see: stderr is a terminal, and --quiet was not given. */
bool progress_wanted(const common_options *common);

/* Draws the bar, share of it full, and a line of text over what was there. */
void progress_show(bool wanted, double share, const char *format, ...) PRINTF_LIKE(3, 4);

/* Wipes it; before anything else is written to the terminal. */
void progress_end(bool wanted);

#endif /* TOOLS_PROGRESS_H */
